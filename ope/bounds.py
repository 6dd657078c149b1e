"""How far the terms of an estimator can reach: what an interval without a limit theorem has to know."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ope.decisions import Decisions
from ope.terms import Terms, TermSums

if TYPE_CHECKING:
    from ope.estimator import Estimator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """What is known of a log beforehand, before any row is seen.

    Parameters
    ----------
    low, high
        Smallest and largest reward that can occur.
    weight
        Largest importance weight that can occur: at most 1 over the smallest probability that the behaviour policy
        gives to an action.

    Raises
    ------
    ValueError
        If they are not finite or the wrong way round.

    Examples
    --------
    >>> Bounds(0.0, 1.0, weight=20.0).reach
    20.0
    >>> Bounds(-1.0, 1.0, weight=20.0).reach
    40.0
    """

    low: float
    high: float
    weight: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high, self.weight]).all() and self.low <= self.high and self.weight >= 0):
            raise ValueError(f"{self} must be finite, with low at most high and weight at least 0")

    @property
    def reach(self) -> float:
        """Most by which two weighted rewards w r can differ."""
        return self.weight * (max(self.high, 0.0) - min(self.low, 0.0))

    @property
    def ratio_reach(self) -> float:
        """Most by which two w (r - v) can differ, for any v between the rewards."""
        return self.weight * (self.high - self.low)


def known(log: Any, bounds: Bounds | None, weight: float) -> Bounds | None:
    """Return given bounds, checked against a log of decisions and its largest weight, or else what the log shows.

    What it shows is as good a bound as its largest weight. None for episodes, whose products of weights have no bound
    of use, and for an empty log.

    Raises
    ------
    ValueError
        If a reward or a weight is outside the bounds; names the row.
    """
    if not isinstance(log, Decisions) or not len(log):
        return None
    if bounds is None:
        return Bounds(float(log.reward.min()), float(log.reward.max()), weight)
    outside = (log.reward < bounds.low) | (log.reward > bounds.high)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(
            f"reward is {log.reward[row]:g} in row {log.start + row}, outside its bounds {bounds.low:g} to "
            f"{bounds.high:g}: widen them"
        )
    if weight > bounds.weight * (1 + 1e-9):
        raise ValueError(f"the largest weight is {weight:g}, above its bound {bounds.weight:g}: raise it")
    return bounds


def span(item: Estimator, log: Any, bounds: Bounds | None, tuning: float | None) -> float | None:
    """Return the most by which two units' terms can differ, None where an estimator cannot say.

    Units of several rows (a subject) reach as far as their number of rows.
    """
    if item.span is None or bounds is None:
        return None
    cluster = None if log is None else log.cluster
    rows = 1 if cluster is None else int(np.unique(cluster, return_counts=True)[1].max())
    return rows * item.span(bounds, tuning)


def reach(sums: TermSums, width: float | None) -> float | None:
    """Return the most by which one unit can move the value, from its span."""
    return None if width is None or not sums.first[-1] > 0 else width / float(sums.first[-1])


class Seen:
    """The reach of the terms of an estimator of few ratios that does not know its span: what they show.

    Numerators over masses are ratios between which the value lies, and the largest mass times their range is the span.

    Examples
    --------
    >>> seen = Seen()
    >>> seen.add((np.array([0.0, 4.0, 2.0]), np.array([1.0, 2.0, 1.0])))
    >>> seen.reach(TermSums.of(np.array([0.0, 4.0, 2.0]), np.array([1.0, 2.0, 1.0])))  # 2 x (2 - 0) over 1 + 2 + 1
    1.0
    """

    def __init__(self) -> None:
        self._low = self._high = self._mass = np.zeros(0)

    def add(self, terms: Terms) -> None:
        """Take in the terms of some units."""
        total = terms[0].reshape(len(terms[0]), -1)
        if not len(total) or total.shape[1] > 3:
            return
        masses = None if terms[1] is None else terms[1].reshape(total.shape)
        ends = np.array([_ends(total[:, j], None if masses is None else masses[:, j]) for j in range(total.shape[1])])
        if not len(self._mass):
            self._low, self._high, self._mass = ends.T
        self._low, self._high = np.minimum(self._low, ends[:, 0]), np.maximum(self._high, ends[:, 1])
        self._mass = np.maximum(self._mass, ends[:, 2])

    def reach(self, sums: TermSums) -> float | None:
        """Return the most by which one unit can move the value; None for more than three ratios."""
        if len(self._mass) != sums.columns or not (sums.first[sums.columns :] > 0).all():
            return None
        return float((self._mass * (self._high - self._low) / sums.first[sums.columns :]).sum())


def _ends(total: Floats, mass: Floats | None) -> tuple[float, float, float]:
    """Return the smallest and largest ratio of units with any mass, and the largest mass."""
    if mass is None:
        return float(total.min()), float(total.max()), 1.0
    if mass.min() <= 0:
        some = mass > 0
        if not some.any():
            return math.inf, -math.inf, 0.0
        total, mass = total[some], mass[some]
    ratio = total / mass
    return float(ratio.min()), float(ratio.max()), float(mass.max())
