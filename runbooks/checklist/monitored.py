"""FUL-01: is everything that matters watched without a gap?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient

_BLIND = ("insufficient", "no_data")


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Ask for a watched series of every metric in the inventory, and count windows that nobody or nothing judged."""
    inventory: list[str] = parameters["inventory"]
    watched = [w for w in facts.watched if w.metric in inventory]
    have = {(w.metric, w.key) for w in watched}
    absent = [metric for metric in inventory if not any(name == metric for name, _key in have)]
    if "violation_rate" in inventory:
        known = {c.name for c in facts.constraints}
        absent += [f"violation rate of {name}" for name in sorted(known) if ("violation_rate", name) not in have]
    expected = sum(w.expected for w in watched)
    judged = sum(w.judged for w in watched)
    errors = sum(w.states.get("error", 0) for w in watched)
    blind = sum(w.states.get(state, 0) for w in watched for state in _BLIND)
    statistics: dict[str, Any] = {
        "series": [{**vars(w), "states": dict(w.states)} for w in watched], "absent": absent, "expected": expected,
        "judged": judged, "errors": errors, "blind": blind, "silent_jobs": list(facts.silent_jobs),
    }  # fmt: skip
    gaps = max(0, expected - judged) + errors
    numbers: dict[str, Any] = {"number": float(gaps), "threshold": 0.0, "unit": "windows"}
    if facts.silent_jobs:
        return Item(State.FAIL, f"No sign of life of {', '.join(facts.silent_jobs)}.", statistics, **numbers)
    if absent and watched:
        return Item(State.FAIL, f"Nothing watches {', '.join(absent)}.", statistics, **numbers)
    if expected == 0:
        return insufficient("No window has been judged yet.", statistics)
    if gaps:
        sentence = f"{expected - judged:,} of {expected:,} windows were not judged and {errors:,} ended in an error."
        return Item(State.FAIL, sentence, statistics, **numbers)
    most = float(parameters["blind_at_most"])
    if blind > most * expected:
        sentence = f"{blind:,} of {expected:,} windows had too few rows or none ({most:.0%} are allowed)."
        return insufficient(sentence, statistics, **numbers)
    sentence = f"{len(watched)} series, {expected:,} windows, all judged; {blind:,} of them had too few rows."
    return Item(State.PASS, sentence, statistics, **numbers)
