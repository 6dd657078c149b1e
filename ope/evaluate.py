"""From a log to estimates: one pass that serves every estimator, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ope.answer import answer
from ope.bounds import Bounds, Seen, known, reach, span
from ope.decisions import Decisions
from ope.estimate import Estimate
from ope.estimator import DECISIONS, EPISODES, Estimator
from ope.intervals import Sample
from ope.registry import ESTIMATORS
from ope.sums import WeightSums
from ope.terms import Terms, TermSums
from ope.trajectory.episodes import MOST_STEPS, Episodes
from ope.verdict.disagreement import disagreement
from ope.verdict.health import judge
from ope.verdict.health_evidence import Evidence
from ope.verdict.trust import Judgement


def applicable(log: Decisions | Episodes) -> list[str]:
    """Return the estimators that this log has the columns for."""
    return [name for name, item in ESTIMATORS.items() if _missing(log, item) is None]


def evaluate(
    log: Decisions | Episodes,
    names: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    interval: str = "delta",
    judgement: Judgement | None = None,
    seed: int = 0,
    bounds: Bounds | None = None,
) -> list[Estimate]:
    """Estimate a candidate's value with several estimators in one pass.

    Parameters
    ----------
    log
        Decisions or episodes, with the candidate's probabilities.
    names
        Keys of ESTIMATORS; None: all that the log has the columns for.
    level, interval
        Coverage of both intervals, and a key of INTERVALS for the one of a single look.
    judgement
        The candidate's verdict; None: judged here, from all that the log has.
    seed
        Of the intervals that draw.
    bounds
        Rewards and weights that can occur, for ``bernstein``; None: those of the log.

    Raises
    ------
    ValueError
        If an estimator or interval is unknown, a column that it needs is missing, ``level`` is outside (0, 1), or a
        number of the log cannot be used; names it.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> action = rng.integers(0, 2, 4000)
    >>> candidate = np.tile([0.2, 0.8], (4000, 1))
    >>> log = Decisions(rng.normal(action, 0.1), np.full(4000, 0.5), candidate[np.arange(4000), action], action,
    ...                 candidate, q=np.tile([0.1, 0.9], (4000, 1)))
    >>> [round(estimate.value, 1) for estimate in evaluate(log, ["ips", "snips"])]
    [0.8, 0.8]
    """
    chosen = [_known(log, name) for name in (applicable(log) if names is None else names)]
    tuning = {item.name: None if item.tune is None else item.tune(log) for item in chosen}
    weights, sums = WeightSums(), dict[str, TermSums]()
    seen = {item.name: Seen() for item in chosen}
    evidence = Evidence() if judgement is None else None
    for piece in log.blocks():
        added = piece.weight_sums()
        weights = weights + added
        if evidence is not None:
            evidence.add(piece, added)
        for item in chosen:
            terms = _by_unit(piece, item.terms(piece, tuning[item.name]))
            found = TermSums.of(*terms)
            sums[item.name] = sums[item.name] + found if item.name in sums else found
            if item.span is None:
                seen[item.name].add(terms)
    judged = judgement or judge(weights, evidence=evidence)
    limits = known(log, bounds, weights.w_max)
    answers = [
        answer(
            item,
            Sample(
                (found := sums.get(item.name, _NOTHING)), _Pieces(log, item, tuning[item.name]), seed, weights.ess,
                (width := span(item, log, limits, tuning[item.name])),
                reach(found, width) if item.span is not None else seen[item.name].reach(found),
            ),
            weights, level=level, interval=interval, judgement=judged, tuning=tuning[item.name],
        )
        for item in chosen
    ]  # fmt: skip
    return disagreement(answers)


_NOTHING = TermSums(0, np.zeros(2), np.zeros((2, 2)))


class _Pieces:
    """Yields an estimator's terms again, for the intervals that sums do not suffice for."""

    def __init__(self, log: Decisions | Episodes, item: Estimator, tuning: float | None) -> None:
        self._log, self._item, self._tuning = log, item, tuning

    def __call__(self) -> Iterator[Terms]:
        for piece in self._log.blocks():
            yield _by_unit(piece, self._item.terms(piece, self._tuning))


def _known(log: Decisions | Episodes, name: str) -> Estimator:
    if name not in ESTIMATORS:
        raise ValueError(f"no estimator is called {name!r}; available: {', '.join(ESTIMATORS)}")
    item = ESTIMATORS[name]
    if (missing := _missing(log, item)) is not None:
        raise ValueError(f"{name} {missing}")
    return item


def _missing(log: Decisions | Episodes, item: Estimator) -> str | None:
    """Return what the log lacks for an estimator, None where it lacks nothing."""
    sequential = isinstance(log, Episodes)
    if item.log == EPISODES and not sequential:
        return "needs episodes: give episode_id and step, or choose an estimator of single decisions"
    if item.log == DECISIONS and sequential:
        return "is of single decisions, and these are episodes: choose tis, wis, pdis, wpdis or one with a model"
    if item.model and (log.q is None or log.candidate is None):
        return "needs predicted rewards q and the candidate's probability of every action"
    if item.by_step and isinstance(log, Episodes) and log.horizon > MOST_STEPS:
        return (
            f"has a ratio for each step and takes episodes of at most {MOST_STEPS} steps, the longest has "
            f"{log.horizon}: choose an estimator with one for the whole episode (pdis, wis, dr_seq)"
        )
    return None


def _by_unit(piece: Decisions | Episodes, terms: Terms) -> Terms:
    """Add the terms of the rows of each cluster."""
    if isinstance(piece, Episodes) or piece.cluster is None or not len(piece):
        return terms
    begins = np.flatnonzero(np.append(True, np.diff(piece.cluster) > 0))
    total, mass = terms

    def added(column: Any) -> Any:
        return np.add.reduceat(column, begins, axis=0)

    return added(total), added(np.ones_like(total) if mass is None else mass)
