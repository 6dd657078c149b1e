"""Importance weighting as sums that merge: what a bucket stores is all that an estimate needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Order and names of the sums wherever they are stored. A stored row of them is ``WeightSums(*row)``.
SUM_COLUMNS = ("n", "w", "w2", "wr", "w2r", "w2r2", "w_max", "r", "r2", "wr2")

# Rows: a block and its products stay in the processor's cache, and memory stays bounded. From 10,000 on OpenBLAS shares
# a sum of products among threads, which takes milliseconds instead of microseconds where the processor is busy.
_BLOCK = 9_984


@dataclass(frozen=True)
class WeightSums:
    r"""Sums over usable rows of powers of the importance weight w and the reward r.

    A row is usable when its propensity, the candidate's probability and the reward are all known. Estimates over any
    span come from the merged sums of its buckets, so a live view and an offline file share one code path. Use it
    instead of row arrays wherever the estimator is a function of means and second moments.

    Parameters
    ----------
    n
        Number of usable rows.
    w, w2
        :math:`\sum_i w_i` and :math:`\sum_i w_i^2`, with :math:`w_i = \pi(a_i|x_i) / p_i`.
    wr, w2r, w2r2
        :math:`\sum_i w_i r_i`, :math:`\sum_i w_i^2 r_i` and :math:`\sum_i w_i^2 r_i^2`.
    w_max
        Largest weight; merges by maximum, everything else by addition.
    r, r2
        :math:`\sum_i r_i` and :math:`\sum_i r_i^2`.
    wr2
        :math:`\sum_i w_i r_i^2`, how the weighted reward goes with the plain one: what a paired difference needs.

    Raises
    ------
    ValueError
        If a sum is not finite, or one of ``n, w, w2, w2r2, w_max, r2, wr2`` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(7)
    >>> weight, reward = rng.exponential(size=1000), rng.normal(size=1000)
    >>> parts = [WeightSums.from_rows(weight[i::3], reward[i::3]) for i in range(3)]
    >>> merged, whole = parts[2] + parts[0] + parts[1], WeightSums.from_rows(weight, reward)
    >>> merged.n == whole.n, bool(np.isclose(merged.w2r2, whole.w2r2, rtol=1e-9))
    (True, True)
    >>> WeightSums() + whole == whole
    True
    """

    n: int = 0
    w: float = 0.0
    w2: float = 0.0
    wr: float = 0.0
    w2r: float = 0.0
    w2r2: float = 0.0
    w_max: float = 0.0
    r: float = 0.0
    r2: float = 0.0
    wr2: float = 0.0

    def __post_init__(self) -> None:
        for name in SUM_COLUMNS:  # not astuple, which copies deeply: there is one of these for each block
            value = getattr(self, name)
            object.__setattr__(self, name, int(value) if name == "n" and math.isfinite(value) else float(value))
            if not math.isfinite(value):
                raise ValueError(f"the sum {name} is {value}: a weight or reward was infinite or overflowed")
            if value < 0 and name not in ("wr", "w2r", "r"):
                raise ValueError(f"the sum {name} is {value}, but it cannot be negative")

    @property
    def ess(self) -> float:
        """Kish's effective sample size, (sum w)^2 / sum w^2; 0 when no row has weight."""
        return self.w * self.w / self.w2 if self.w2 > 0 else 0.0

    def __add__(self, other: WeightSums) -> WeightSums:
        return WeightSums(
            self.n + other.n,
            self.w + other.w,
            self.w2 + other.w2,
            self.wr + other.wr,
            self.w2r + other.w2r,
            self.w2r2 + other.w2r2,
            max(self.w_max, other.w_max),
            self.r + other.r,
            self.r2 + other.r2,
            self.wr2 + other.wr2,
        )

    @staticmethod
    def from_rows(weight: Any, reward: Any) -> WeightSums:
        """Sum rows; a row whose weight or reward is NaN (unknown) is left out.

        Parameters
        ----------
        weight, reward
            Shape (rows,). See ``ope.weights.importance_weights`` for the weights.

        Raises
        ------
        ValueError
            If shapes differ, a weight is negative, or a weight or reward is infinite; names the row.

        Examples
        --------
        >>> WeightSums.from_rows([2.0, 0.5, 1.0], [1.0, float("nan"), 3.0]).wr
        5.0
        """
        weights = np.asarray(weight, dtype=np.float64)
        rewards = np.asarray(reward, dtype=np.float64)
        if weights.ndim != 1 or weights.shape != rewards.shape:
            raise ValueError(
                f"weight and reward must be two columns of one length, got {weights.shape}, {rewards.shape}"
            )
        total = _block(weights[:_BLOCK], rewards[:_BLOCK], 0)
        for start in range(_BLOCK, len(weights), _BLOCK):
            total = total + _block(weights[start : start + _BLOCK], rewards[start : start + _BLOCK], start)
        return total


def _block(w: NDArray[np.float64], r: NDArray[np.float64], start: int) -> WeightSums:
    sizes = w @ w, r @ r  # one pass tells whether anything is not finite; the slow look happens only then
    if not (math.isfinite(sizes[0]) and math.isfinite(sizes[1])):
        _refuse_infinite(w, r, start)
        known = ~(np.isnan(w) | np.isnan(r))
        w, r = w[known], r[known]
    if len(w) == 0:
        return WeightSums()
    if w.min() < 0:
        row = start + int(np.argmin(w))
        raise ValueError(f"weight is negative in row {row}: a weight is a probability over a probability")
    wr = w * r
    return WeightSums(
        len(w), float(w.sum()), float(w @ w), float(wr.sum()), float(w @ wr), float(wr @ wr), float(w.max()),
        float(r.sum()), float(r @ r), float(wr @ r),
    )  # fmt: skip


def _refuse_infinite(w: NDArray[np.float64], r: NDArray[np.float64], start: int) -> None:
    for name, column in (("weight", w), ("reward", r)):
        infinite = np.isinf(column)
        if infinite.any():
            row = start + int(np.argmax(infinite))
            raise ValueError(f"{name} is infinite in row {row}: look for a propensity of 0 or a broken reward there")
