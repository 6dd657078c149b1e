"""Logarithmic cells: sign, exponent and six bits of the mantissa of a float."""

from __future__ import annotations

import numpy as np

from monitor.summaries.parts import Floats, Ints

# A cell is sign, exponent and the first 6 bits of the mantissa: 52 - 6 bits of the float are dropped.
SHIFT = 46
# Cells below this hold subnormal numbers, |x| < 2.3e-308, which count as zero.
SMALLEST = 64
MISSING = np.int64(1 << 20)  # no cell of a float has this number
# Every value of a cell is within this share of the cell's representative.
RELATIVE_ERROR = 1 / 129


def cells(values: Floats) -> Ints:
    """Return each value's cell, increasing with the value, ``MISSING`` for NaN."""
    bits = values.view(np.int64)
    size = (bits & np.int64(0x7FFFFFFFFFFFFFFF)) >> SHIFT
    cell = np.where(size < SMALLEST, 0, np.where(bits < 0, -size, size))
    return np.where(np.isnan(values), MISSING, cell)


def representatives(keys: Ints) -> Floats:
    """Return for each cell the number whose largest relative error over the cell is least: 2ab / (a + b)."""
    size = np.abs(keys)
    low = (size << SHIFT).view(np.float64)
    # The step to the next cell is 1/64 of the cell's power of two; written so that the last cell does not overflow.
    step = (1.0 / 64.0) / (1.0 + (size & 63) / 64.0)
    with np.errstate(over="ignore", invalid="ignore"):
        middle = low * (2.0 * (1.0 + step) / (2.0 + step))
    return np.where(keys == 0, 0.0, np.copysign(np.where(np.isinf(low), np.inf, middle), keys))
