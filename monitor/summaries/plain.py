"""The kernels in plain numpy: what runs where numba does not, with the same results."""

from __future__ import annotations

import math

import numpy as np

from monitor.summaries.cells import MISSING, cells
from monitor.summaries.columns import Codes
from monitor.summaries.parts import Floats, Ints


def count_codes(codes: Codes, group: Codes, counts: Ints, offset: int, width: int) -> None:
    """Count each row's code in its group's cells ``offset`` and on."""
    groups = len(counts)
    flat = np.bincount(group * np.int64(width) + codes, minlength=groups * width)
    counts[:, offset : offset + width] += flat.reshape(groups, width)


def bin_values(values: Floats, group: Codes, edges: Floats, places: Codes, counts: Ints, offset: int) -> None:
    """Count each value in the cell ``places[k]`` of its group, k being how many edges it has reached."""
    reached = np.searchsorted(edges[~np.isnan(edges)], values, side="right")
    reached[np.isnan(values)] = len(places) - 1
    count_codes(places[reached], group, counts, offset, len(places))


def bin_all(values: Floats, edges: Floats, places: Codes, cells: Ints) -> None:
    """Count values that are all of one group."""
    bin_values(values, np.zeros(len(values), np.int32), edges, places, cells[None, :], 0)


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
    missing, infinite = np.isnan(values), np.isinf(values)
    finite = ~(missing | infinite)
    for step, chosen in enumerate((finite, missing, values == 0.0, infinite)):
        counts[:, offset + step] += np.bincount(group[chosen], minlength=len(counts))
    order = np.flatnonzero(finite)
    order = order[np.argsort(group[order], kind="stable")]
    ordered = values[order]
    least, greatest = np.ascontiguousarray(low[:, place]), np.ascontiguousarray(high[:, place])
    np.minimum.at(least, group[order], ordered)
    np.maximum.at(greatest, group[order], ordered)
    low[:, place], high[:, place] = least, greatest
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        part = ordered[start:stop]
        with np.errstate(over="ignore", invalid="ignore"):
            square, error = _squares(part)
        row = pairs[group[order[start]], column : column + 4]
        _add_exactly(row, 0, part.tolist())
        _add_exactly(row, 1, [*square.tolist(), *error.tolist()])


def _squares(x: Floats) -> tuple[Floats, Floats]:
    square = x * x
    split = x * 134217729.0  # 2**27 + 1 (Veltkamp)
    top = split - (split - x)
    bottom = x - top
    error = bottom * bottom - ((square - top * top) - 2.0 * top * bottom)
    return square, np.where(np.isfinite(error), error, 0.0)


def _add_exactly(row: Floats, column: int, terms: list[float]) -> None:
    known = [float(row[column]), float(row[column + 2])]
    try:
        total = math.fsum((*known, *terms))
        rest = math.fsum((*known, *terms, -total))
    except (OverflowError, ValueError):  # a term or the sum is beyond the largest float
        total, rest = sum((*known, *terms)), 0.0
    row[column], row[column + 2] = total, rest


def violations(
    values: Floats, limit: float, group: Codes, counts: Ints, offset: int, sums: Floats, column: int
) -> None:
    """Add n, violations, missing, infinite, cost and cost squared of each group."""
    missing, infinite = np.isnan(values), np.isinf(values)
    for place, chosen in enumerate((~missing, values > limit, missing, infinite)):
        counts[:, offset + place] += np.bincount(group[chosen], minlength=len(counts))
    finite = ~(missing | infinite)
    with np.errstate(over="ignore"):
        sums[:, column] += np.bincount(group[finite], values[finite], minlength=len(counts))
        sums[:, column + 1] += np.bincount(group[finite], values[finite] ** 2, minlength=len(counts))


def check_propensities(
    values: Floats, ceiling: float, usable: Floats, group: Codes, counts: Ints, missing: int, impossible: int
) -> None:
    """Write the possible propensities to ``usable``, NaN for all others, and count those."""
    absent = np.isnan(values)
    possible = (values > 0.0) & (values <= ceiling) & np.isfinite(values)
    counts[:, missing] += np.bincount(group[absent], minlength=len(counts))
    counts[:, impossible] += np.bincount(group[~(possible | absent)], minlength=len(counts))
    usable[:] = np.where(possible, values, np.nan)


def subtract_known(values: Floats, group: Codes, sums: Floats, column: int) -> None:
    """Subtract the values that are not NaN from a column of their group."""
    known = ~np.isnan(values)
    sums[:, column] -= np.bincount(group[known], values[known], minlength=len(sums))


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
    known = ~np.isnan(propensity) & np.isfinite(reward) & np.isfinite(pi) & (pi >= 0.0)
    where, r = group[known], reward[known]
    counts[:, offset] += np.bincount(where, minlength=len(counts))
    with np.errstate(over="ignore", invalid="ignore"):
        w = pi[known] / propensity[known]
        w2 = w * w
        for step, terms in enumerate((w, w2, w * r, w2 * r, (w * r) * (w * r), r, r * r, (w * r) * r)):
            sums[:, column + step] += np.bincount(where, terms, minlength=len(counts))
    largest = np.ascontiguousarray(high[:, place])
    np.maximum.at(largest, where, w)
    high[:, place] = largest


def quantile_cells(values: Floats, group: Codes, groups: int) -> tuple[Ints, Ints]:
    """Return the distinct (group << 18 | cell + 2**17) of the values, in order, and how many values each has."""
    cell = cells(values)
    known = cell != MISSING
    codes = (group[known].astype(np.int64) << 18) | (cell[known] + (1 << 17))
    codes.sort()
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    return codes[first], np.diff(first, append=len(codes))
