"""FAI-01: is every segment as well off, not only the average?"""

from __future__ import annotations

import math
from typing import Any

from runbooks.checklist.bounds import below, holm
from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts, SegmentPair
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Test each measure of each segment against the same segment under today's version, twice, with Holm.

    Fail where one is worse; pass only where every one is shown not to be worse by more than ``margin`` of today's
    standard deviation. Between the two lies insufficient evidence, not fairness.
    """
    if facts.version == facts.incumbent:
        sentence = f"{facts.version} is what people have today: there is nothing to compare it with."
        return Item(State.NOT_APPLICABLE, sentence)
    if not facts.segments:
        return insufficient("No segment has rows under both the judged version and today's.")
    alpha, margin, least = (float(parameters[name]) for name in ("alpha", "margin", "segment_decisions"))
    rows = [_row(pair, margin) for pair in facts.segments]
    statistics: dict[str, Any] = {"segments": rows, "concurrent": facts.concurrent, "alpha": alpha, "margin": margin}
    worst = min(rows, key=lambda row: row["effect"])
    numbers: dict[str, Any] = {"number": worst["effect"], "threshold": -margin, "unit": "standard deviations of today"}
    worse = holm([row["p_worse"] for row in rows], alpha)
    if any(worse):
        names = ", ".join(f"{r['segment']} ({r['measure']})" for r, bad in zip(rows, worse, strict=True) if bad)
        return Item(State.FAIL, f"Worse than today: {names}.", statistics, **numbers)
    thin = sorted({row["segment"] for row in rows if min(row["n"], row["today_n"]) < least})
    if thin:
        return insufficient(f"Fewer than {least:,.0f} decisions in {', '.join(thin[:5])}.", statistics, **numbers)
    if not facts.concurrent:
        sentence = f"No segment is seen to be worse, but {facts.incumbent} did not act at the same time: run a control."
        return insufficient(sentence, statistics, **numbers)
    shown = holm([row["p_not_shown"] for row in rows], alpha)
    if not all(shown):
        names = ", ".join(f"{r['segment']} ({r['measure']})" for r, ok in zip(rows, shown, strict=True) if not ok)
        return insufficient(f"Not shown to be as well off: {names}.", statistics, **numbers)
    sentence = f"{len({r['segment'] for r in rows})} segments, none worse; the least good is {worst['segment']} "
    sentence += f"({worst['measure']}) at {worst['effect']:+.3f} standard deviations (margin {margin:g}, Holm)."
    return Item(State.PASS, sentence, statistics, **numbers)


def _row(pair: SegmentPair, margin: float) -> dict[str, Any]:
    sign = 1.0 if pair.higher_is_better else -1.0
    difference = sign * (pair.now.mean - pair.today.mean)
    spread = max(pair.today.deviation, pair.now.deviation)
    error = math.sqrt(pair.now.deviation**2 / max(pair.now.n, 1) + pair.today.deviation**2 / max(pair.today.n, 1))
    if error > 0:
        p_worse, p_not_shown = below(difference / error), 1.0 - below((difference + margin * spread) / error)
    else:  # both constant: equal, better or worse without a doubt
        p_worse, p_not_shown = (1.0, 0.0) if difference >= 0 else (0.0, 1.0)
    return {
        "segment": pair.segment, "measure": pair.measure, "n": pair.now.n, "today_n": pair.today.n,
        "value": pair.now.mean, "today": pair.today.mean, "effect": difference / spread if spread else difference,
        "p_worse": p_worse, "p_not_shown": p_not_shown,
    }  # fmt: skip
