"""The numbers of a summary and the one rule by which each array of them adds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.summaries.layout import Layout

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Parts(NamedTuple):
    """Seven flat arrays. ``counts`` and ``weights`` add exactly; ``sums`` add to rounding.

    Parameters
    ----------
    counts
        Integers that add, shape (C,).
    compensated
        Floats that add as unevaluated pairs (Dekker, 1971), in fours: sum and sum of squares, then the low parts of
        both, shape (4U,). The sum of 1e16, 1 and -1e16 is 1 in every order, and a variance survives a mean that is
        1e8 times the deviation.
    sums
        Floats that add, shape (S,).
    low, high
        Floats of which the least and the greatest is kept.
    keys, weights
        Sparse integer counts: increasing cell numbers, and how many values fell into each.
    """

    counts: Ints
    compensated: Floats
    sums: Floats
    low: Floats
    high: Floats
    keys: Ints
    weights: Ints


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view, as both the kernels and frozen summaries want it."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.setflags(write=False)
    return view


def empty(layout: Layout) -> Parts:
    """Return the parts of no rows at all."""
    counts, compensated, sums, low, high = layout.sizes
    return Parts(
        frozen(np.zeros(counts, np.int64)),
        frozen(np.zeros(compensated)),
        frozen(np.zeros(sums)),
        frozen(np.full(low, np.inf)),
        frozen(np.full(high, -np.inf)),
        frozen(np.zeros(0, np.int64)),
        frozen(np.zeros(0, np.int64)),
    )


def add(a: Parts, b: Parts) -> Parts:
    """Return the parts of the rows of both."""
    with np.errstate(over="ignore", invalid="ignore"):
        keys, weights = add_sparse(np.concatenate((a.keys, b.keys)), np.concatenate((a.weights, b.weights)))
        return Parts(
            frozen(a.counts + b.counts),
            frozen(add_pairs(a.compensated, b.compensated)),
            frozen(a.sums + b.sums),
            frozen(np.minimum(a.low, b.low)),
            frozen(np.maximum(a.high, b.high)),
            frozen(keys),
            frozen(weights),
        )


def add_pairs(a: Floats, b: Floats) -> Floats:
    """Add numbers kept as high and low parts, along the last axis, in fours: two high parts, then their low ones."""
    fours = (*a.shape[:-1], a.shape[-1] // 4, 2, 2)
    x, y = a.reshape(fours), b.reshape(fours)
    high_a, high_b = x[..., 0, :], y[..., 0, :]
    total = high_a + high_b
    shadow = total - high_a
    error = (high_a - (total - shadow)) + (high_b - shadow)
    error += x[..., 1, :] + y[..., 1, :]
    error = np.where(np.isfinite(total), error, 0.0)  # a sum beyond the largest float stays infinite
    high = total + error
    low = np.where(np.isfinite(high), error - (high - total), 0.0)
    return np.stack((high, low), axis=-2).reshape(a.shape)


def add_sparse(keys: Ints, weights: Ints) -> tuple[Ints, Ints]:
    """Sort cells and add the weights of equal ones."""
    if not len(keys):
        return keys, weights
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[first], np.add.reduceat(weights[order], first)
