"""Compiled kernels that count: codes, bins and logarithmic cells. Same contract as ``plain``."""

from __future__ import annotations

import numpy as np

from monitor.summaries import plain
from monitor.summaries.columns import Codes
from monitor.summaries.compiled import compiled
from monitor.summaries.parts import Floats, Ints

_BLOCK = 1024
_LINEAR = 64  # up to here comparing with every edge beats a search: compilers make vectors of it


@compiled
def count_codes(codes: Codes, group: Codes, counts: Ints, offset: int, width: int) -> None:
    """Count each row's code in its group's cells ``offset`` and on."""
    for i in range(len(codes)):
        counts[np.uint32(group[i]), np.uint64(offset + codes[i])] += 1


@compiled
def _bin_block(x: Floats, edges: Floats, places: Codes, cells: Ints) -> None:
    """Count how many values reached each edge, in registers; a cell holds the difference of two edges."""
    absent, count = 0, len(places) - 2
    for i in range(len(x)):
        absent += int(np.isnan(x[i]))
    before, j = len(x) - absent, 0
    cells[places[count + 1]] += absent
    while j + 4 <= count:
        a, b, c, d = edges[j], edges[j + 1], edges[j + 2], edges[j + 3]
        p, q, r, s = 0, 0, 0, 0
        for i in range(len(x)):
            p += int(x[i] >= a)
            q += int(x[i] >= b)
            r += int(x[i] >= c)
            s += int(x[i] >= d)
        for k, after in ((j, p), (j + 1, q), (j + 2, r), (j + 3, s)):
            cells[places[k]] += before - after
            before = after
        j += 4
    while j < count:
        last = edges[j]
        after = 0
        for i in range(len(x)):
            after += int(x[i] >= last)
        cells[places[j]] += before - after
        before = after
        j += 1
    cells[places[count]] += before


@compiled
def bin_all(values: Floats, edges: Floats, places: Codes, cells: Ints) -> None:
    """Count values that are all of one group: half the time of ``bin_values``."""
    for start in range(0, len(values), _BLOCK):
        _bin_block(values[start : start + _BLOCK], edges, places, cells)


@compiled
def bin_values(values: Floats, group: Codes, edges: Floats, places: Codes, counts: Ints, offset: int) -> None:
    """Count each value in the cell ``places[k]`` of its group, k being how many edges it has reached."""
    reached = np.empty(_BLOCK, np.int64)
    missing = len(places) - 1
    for start in range(0, len(values), _BLOCK):
        x = values[start : start + _BLOCK]
        where = group[start : start + _BLOCK]
        if len(edges) <= _LINEAR:
            for i in range(len(x)):
                reached[i] = missing if np.isnan(x[i]) else 0
            for j in range(0, len(edges), 4):  # padded with NaN, which nothing reaches
                a, b, c, d = edges[j], edges[j + 1], edges[j + 2], edges[j + 3]
                for i in range(len(x)):
                    reached[i] += np.int64(x[i] >= a) + np.int64(x[i] >= b) + np.int64(x[i] >= c) + np.int64(x[i] >= d)
        else:
            for i in range(len(x)):
                below, size = 0, len(edges)
                while size > 0:
                    half = size // 2
                    right = x[i] >= edges[below + half]
                    below = below + half + 1 if right else below
                    size = size - half - 1 if right else half
                reached[i] = missing if np.isnan(x[i]) else below
        for i in range(len(x)):
            counts[np.uint32(where[i]), np.uint64(offset + places[np.uint64(reached[i])])] += 1


@compiled
def _code(value: float, bits: int) -> int:
    size = (bits & 0x7FFFFFFFFFFFFFFF) >> 46
    if np.isnan(value):
        return -1
    if size < 64:
        return 131072
    return 131072 - size if bits < 0 else 131072 + size


@compiled
def _used_cells(values: Floats, bits: Ints, used: Ints) -> None:
    for i in range(len(values)):
        code = _code(values[i], bits[i])
        if code >= 0:
            used[code] = 1


@compiled
def _dense_cells(values: Floats, bits: Ints, group: Codes, rank: Ints, table: Ints) -> None:
    for i in range(len(values)):
        code = _code(values[i], bits[i])
        if code >= 0:
            table[group[i], rank[code]] += 1


def quantile_cells(values: Floats, group: Codes, groups: int) -> tuple[Ints, Ints]:
    """Return the distinct (group << 18 | cell + 2**17) of the values, in order, and how many values each has."""
    bits = values.view(np.int64)
    used = np.zeros(1 << 18, np.int64)
    _used_cells(values, bits, used)
    codes = np.flatnonzero(used)
    if len(codes) * groups > 4 * len(values) + (1 << 16):  # mostly empty: sorting is cheaper than a dense table
        return plain.quantile_cells(values, group, groups)
    table = np.zeros((groups, len(codes)), np.int32)
    _dense_cells(values, bits, group, np.cumsum(used) - 1, table)
    flat = table.reshape(-1)
    filled = np.flatnonzero(flat != 0)
    where, place = np.divmod(filled, len(codes) or 1)
    return (where << 18) | codes[place], flat[filled].astype(np.int64)
