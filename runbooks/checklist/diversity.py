"""FUL-04: does the policy still use its actions as it did?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Hold entropy and the commonest action's share inside a band around the baseline's."""
    found = facts.diversity
    if found is None:
        return insufficient("There are no named actions, or no baseline of them, to compare.")
    statistics: dict[str, Any] = dict(vars(found))
    least = int(parameters["decisions"])
    if found.n < least:
        return insufficient(
            f"{found.n:,} decisions; {least:,} are asked for.", statistics, number=found.n, threshold=least
        )
    low, high = (float(edge) * found.baseline_entropy for edge in parameters["entropy_band"])
    top = found.baseline_top_share + float(parameters["top_share_rise"])
    numbers: dict[str, Any] = {"number": found.entropy, "threshold": low, "unit": "share of ln K"}
    words = (
        f"Entropy {found.entropy:.3f} (band {low:.3f} to {high:.3f}), commonest action {found.top_share:.1%} "
        f"(at most {top:.1%})."
    )
    if low <= found.entropy <= high and found.top_share <= top:
        return Item(State.PASS, words, statistics, **numbers)
    return Item(State.FAIL, f"Outside its band: {words}", statistics, **numbers)
