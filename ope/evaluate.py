"""From a log to estimates: one pass that serves every estimator, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ope.answer import answer
from ope.decisions import Decisions
from ope.estimate import Estimate
from ope.estimator import DECISIONS, Estimator
from ope.health import judge
from ope.intervals import Sample
from ope.registry import ESTIMATORS
from ope.sums import WeightSums
from ope.terms import Terms, TermSums
from ope.trust import Judgement


def applicable(log: Decisions) -> list[str]:
    """Return the estimators that this log has the columns for."""
    model = log.q is not None and log.candidate is not None
    return [name for name, item in ESTIMATORS.items() if item.log == DECISIONS and (model or not item.model)]


def evaluate(
    log: Decisions,
    names: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    interval: str = "delta",
    judgement: Judgement | None = None,
    seed: int = 0,
) -> list[Estimate]:
    """Estimate a candidate's value with several estimators in one pass.

    Parameters
    ----------
    log
        The decisions, with the candidate's probabilities.
    names
        Keys of ESTIMATORS; None: all that the log has the columns for.
    level, interval
        Coverage of both intervals, and a key of INTERVALS for the one of a single look.
    judgement
        The candidate's verdict; None: judged here from the weights alone.
    seed
        Of the intervals that draw.

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
    for piece in log.blocks():
        weights = weights + WeightSums.from_rows(piece.weight, piece.reward)
        for item in chosen:
            found = TermSums.of(*_by_unit(piece, item.terms(piece, tuning[item.name])))
            sums[item.name] = sums[item.name] + found if item.name in sums else found
    judged = judgement or judge(weights)
    return [
        answer(
            item, Sample(sums.get(item.name, _NOTHING), _Pieces(log, item, tuning[item.name]), seed), weights,
            level=level, interval=interval, judgement=judged, tuning=tuning[item.name],
        )
        for item in chosen
    ]  # fmt: skip


_NOTHING = TermSums(0, np.zeros(2), np.zeros((2, 2)))


class _Pieces:
    """Yields an estimator's terms again, for the intervals that sums do not suffice for."""

    def __init__(self, log: Decisions, item: Estimator, tuning: float | None) -> None:
        self._log, self._item, self._tuning = log, item, tuning

    def __call__(self) -> Iterator[Terms]:
        for piece in self._log.blocks():
            yield _by_unit(piece, self._item.terms(piece, self._tuning))


def _known(log: Decisions, name: str) -> Estimator:
    if name not in ESTIMATORS:
        raise ValueError(f"no estimator is called {name!r}; available: {', '.join(ESTIMATORS)}")
    item = ESTIMATORS[name]
    if item.log != DECISIONS:
        raise ValueError(f"{name} needs episodes: give episode_id and step, or choose an estimator of single decisions")
    if item.model and (log.q is None or log.candidate is None):
        raise ValueError(f"{name} needs predicted rewards q and the candidate's probability of every action")
    return item


def _by_unit(piece: Decisions, terms: Terms) -> Terms:
    """Add the terms of the rows of each cluster."""
    if piece.cluster is None or not len(piece):
        return terms
    begins = np.flatnonzero(np.append(True, np.diff(piece.cluster) > 0))
    total, mass = terms

    def added(column: Any) -> Any:
        return np.add.reduceat(column, begins, axis=0)

    return added(total), added(np.ones_like(total) if mass is None else mass)
