"""Whether two histograms come from one distribution: chi-square for the bins, exact tests for the odd cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from detectors.series import Floats

APART = ("missing", "unseen")
"""Cells that are no bins: a reference has hardly any, so that they are tested apart and exactly."""

_EXPECTED = 5.0

_ODD = 0.05
"""Share of the level that each of the odd cells gets: enough for exact tests, which see a fault with a few rows."""


def groups(shares: ArrayLike, labels: Sequence[str], rows: float) -> NDArray[np.int64]:
    """Return the group of each cell after merging cells that expect too few rows; -1 for missing and unseen.

    With the nearly empty cells under and over kept as they are, a test at 0.001 rejects 2% of equal histograms.
    Ordered bins merge with a neighbour, categories with each other. Only the reference decides, so that the data cannot
    choose its own cells.

    Parameters
    ----------
    shares
        The reference's share of each cell, shape (cells,).
    labels
        Names of the cells: "under", "bin0", ..., "over", "missing", "unseen", or names of categories; empty for bins.
    rows
        Effective rows of the smaller sample.

    Examples
    --------
    >>> labels = ["bin0", "bin1", "bin2", "under", "over", "missing"]
    >>> groups([0.4, 0.3, 0.3, 0.0, 0.0, 0.0], labels, 100).tolist()
    [0, 1, 2, 0, 2, -1]
    """
    share = np.asarray(shares, np.float64)
    names = list(labels) or [f"bin{i}" for i in range(len(share))]
    ordered = any(name.startswith("bin") for name in names)
    cells = [i for i, name in enumerate(names) if name not in APART]
    if ordered:
        cells.sort(key=lambda i: (names[i] != "under") + (names[i] == "over"))
    else:
        cells.sort(key=lambda i: -share[i])
    result = np.full(len(share), -1, dtype=np.int64)
    current, expected = 0, 0.0
    for i in cells:
        if expected >= _EXPECTED:
            current, expected = current + 1, 0.0
        result[i] = current
        expected += rows * float(share[i])
    if expected < _EXPECTED and current > 0:
        result[result == current] = current - 1
    return result


def p_value(
    window: ArrayLike,
    reference: ArrayLike,
    labels: Sequence[str],
    effective: float,
    reference_effective: float,
    tail: Callable[[NDArray[np.int64], float], float | None] | None = None,
    odd: ArrayLike = (),
) -> float:
    """Return the probability of so large a difference where nothing changed.

    The two-sample chi-square statistic on effective rows, sum (p - q)^2 / (pooled (1/n + 1/m)): ignoring the
    reference's size rejects 29% of equal pairs at a nominal 5% where n = m. Missing and unseen cells are tested apart
    by Fisher's exact test (more than in the reference), each at a twentieth of the level, the bins at the rest of it:
    with equal shares the discreteness of tests on few rows would leave half of the level unused.

    Parameters
    ----------
    window
        Rows of the judged window by cell, shape (cells,).
    reference
        Shares of the reference by cell, shape (cells,).
    labels
        Names of the cells; see ``groups``.
    effective, reference_effective
        Independent rows that the window and the reference are worth.
    tail
        (groups, statistic) -> p of the bins where rows are correlated (detectors.blocks); None, or where it answers
        None, for the chi-square distribution.
    odd
        How many times fewer rows each cell is worth than the whole, shape (cells,); empty for as many.

    References
    ----------
    Pearson, K. (1911). On the probability that two independent distributions of frequency are really samples from the
    same population. Biometrika 8, 250-254.

    Examples
    --------
    >>> p_value([30, 70], [0.5, 0.5], [], 100, 1000) < 0.001
    True
    >>> p_value([50, 50], [0.5, 0.5], [], 100, 1000)
    1.0
    """
    counts, share = np.asarray(window, np.float64), np.asarray(reference, np.float64)
    worth_less = np.asarray(odd, np.float64)
    total = float(counts.sum())
    if total <= 0 or effective < 1 or reference_effective < 1:
        return 1.0
    found, bins = [], 1.0 - _ODD * sum(name in APART for name in labels)
    for i, name in enumerate(labels):
        if name in APART and counts[i] > 0:
            fewer = float(worth_less[i]) if len(worth_less) else 1.0
            now_and_then = float(counts[i]) / total, float(share[i])
            found.append(_more(*now_and_then, effective / fewer, reference_effective / fewer) / _ODD)
    group = groups(share, labels, min(effective, reference_effective))
    inside = group >= 0
    present, past_present = float(counts[inside].sum()) / total, float(share[inside].sum())
    if present > 0 and past_present <= 0:  # values where the reference has none at all
        found.append(_more(present, 0.0, effective, reference_effective) / bins)
    elif present > 0 and int(group.max()) < 1:
        # The reference has one value only (or hardly any other): what lies beside it is tested exactly too.
        beside = inside & (np.arange(len(share)) != int(np.argmax(np.where(inside, share, -1.0))))
        outside = float(counts[beside].sum()) / total / present, float(share[beside].sum()) / past_present
        found.append(_more(*outside, effective * present, reference_effective * past_present) / bins)
    elif present > 0:
        now = np.bincount(group[inside], counts[inside]) / (present * total)
        then = np.bincount(group[inside], share[inside]) / past_present
        statistic = _statistic(now, then, effective * present, reference_effective * past_present)
        p = None if tail is None else tail(group, statistic)
        found.append((float(special.chdtrc(len(now) - 1, statistic)) if p is None else p) / bins)
    return min(1.0, *found) if found else 1.0


def _more(now: float, then: float, effective: float, reference_effective: float) -> float:
    """Return the p-value of Fisher's exact test that a share has grown."""
    n, m = round(effective), round(reference_effective)
    hits, past = round(now * n), round(then * m)
    if hits * m <= past * n:  # it has not, and p is far above any level
        return 1.0
    return float(stats.hypergeom.sf(hits - 1, n + m, hits + past, n))


def _statistic(now: Floats, then: Floats, n: float, m: float) -> float:
    pooled = (n * now + m * then) / (n + m)
    return float(np.sum((now - then) ** 2 / np.where(pooled > 0, pooled, 1.0)) / (1 / n + 1 / m))
