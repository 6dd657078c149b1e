"""Sums of rows by block of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def by_block(values: Floats, block: NDArray[np.int64], blocks: int) -> Floats:
    """Return the sums of rows by block, shape (blocks, ...).

    >>> by_block(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2]), 3).tolist()
    [1.0, 0.0, 6.0]
    """
    member = np.zeros((blocks, len(block)))  # a product with it is faster than adding row by row
    member[block, np.arange(len(block))] = 1.0
    found: Floats = member @ values
    return found
