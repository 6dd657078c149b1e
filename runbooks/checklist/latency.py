"""OFF-09: does the decision come in time?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.bounds import upper_quantile
from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Hold the distribution-free upper bound of the 99th percentile against the declared SLA; none declared is a fail.

    Rows without a latency may be the ones that timed out, so more than ``missing_at_most`` of them is no evidence.
    """
    found = facts.latency
    if found is None:
        return insufficient("No latency was measured.")
    if found.sla is None:
        return Item(State.FAIL, f"No SLA is declared: set policy.{facts.policy}.checklist.latency_sla.")
    if not found.values:
        return insufficient("No row has a latency.")
    n, sla, share = len(found.values), found.sla, float(parameters["quantile"])
    bound = upper_quantile(found.values, share, float(parameters["alpha"]))
    point = float(found.values[min(n - 1, int(share * n))])
    over = sum(1 for value in found.values if value > sla)
    statistics: dict[str, Any] = {
        "n": n, "missing": found.missing, "median_ms": float(found.values[n // 2]), "p99_ms": point,
        "p99_upper_ms": bound, "max_ms": float(found.values[-1]), "over_sla": over, "sla_ms": sla,
    }  # fmt: skip
    numbers: dict[str, Any] = {"number": bound, "threshold": sla, "unit": "ms"}
    if point > sla:
        sentence = f"p{share * 100:g} is {point:.3g} ms, above the SLA of {sla:g} ms ({over:,} of {n:,} are)."
        return Item(State.FAIL, sentence, statistics, **numbers)
    least = int(parameters["decisions"])
    if n < least:
        return insufficient(f"{n:,} decisions with a latency; {least:,} are asked for.", statistics, **numbers)
    if found.missing > float(parameters["missing_at_most"]) * (n + found.missing):
        return insufficient(f"{found.missing:,} of {n + found.missing:,} rows have no latency.", statistics, **numbers)
    if bound is None or bound > sla:
        return insufficient(
            f"The upper bound of p{share * 100:g} is above the SLA of {sla:g} ms.", statistics, **numbers
        )
    sentence = f"p{share * 100:g} is at most {bound:.3g} ms (measured {point:.3g}), SLA {sla:g} ms, {n:,} decisions."
    return Item(State.PASS, sentence, statistics, **numbers)
