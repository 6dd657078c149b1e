"""A log of single decisions as arrays: what every bandit estimator reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ope import shapes
from ope.predicted import Predicted
from ope.sums import WeightSums
from ope.weights import importance_weights

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

COLUMNS = ("reward", "propensity", "probability", "action", "cluster")
TABLES = ("candidate", "q", "behaviour", "eligible")  # a column for each action
BLOCK = 9_984  # rows: a block, its probabilities and their products stay in the processor's cache (see ope.sums)


@dataclass(frozen=True, eq=False)
class Decisions(Predicted):
    """Logged decisions, with what one candidate would have done in each.

    Shapes are checked when it is made, numbers block by block when they are read, so that a log of a million rows is
    passed over once.

    Parameters
    ----------
    reward
        Reward, cost or outcome of each row, finite, shape (rows,).
    propensity
        The behaviour policy's probability of the executed action, in (0, 1], shape (rows,).
    probability
        The candidate's probability of the executed action, in [0, 1], shape (rows,).
    action
        Column of the executed action, shape (rows,); None where only its probability is known.
    candidate
        The candidate's probability of every action, shape (rows, actions).
    q
        Predicted reward of every action, shape (rows, actions): cross-fitted, or fitted on other rows.
    behaviour
        The behaviour policy's probability of every action, shape (rows, actions): what the log can contain at all.
    eligible
        Which actions could be taken, shape (rows, actions); None: those of ``behaviour`` above 0, or not known.
    state
        What was known when the action was chosen, shape (rows, features), NaN where missing.
    cluster
        Which rows belong together (a subject), shape (rows,), ascending: they count as one unit. None: every row.
    start
        Number of the first row, for messages.

    Raises
    ------
    ValueError
        If shapes do not fit; when read, if a number is missing, infinite or out of range. Names the column and row.

    Examples
    --------
    >>> log = Decisions(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([0.8, 0.2]))
    >>> log.weight.tolist()
    [1.6, 0.4]
    """

    reward: Floats
    propensity: Floats
    probability: Floats
    action: Ints | None = None
    candidate: Floats | None = None
    q: Floats | None = None
    behaviour: Floats | None = None
    eligible: Bools | None = None
    state: Floats | None = None
    cluster: Ints | None = None
    start: int = 0

    def __post_init__(self) -> None:
        rows = len(self.reward)
        shapes.check(self, rows, COLUMNS, TABLES, whole=f"reward has {rows} rows", one="decision")
        if self.cluster is not None and rows and (np.diff(self.cluster) < 0).any():
            raise ValueError("cluster is not ascending: sort the rows by it")

    def __len__(self) -> int:
        return len(self.reward)

    @cached_property
    def weight(self) -> Floats:
        """Importance weight of each row."""
        return importance_weights(self.probability, self.propensity, self.start)

    def weight_sums(self) -> WeightSums:
        """Return the sums that the verdict is made from."""
        return WeightSums.from_rows(self.weight, self.reward)

    def blocks(self, rows: int = BLOCK, *, tables: bool = True) -> Iterator[Decisions]:
        """Yield checked pieces in order; rows of one cluster stay together.

        Without ``tables`` those of all actions are not checked, which takes longer than everything else.
        """
        ends = np.append(np.arange(rows, len(self), rows), len(self)) if len(self) else np.empty(0, np.int64)
        if self.cluster is not None and len(self):
            ends = np.unique(np.searchsorted(self.cluster, self.cluster[ends - 1], side="right"))
        begin = 0
        for end in ends.tolist():
            yield self.piece(begin, end, tables=tables)
            begin = end

    def piece(self, begin: int, end: int, *, tables: bool = True) -> Decisions:
        """Return the checked rows from ``begin`` to ``end``."""
        cut: dict[str, Any] = {
            name: None if (column := getattr(self, name)) is None else column[begin:end]
            for name in (*COLUMNS, *TABLES, "state")
        }
        found = replace(self, **cut, start=self.start + begin)
        found._check(tables)
        return found

    def _check(self, tables: bool) -> None:
        names = ["reward", "probability", "weight"]
        if tables:
            # What is not finite in q or candidate is not finite in their products either, which most estimators need.
            both = self.q is not None and self.candidate is not None
            names += ["behaviour"] if both and np.isfinite(self.q_candidate.sum()) else ["q", "candidate", "behaviour"]
        for name in names:
            column = getattr(self, name)
            if column is None or np.isfinite(column.sum()) or np.isfinite(column).all():
                continue
            bad = ~np.isfinite(column).reshape(len(self), -1).all(axis=1)
            row = self.start + int(np.argmax(bad))
            raise ValueError(f"{name} is not a finite number in row {row} ({int(bad.sum())} rows): leave it out")
        actions = next((table.shape[1] for name in TABLES if (table := getattr(self, name)) is not None), None)
        if self.action is None or actions is None or not len(self):
            return
        if self.action.min() < 0 or self.action.max() >= actions:
            row = self.start + int(np.argmax((self.action < 0) | (self.action >= actions)))
            raise ValueError(f"action in row {row} is none of the candidate's {actions} actions")
