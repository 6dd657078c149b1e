"""How surprising a value is against the tail of its own past: peaks over a threshold, no labels, no shape assumed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.series import Floats

_LEVEL = 0.95  # the tail begins at this quantile of the past
_SHAPE, _WEIGHT = 0.1, 20.0  # a slightly heavy tail, believed like 20 clusters: few peaks say little about a shape
_GAP = 10  # rows between two clusters of peaks
_BLOCK = 50  # rows that share one fit
_ENOUGH = 50  # past values without which nothing is said
_MOST = 12.0  # decades; a probability below 1e-12 is no better known


def surprise(statistic: Floats, start: int, limit: float, least: float = 0.0, patience: int = 300) -> Floats:
    """Return -log10 of the chance of a value as large as each one, by the tail of those before it.

    Against a limit in sigma (``frozen_sigma``), which promises nothing on bursty or discrete values: here the tail is
    fitted to what the series itself has done. A generalised Pareto distribution is fitted to the peaks of clusters
    above the 95% quantile, by probability-weighted moments that are shrunk while the peaks are few; values that were
    surprising do not teach it what is usual, until they have stayed for ``patience`` rows.

    Parameters
    ----------
    statistic
        What is large when something is wrong, NaN where unknown, in order of time, shape (n,).
    start
        Rows before it are only learnt from.
    limit
        Surprise from which a value is left out of what is learnt.
    least
        Smallest scale of the tail, in the statistic's unit: a series that never moved has none of its own.
    patience
        Surprising rows after which the new state is the usual one.

    References
    ----------
    Pickands (1975); Hosking and Wallis (1987) for the moments; Siffer, Fouque, Termier and Largouet (2017) for streams.

    Examples
    --------
    >>> values = np.abs(np.random.default_rng(0).normal(size=2000))
    >>> values[1500] = 8.0
    >>> found = surprise(values, 500, 4.0)
    >>> int(found.argmax()), bool(found[1500] > 5), int((found > 4).sum())
    (1500, True, 1)
    """
    result = np.zeros(len(statistic))
    learnt = np.isfinite(statistic)
    for begin in range(start, len(statistic), _BLOCK):
        past = np.where(learnt[:begin], statistic[:begin], -np.inf)
        known = past[learnt[:begin]]
        if len(known) < _ENOUGH:
            continue
        block = slice(begin, begin + _BLOCK)
        result[block] = _decades(statistic[block], past, known, least)
        learnt[block] &= result[block] < limit
        recent = slice(max(start, begin + _BLOCK - max(patience, _BLOCK)), begin + _BLOCK)
        if begin - start >= patience and bool((result[recent] >= limit).mean() > 0.9):
            learnt[recent] = np.isfinite(statistic[recent])  # this is how it is now
    return result


def _decades(values: Floats, past: Floats, known: Floats, least: float) -> Floats:
    threshold = float(np.quantile(known, _LEVEL))
    peaks = _peaks(past, threshold)
    count = len(peaks)
    shape, scale = _fit(peaks, least)
    above = values > threshold  # False where the value is unknown
    excess = np.where(above, values - threshold, 0.0) / scale
    decades = np.log1p(np.minimum(shape * excess, 1e300)) / (shape * np.log(10.0))
    decades += np.log10(len(known) / max(count, 1))
    found: Floats = np.where(above, np.minimum(decades, _MOST), 0.0)
    return found


def _peaks(past: Floats, threshold: float) -> Floats:
    """Return the largest excess of each run above the threshold; rows of one run say one thing together."""
    where: NDArray[np.intp] = np.flatnonzero(past > threshold)
    if not len(where):
        return np.zeros(0)
    first = np.flatnonzero(np.concatenate(([True], np.diff(where) > _GAP)))
    found: Floats = np.maximum.reduceat(past[where], first) - threshold
    return found


def _fit(peaks: Floats, least: float) -> tuple[float, float]:
    """Return shape and scale of the tail; both lean towards caution while the peaks are few."""
    count = len(peaks)
    shape = (count * _pareto_shape(peaks) + _WEIGHT * _SHAPE) / (count + _WEIGHT)
    mean = float(peaks.mean()) if count else 0.0
    return shape, max(mean * (1.0 - shape) * (1.0 + 2.0 / max(count, 1) ** 0.5), least, 1e-300)


def _pareto_shape(peaks: Floats) -> float:
    if len(peaks) < 8:
        return _SHAPE
    ordered = np.sort(peaks)
    rank = (np.arange(1, len(ordered) + 1) - 0.35) / len(ordered)
    mean, weighted = float(ordered.mean()), float(((1.0 - rank) * ordered).mean())
    spread = mean - 2.0 * weighted
    return 0.9 if spread <= 0 else float(np.clip(2.0 - mean / spread, 0.0, 0.9))
