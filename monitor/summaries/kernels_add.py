"""Compiled kernels that add: reward, costs, propensities and weights. Same contract as ``plain``.

Sums stay in registers while rows of one group follow each other, as rows in order of time do.
"""

from __future__ import annotations

import numpy as np

from monitor.summaries.columns import Codes
from monitor.summaries.compiled import compiled
from monitor.summaries.parts import Floats, Ints


@compiled
def _add_pair(high: float, low: float, x: float, error: float) -> tuple[float, float]:
    total = high + x
    if not np.isfinite(total):
        return total, 0.0
    shadow = total - high
    rest = ((high - (total - shadow)) + (x - shadow)) + (low + error)
    result = total + rest
    return result, rest - (result - total)


@compiled
def reward_moments(
    values: Floats,
    group: Codes,
    counts: Ints,
    offset: int,
    pairs: Floats,
    column: int,
    low: Floats,
    high: Floats,
    place: int,
) -> None:
    """Add n, missing, zeros, infinite, compensated sum and sum of squares, least and greatest of each group."""
    second, third, fourth = column + 1, column + 2, column + 3
    start = 0
    while start < len(values):
        g = group[start]
        n = missing = zeros = infinite = 0
        total, square = pairs[g, column], pairs[g, second]
        total_low, square_low = pairs[g, third], pairs[g, fourth]
        least, greatest = low[g, place], high[g, place]
        i = start
        while i < len(values) and group[i] == g:
            x = values[i]
            i += 1
            if np.isnan(x):
                missing += 1
                continue
            if np.isinf(x):
                infinite += 1
                continue
            n += 1
            zeros += x == 0.0
            least, greatest = min(least, x), max(greatest, x)
            total, total_low = _add_pair(total, total_low, x, 0.0)
            split = x * 134217729.0  # 2**27 + 1 (Veltkamp): x * x exactly, as two floats
            top = split - (split - x)
            bottom = x - top
            product = x * x
            error = bottom * bottom - ((product - top * top) - 2.0 * top * bottom)
            square, square_low = _add_pair(square, square_low, product, error if np.isfinite(error) else 0.0)
        pairs[g, column], pairs[g, second] = total, square
        pairs[g, third], pairs[g, fourth] = total_low, square_low
        low[g, place], high[g, place] = least, greatest
        counts[g, offset] += n
        counts[g, offset + 1] += missing
        counts[g, offset + 2] += zeros
        counts[g, offset + 3] += infinite
        start = i


@compiled
def violations(
    values: Floats, limit: float, group: Codes, counts: Ints, offset: int, sums: Floats, column: int
) -> None:
    """Add n, violations, missing, infinite, cost and cost squared of each group."""
    start = 0
    while start < len(values):
        g = group[start]
        over = missing = infinite = 0
        cost = squared = 0.0
        i = start
        while i < len(values) and group[i] == g:
            x = values[i]
            i += 1
            over += x > limit
            if not np.isfinite(x):
                missing += np.isnan(x)
                infinite += np.isinf(x)
                continue
            cost += x
            squared += x * x
        counts[g, offset] += i - start - missing
        counts[g, offset + 1] += over
        counts[g, offset + 2] += missing
        counts[g, offset + 3] += infinite
        sums[g, column] += cost
        sums[g, column + 1] += squared
        start = i


@compiled
def check_propensities(
    values: Floats, ceiling: float, usable: Floats, group: Codes, counts: Ints, missing: int, impossible: int
) -> None:
    """Write the possible propensities to ``usable``, NaN for all others, and count those."""
    for i in range(len(values)):
        x = values[i]
        possible = x > 0.0 and x <= ceiling and np.isfinite(x)
        usable[i] = x if possible else np.nan
        if not possible:
            counts[group[i], missing if np.isnan(x) else impossible] += 1


@compiled
def subtract_known(values: Floats, group: Codes, sums: Floats, column: int) -> None:
    """Subtract the values that are not NaN from a column of their group."""
    start = 0
    while start < len(values):
        g = group[start]
        total = 0.0
        i = start
        while i < len(values) and group[i] == g:
            total += 0.0 if np.isnan(values[i]) else values[i]
            i += 1
        sums[g, column] -= total
        start = i


@compiled
def weigh(
    pi: Floats,
    propensity: Floats,
    reward: Floats,
    group: Codes,
    counts: Ints,
    offset: int,
    sums: Floats,
    column: int,
    high: Floats,
    place: int,
) -> None:
    """Add n, w, w2, wr, w2r, w2r2, r, r2, wr2 and the largest weight of each group."""
    start = 0
    while start < len(pi):
        g = group[start]
        n = 0
        w_, w2_, wr_, w2r_, w2r2_, r_, r2_, wr2_ = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        largest = high[g, place]
        i = start
        while i < len(pi) and group[i] == g:
            p, b, r = pi[i], propensity[i], reward[i]
            i += 1
            if np.isnan(b) or not (np.isfinite(p) and p >= 0.0 and np.isfinite(r)):
                continue
            w = p / b
            w2, wr, r2 = w * w, w * r, r * r
            n += 1
            w_ += w
            w2_ += w2
            wr_ += wr
            w2r_ += w2 * r
            w2r2_ += wr * wr  # not w2 * r2: a weight of 0 must not meet an overflow
            r_ += r
            r2_ += r2
            wr2_ += wr * r
            largest = max(largest, w)
        counts[g, offset] += n
        sums[g, column] += w_
        sums[g, column + 1] += w2_
        sums[g, column + 2] += wr_
        sums[g, column + 3] += w2r_
        sums[g, column + 4] += w2r2_
        sums[g, column + 5] += r_
        sums[g, column + 6] += r2_
        sums[g, column + 7] += wr2_
        high[g, place] = largest
        start = i
