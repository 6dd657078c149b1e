"""FUL-02: has the distribution of the reward changed, not only its mean?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Compare quantiles and the mean of the worst 5% with the baseline's, in its standard deviations, and its peaks.

    Two peaks where the baseline had one are two populations, however little the mean and the quantiles moved.
    """
    now, then = facts.reward, facts.reward_baseline
    if now is None or then is None or then.deviation <= 0:
        return insufficient("There is no reward distribution, or no baseline of it, to compare.")
    least = int(parameters["decisions"])
    statistics: dict[str, Any] = {
        "now": {**vars(now), "quantiles": dict(now.quantiles)},
        "baseline": {**vars(then), "quantiles": dict(then.quantiles)},
    }
    if now.n < least or then.n < least:
        return insufficient(f"{min(now.n, then.n):,} rewards; {least:,} are asked for.", statistics)
    shifts = {
        f"quantile {q}": (now.quantiles[q] - then.quantiles[q]) / then.deviation
        for q in then.quantiles
        if q in now.quantiles
    }
    shifts["mean of the worst 5%"] = (now.cvar - then.cvar) / then.deviation
    worst = max(shifts, key=lambda name: abs(shifts[name]))
    limit = float(parameters["shift_at_most"])
    modes = facts.modes
    statistics = {**statistics, "shifts": shifts, "modes": None if modes is None else vars(modes)}
    numbers: dict[str, Any] = {
        "number": abs(shifts[worst]),
        "threshold": limit,
        "unit": "standard deviations of the baseline",
    }
    sentence = f"The {worst} moved by {shifts[worst]:+.2f} standard deviations of the baseline (limit {limit:g})"
    if abs(shifts[worst]) > limit:
        return Item(State.FAIL, f"{sentence}: its owner has to explain it.", statistics, **numbers)
    if modes is not None and modes.several:
        return Item(State.FAIL, f"{modes.sentence} Its owner has to explain it.", statistics, **numbers)
    peaks = "Its peaks could not be counted." if modes is None else f"No new peak (dip {modes.dip:.3g})."
    return Item(State.PASS, f"{sentence}, the furthest of {len(shifts)}. {peaks}", statistics, **numbers)
