"""How large a difference between histograms is by chance where rows follow each other: block permutation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from detectors.long_run_variance import MIN_WINDOWS
from detectors.reference_histogram import Reference
from detectors.season import slots
from detectors.series import Counts, Floats, Series

CORRELATED = 1.2
"""Design effect of one judged run from which the chi-square distribution is not believed."""

_COUNTED = 10
"""Larger statistics among the blocks from which their share is the p-value; with fewer the tail is computed."""


def weighted_chi_square_tail(weights: ArrayLike, statistic: float) -> float:
    """Return P(sum of weights x independent chi-square(1) > statistic) by the saddlepoint approximation.

    Against Satterthwaite's scaled chi-square, which has the first two moments only and is several times too small at
    0.001 where one weight is far above the others, as it is where states drift slowly.

    Parameters
    ----------
    weights
        Non-negative weights, shape (G,).
    statistic
        The observed sum.

    References
    ----------
    Kuonen, D. (1999). Saddlepoint approximations for distributions of quadratic forms in normal variables.
    Biometrika 86, 929-935.

    Examples
    --------
    >>> round(weighted_chi_square_tail([1.0] * 10, 29.588), 5)  # chi-square of 10 degrees of freedom
    0.001
    """
    given = np.asarray(weights, np.float64)
    size = float(given.max(initial=0.0))
    if size <= 0:
        return 0.0 if statistic > 0 else 1.0
    w, x = given[given > 1e-9 * size] / size, statistic / size
    mean = float(w.sum())
    if abs(x - mean) < 1e-6 * mean:  # the formula is 0 / 0 at the mean
        x = mean * (1 + 1e-5)

    def slope(t: float) -> float:
        return float(np.sum(w / (1 - 2 * t * w))) - x

    top = 0.5 * (1 - 1e-12)
    if slope(top) <= 0:
        return 0.0
    low = -max(1.0, len(w) / (2 * max(x, 1e-12)))  # there every term is below x / len(w)
    t = float(optimize.brentq(slope, low, top, xtol=1e-14))
    generating = -0.5 * float(np.sum(np.log1p(-2 * t * w)))
    r = math.copysign(math.sqrt(max(0.0, 2 * (t * x - generating))), t)
    v = t * math.sqrt(2 * float(np.sum((w / (1 - 2 * t * w)) ** 2)))
    if r == 0 or v / r <= 0:
        return 0.5
    return float(np.clip(stats.norm.sf(r + math.log(v / r) / r), 0.0, 1.0))


@dataclass
class Blocks:
    """The blocks of a baseline that could have stood where the judged run stands.

    Under the null the judged run is one more block of its baseline, so that exchanging it with each of them gives the
    distribution of the statistic whatever the correlation inside a block: the permutation of whole blocks between
    reference and window, all of them and none twice. Below 10 exceedances their share is too coarse; the tail is
    then that of the quadratic form with the covariance of the blocks (Rao and Scott's limit).

    Parameters
    ----------
    series
        The judged series with its baseline.
    past
        Its reference.

    References
    ----------
    Rao, J. N. K. and Scott, A. J. (1981), JASA 76. Politis, D. N. and Romano, J. P. (1994). Large sample confidence
    regions based on subsamples under minimal assumptions. Annals of Statistics 22.
    """

    series: Series
    past: Reference
    _known: dict[tuple[int, bytes], tuple[Floats, Floats] | None] = field(default_factory=dict, repr=False)

    def p(self, length: int, group: NDArray[np.int64], statistic: float) -> float | None:
        """Return the p-value of a statistic of so many windows in a row, None where there are too few blocks.

        Parameters
        ----------
        length
            Windows of the judged run.
        group
            Group of each cell (detectors.homogeneity.groups).
        statistic
            The two-sample chi-square statistic on effective rows.
        """
        key = (length, group.tobytes())
        if key not in self._known:
            self._known[key] = self._null(length, group)
        null = self._known[key]
        if null is None:
            return None
        found, weights = null
        above = int(np.sum(found >= statistic))
        if above >= _COUNTED:
            return (1 + above) / (1 + len(found))
        return min(weighted_chi_square_tail(weights, statistic), (1 + _COUNTED) / (1 + len(found)))

    def _null(self, length: int, group: NDArray[np.int64]) -> tuple[Floats, Floats] | None:
        """Return the statistics of all blocks, and the weights of the quadratic form that they follow."""
        base = self.series.baseline
        if base is None or base.counts is None or len(base) < length * MIN_WINDOWS:
            return None
        inside = group >= 0
        merge = np.zeros((len(group), int(group.max()) + 1))
        merge[np.flatnonzero(inside), group[inside]] = 1
        counts: Counts = base.counts
        slot, rows = slots(base.time, self.past.season), counts.sum(axis=1)
        seen, expected = _run(counts @ merge, length), _run(rows[:, None] * (self.past.shares[slot] @ merge), length)
        total, filled = _run(rows, length), _run(np.asarray(rows > 0, np.float64), length)
        sized = _run(rows / np.where(self.past.sizes[slot] > 0, self.past.sizes[slot], np.inf), length)
        step = float(np.min(np.diff(base.time)))
        unbroken = base.time[length - 1 :] - base.time[: len(base) - length + 1] < (length - 0.5) * step
        n = np.array(
            [self.past.design.effective(*pair, length) for pair in zip(total, np.maximum(filled, 1), strict=True)]
        )
        n = n * seen.sum(axis=1) / np.maximum(total, 1)
        m = np.where(sized > 0, total / np.where(sized > 0, sized, 1.0), np.inf)
        kept = unbroken & (n >= max(1.0, 5.0 * merge.shape[1])) & (expected.sum(axis=1) > 0) & (m > n)
        if int(kept.sum()) < length * MIN_WINDOWS:
            return None
        now = seen[kept] / seen[kept].sum(axis=1, keepdims=True)
        then = expected[kept] / expected[kept].sum(axis=1, keepdims=True)
        # The block is part of its reference: the difference has the variance 1/n - 1/m, and of n rows it knows n / m.
        spread = (1 / n[kept] - 1 / m[kept])[:, None] * then
        moved = np.where(spread > 0, (now - then) / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)
        return np.sum(moved**2, axis=1), np.linalg.eigvalsh(moved.T @ moved / len(moved)).clip(0.0)


def _run(values: NDArray[np.generic], length: int) -> Floats:
    """Return the sums over every run of ``length`` windows."""
    sums = np.cumsum(np.asarray(values, np.float64), axis=0)
    return np.asarray(np.concatenate([sums[length - 1 : length], sums[length:] - sums[:-length]]), np.float64)
