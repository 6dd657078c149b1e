"""FUL-03: are the states those that the policy was made for?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Hold every feature's newest debiased Jensen-Shannon divergence (base 2) against the limit."""
    if not facts.drift:
        return insufficient("No drift has been judged: freeze a baseline, and see that the log has state.* columns.")
    limit = float(parameters["divergence_at_most"])
    known = [f for f in facts.drift if f.divergence is not None and f.state in {"ok", "fire"}]
    statistics: dict[str, Any] = {"features": [vars(f) for f in facts.drift]}
    over = [f for f in known if (f.divergence or 0.0) > limit]
    if known:
        worst = max(known, key=lambda f: f.divergence or 0.0)
        numbers: dict[str, Any] = {"number": worst.divergence, "threshold": limit, "unit": "bits"}
    else:
        return insufficient(
            f"None of {len(facts.drift)} features could be judged ({facts.drift[0].state}).", statistics
        )
    if over:
        names = ", ".join(f"{f.feature} {f.divergence:.3g}" for f in over[:5])
        sentence = f"{len(over)} of {len(facts.drift)} features are above {limit:g} bit: {names}."
        return Item(State.FAIL, sentence, statistics, **numbers)
    if len(known) < len(facts.drift):
        rest = [f"{f.feature} ({f.state})" for f in facts.drift if f not in known]
        return insufficient(f"Not judged: {', '.join(rest[:5])}.", statistics, **numbers)
    sentence = (
        f"All {len(known)} features are below {limit:g} bit; {worst.feature} is furthest, {worst.divergence:.3g}."
    )
    return Item(State.PASS, sentence, statistics, **numbers)
