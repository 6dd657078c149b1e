"""A month of buckets as one: thousands of blobs added column by column instead of one by one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.summaries.base import different_plans
from monitor.summaries.bucket import BucketSummary
from monitor.summaries.envelope import KEY_OFFSET, check, decompress, read_shape
from monitor.summaries.layout import Layout
from monitor.summaries.parts import Floats, Ints, Parts, add_pairs, add_sparse, frozen
from monitor.summaries.plan import Plan

_AT_ONCE = 8192  # buckets: bounds the memory of a merge to some tens of MB


def merge(summaries: Iterable[bytes], plan: Plan | None = None) -> BucketSummary:
    """Add encoded buckets: the same result as reading each and adding them, many times faster.

    Parameters
    ----------
    summaries
        Bytes of ``BucketSummary``s counted with one plan, in any order.
    plan
        That plan, so that the result knows names.

    Raises
    ------
    ValueError
        If bytes are not a bucket's, or the plans differ.

    Examples
    --------
    >>> import pyarrow as pa
    >>> bucket = BucketSummary.of(pa.table({"action": ["a"], "reward": [2.0]}), Plan())
    >>> merge([bucket.to_bytes()] * 1440, Plan()).rows
    1440
    """
    # Lists of plain numbers and bytes: thousands of tuples would keep the garbage collector busy.
    alike: dict[bytes, tuple[list[int], list[int], list[bytes]]] = {}
    for body in summaries:
        blob = check(body, BucketSummary.KIND, BucketSummary.__name__)
        sizes, sparse, frames = alike.setdefault(blob.shape, ([], [], []))
        sizes.append(blob.size)
        sparse.append(blob.sparse)
        frames.append(blob.frame)
    total = BucketSummary()
    for shape, (sizes, sparse, frames) in alike.items():
        digest, width, layout = read_shape(shape)
        for first in range(0, len(frames) if digest else 0, _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            parts = _merge_alike(sizes[part], sparse[part], frames[part], width, layout)
            total = total + BucketSummary(parts, layout, digest, plan)
    if plan is not None and total.digest and total.digest != plan.digest:
        raise ValueError(different_plans(total.digest, plan.digest))
    return total


def _merge_alike(sizes: list[int], sparse: list[int], frames: list[bytes], width: int, layout: Layout) -> Parts:
    counts, *lengths = layout.sizes
    floats = 8 * sum(lengths)
    dense = floats + width * counts
    payload = decompress(frames, sum(sizes))
    starts = [0, *accumulate(sizes)]
    joined = b"".join([payload[at : at + dense] for at in starts[:-1]])
    block = np.frombuffer(joined, np.uint8).reshape(len(frames), dense)
    numbers = np.ascontiguousarray(block[:, :floats]).view("<f8")
    integers = np.ascontiguousarray(block[:, floats:]).view(f"<u{width}")
    compensated, sums, low, high = np.split(numbers, np.cumsum(lengths[:-1]), axis=1)
    cuts = [at + dense + width * cells for at, cells in zip(starts[:-1], sparse, strict=True)]
    weights = b"".join([payload[at + dense : cut] for at, cut in zip(starts[:-1], cuts, strict=True)])
    steps = b"".join([payload[cut:end] for cut, end in zip(cuts, starts[1:], strict=True)])
    keys, weighed = _sparse(
        np.array(sparse, np.int64), np.frombuffer(weights, f"<u{width}"), np.frombuffer(steps, "<u4")
    )
    with np.errstate(over="ignore", invalid="ignore"):
        return Parts(
            frozen(_column_sums(integers)),
            frozen(_tree(compensated)),
            frozen(sums.sum(axis=0)),
            frozen(low.min(axis=0)),
            frozen(high.max(axis=0)),
            frozen(keys),
            frozen(weighed),
        )


def _column_sums(integers: NDArray[Any]) -> Ints:
    """Add small integers in the widest lanes that 256 rows of them need, then in 64 bits."""
    total = np.zeros(integers.shape[1], np.int64)
    lane = np.dtype(f"u{min(8, 2 * integers.itemsize)}")
    for start in range(0, len(integers), 256):
        total += integers[start : start + 256].sum(axis=0, dtype=lane).astype(np.int64)
    return total


def _tree(pairs: Floats) -> Floats:
    while len(pairs) > 1:
        if len(pairs) % 2:
            pairs = np.concatenate((pairs, np.zeros_like(pairs[:1])))
        pairs = add_pairs(pairs[0::2], pairs[1::2])
    return np.ascontiguousarray(pairs[0])


def _sparse(sizes: Ints, weights: NDArray[Any], steps: NDArray[Any]) -> tuple[Ints, Ints]:
    """Add the sparse cells of many blobs, of which each has written the steps from one cell to the next."""
    running = np.cumsum(steps, dtype=np.int64)
    before = np.concatenate(([0], running))[np.cumsum(sizes) - sizes]  # what the blobs before have run up
    cells = running - np.repeat(before, sizes)
    if len(cells) < 1 << 14:
        return add_sparse(cells - KEY_OFFSET, weights.astype(np.int64))
    table = np.zeros(2 * KEY_OFFSET, np.int64)
    np.add.at(table, cells, weights.astype(np.int64))
    used = np.flatnonzero(table)
    return used - KEY_OFFSET, table[used]
