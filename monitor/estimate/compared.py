"""Better than what acted? The paired difference on the same rows, in the words of whoever has to approve it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from monitor.estimate.trajectories import mean_return
from monitor.estimate.wanted import Wanted
from ope import ESTIMATORS, Decisions, Difference, Judgement, Trust, difference
from ope.trajectory.episodes import Episodes

USUAL = ("snips", "dr", "wpdis")
WHO = "the log's policy"


def compared(
    log: Decisions | Episodes, names: Sequence[str], judgement: Judgement, wanted: Wanted
) -> dict[str, Any] | None:
    """Return the paired difference to what the log's own policy earned on the same rows, None without an estimator.

    A cost is better when it is lower: the difference is then of its negative, what is saved.
    """
    weighted = [name for name in names if ESTIMATORS[name].weighted]
    name = next((item for item in USUAL if item in weighted), weighted[0] if weighted else None)
    if name is None or not len(log):
        return None
    margin = wanted.allowed(mean_return(log) if isinstance(log, Episodes) else float(log.reward.mean()))
    if wanted.lower_is_better:
        log = replace(log, reward=-log.reward, q=None if log.q is None else -log.q)
    found = difference(log, name, margin=margin, level=wanted.level, judgement=judgement)
    said = _sentence(found, wanted, judgement.verdict is Trust.REFUSED)
    return {**found.to_dict(), "of": f"-{wanted.target}" if wanted.lower_is_better else wanted.target, "sentence": said}


def _sentence(found: Difference, wanted: Wanted, refused: bool) -> str:
    if found.value is None:
        why = "the comparison is refused." if refused else found.reasons[-1]
        return f"Not compared with {WHO}: {why[0].lower()}{why[1:]}"
    if found.value == 0 and found.stderr == 0:
        return f"Decides as {WHO} in every row: there is nothing to compare."
    if not wanted.lower_is_better:
        return found.sentence(WHO)
    than = f" by more than {found.margin:.4g}" if found.margin else ""
    if found.anytime_low is None:
        return f"Not shown yet: {wanted.target} is not above that of {WHO}{than}; too few rows for a bound."
    return (
        f"{'' if found.shown else 'Not shown: '}{wanted.target} is not above that of {WHO}{than}: "
        f"{100 * found.level:g}% upper bound of the difference {-found.anytime_low:.4g} at every look."
    )
