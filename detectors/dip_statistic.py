"""Hartigan's dip: how far a distribution is from the nearest one with a single mode."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.series import Floats


def dip(values: ArrayLike) -> float:
    """Return the dip of a sample: the largest distance to the closest unimodal distribution function.

    Against Sarle's coefficient and mixtures fitted by BIC, which call skewed data bimodal, it needs no shape. Ties are
    atoms, and an atom beside the mode is a departure from unimodality: discrete values must be jittered by the width
    of a step before (``dip_of_cells`` does so with cells).

    Parameters
    ----------
    values
        The sample, in any order, finite, shape (n,).

    Raises
    ------
    ValueError
        If there is no value, or one is not finite.

    References
    ----------
    Hartigan, J. A. and Hartigan, P. M. (1985). The dip test of unimodality. Annals of Statistics 13, 70-84.

    Examples
    --------
    >>> dip([1.0, 2.0, 3.0, 4.0]), dip([0.0, 0.0, 1.0, 1.0])
    (0.125, 0.25)
    """
    sample = np.sort(np.asarray(values, np.float64))
    if len(sample) == 0 or not bool(np.all(np.isfinite(sample))):
        raise ValueError("the dip needs at least one value, and finite ones only")
    x, counts = np.unique(sample, return_counts=True)
    high = np.cumsum(counts) / len(sample)
    return _dip(x, high - counts / len(sample), high)


def dip_of_cells(edges: ArrayLike, counts: ArrayLike) -> float:
    """Return the dip of a histogram whose rows are spread evenly over their cells.

    That is the jitter that rewards with few levels need, without drawing any random number: each level is as wide as
    its cell.

    Parameters
    ----------
    edges
        Edges of the cells, increasing, shape (cells + 1,).
    counts
        Rows of each cell, shape (cells,).

    Examples
    --------
    >>> dip_of_cells([0, 1, 2, 3], [5, 9, 2]), round(dip_of_cells([0, 1, 2, 3], [5, 0, 5]), 3)
    (0.0, 0.125)
    """
    rows = np.asarray(counts, np.float64)
    total = float(rows.sum())
    if total <= 0 or len(rows) < 2:
        return 0.0
    shares = np.concatenate([[0.0], np.cumsum(rows) / total])
    return _dip(np.asarray(edges, np.float64), shares, shares)


def _dip(x: Floats, low: Floats, high: Floats) -> float:
    """Return the dip of a distribution function with limits ``low`` and ``high`` from both sides at its knots ``x``.

    Greatest convex minorant and least concave majorant of the part that may still hold the mode; where they are
    farthest apart the mode must be between them, and what is left outside says how large the dip is at least.
    """
    first, last, found = 0, len(x) - 1, 0.0
    while first < last:
        here = np.arange(first, last + 1)
        below = first + _minorant(x[here], low[here])
        above = first + _minorant(x[here], -high[here])
        convex = np.interp(x[here], x[below], low[below])
        concave = np.interp(x[here], x[above], high[above])
        from_below, from_above = concave[below - first] - low[below], high[above] - convex[above - first]
        if float(from_below.max()) >= float(from_above.max()):
            apart, start = float(from_below.max()), int(below[np.argmax(from_below)])
            stop = int(above[np.searchsorted(above, start)])
        else:
            apart, stop = float(from_above.max()), int(above[np.argmax(from_above)])
            start = int(below[np.searchsorted(below, stop, side="right") - 1])
        if apart <= found + 1e-15:
            return found / 2
        left = high[first:start] - convex[: start - first]
        right = concave[stop + 1 - first :] - low[stop + 1 : last + 1]
        found = max(found, float(left.max(initial=0.0)), float(right.max(initial=0.0)))
        if (start, stop) == (first, last):
            return max(found, apart) / 2
        first, last = start, stop
    return found / 2  # the mode is one point, and may hold any mass


def _minorant(x: Floats, y: Floats) -> NDArray[np.int64]:
    """Return the knots of the greatest convex minorant."""
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            if (y[b] - y[a]) * (x[i] - x[b]) < (y[i] - y[b]) * (x[b] - x[a]):
                break
            kept.pop()
        kept.append(i)
    return np.array(kept, dtype=np.int64)
