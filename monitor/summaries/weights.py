"""Importance-weight sums of each candidate policy: what off-policy value and propensity health are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from monitor.summaries.base import Summary
from monitor.summaries.parts import Floats

COLUMNS = ("n", "w", "w2", "wr", "w2r", "w2r2", "w_max", "r", "r2", "wr2")


@dataclass(frozen=True, eq=False, slots=True)
class WeightedSums(Summary):
    """Sums over rows of w = ``pi.<candidate>`` / propensity and of the reward r.

    A row counts only when propensity, pi and reward are all there: finite, pi not negative, the propensity possible
    (see ``Tallies``). Where the plan counts an absent reward as zero, it is there.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Plan
    >>> table = pa.table({"propensity": [0.5, 0.25, None], "pi.new": [1.0, 0.0, 1.0], "reward": [3.0, 1.0, 1.0]})
    >>> sums = WeightedSums.of(table, Plan(candidates=("new",))).sums("new")
    >>> dict(zip(COLUMNS, sums.tolist(), strict=True))["wr"], sums[0]
    (6.0, np.float64(2.0))
    """

    KIND: ClassVar[int] = 7
    FIELDS: ClassVar[tuple[str, ...]] = ("candidates",)

    def sums(self, candidate: str | int) -> Floats:
        """Return the sums of a candidate in the order of ``COLUMNS``, shape (10,), by name or place in the plan.

        Raises
        ------
        KeyError
            If there is no such candidate.
        ValueError
            If a name is asked for and the plan is not known.
        """
        if isinstance(candidate, str) or self.plan is not None:
            index = self.position(candidate, self.known_plan().candidates, "candidate")
        else:
            index = self.position(candidate, ("",) * self.layout.candidates, "candidate")
        if not self.layout.candidates:
            return np.zeros(len(COLUMNS))
        w, w2, wr, w2r, w2r2, r, r2, wr2 = self.parts.sums[8 * index : 8 * index + 8].tolist()
        largest = max(0.0, float(self.parts.high[index]))
        return np.array([self.parts.counts[index], w, w2, wr, w2r, w2r2, largest, r, r2, wr2], dtype=np.float64)
