"""Which bucket, version and segment each row belongs to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.summaries.columns import Codes, codes
from monitor.summaries.parts import Ints
from monitor.summaries.plan import Segments

SHADOW = "arm=shadow"
SEGMENTS = ("", SHADOW)


class Groups(NamedTuple):
    """Group number of each row, shape (n,), and the (version, segment, start) of each group."""

    of: Codes
    keys: list[tuple[str, str, int]]


def group(table: pa.Table, resolution: int) -> Groups:
    """Number the (version, segment, bucket) groups of a canonical table, in order of time.

    Shadow rows are a segment of their own; every other arm is live traffic, so that a misspelt arm hides nothing.

    Raises
    ------
    ValueError
        If a row has no time, or ``ts`` is not a timestamp.
    """
    if not table.num_rows:
        return Groups(np.zeros(0, np.int32), [])
    return _number(table, resolution, _shadow(table), SEGMENTS)


def group_segments(table: pa.Table, resolution: int, segments: Segments) -> tuple[pa.Table, Groups]:
    """Return the live rows that say which of the segments they are of, and number their groups.

    Raises
    ------
    ValueError
        As for ``group``.
    """
    name = f"segment.{segments.name}"
    if name not in table.column_names or not table.num_rows:
        return table.slice(0, 0), Groups(np.zeros(0, np.int32), [])
    of = np.concatenate([codes(batch, name, segments.levels) for batch in table.select([name]).to_batches()])
    there = of <= len(segments.levels)  # beyond: it does not say
    shadow = _shadow(table)
    if shadow is not None:
        there &= ~shadow
    if not there.all():
        table, of = table.filter(pa.array(there)), of[there]
    if not table.num_rows:
        return table, Groups(np.zeros(0, np.int32), [])
    return table, _number(table, resolution, of, segments.labels)


def _shadow(table: pa.Table) -> NDArray[np.bool_] | None:
    if "arm" not in table.column_names:
        return None
    arms = [codes(batch, "arm", ("shadow",)) for batch in table.select(["arm"]).to_batches()]
    shadow: NDArray[np.bool_] = np.concatenate(arms) == 0
    return shadow


def _number(table: pa.Table, resolution: int, segment: NDArray[Any] | None, labels: tuple[str, ...]) -> Groups:
    bucket = _bucket(table, resolution)
    version, names = _versions(table.column("version"))
    code = (bucket - bucket.min()) * len(names) + version
    code *= len(labels)
    if segment is not None:
        code += segment
    used, of = _ranks(code)
    first = int(bucket.min())
    keys = []
    for number in used.tolist():
        place, which = divmod(number, len(labels))
        step, index = divmod(place, len(names))
        keys.append((names[index], labels[which], (first + step) * resolution))
    return Groups(of, keys)


def _bucket(table: pa.Table, resolution: int) -> Ints:
    ts = table.column("ts")
    if not pa.types.is_timestamp(ts.type):
        raise ValueError(f"column ts is {ts.type}, not a timestamp: validate the rows before they are summarised")
    if ts.null_count:
        raise ValueError(
            f"column ts has {ts.null_count} rows without a time: quarantine them before they are summarised"
        )
    if ts.type.unit != "us":
        ts = pc.cast(ts, pa.timestamp("us", ts.type.tz), safe=False)
    microseconds = np.concatenate([chunk.view(pa.int64()).to_numpy() for chunk in ts.chunks])
    bucket: Ints = microseconds // np.int64(resolution * 1_000_000)
    return bucket


def _versions(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    encoded = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    names = ["" if name is None else str(name) for name in encoded.dictionary.to_pylist()]
    indices = encoded.indices
    if indices.null_count:
        indices, names = pc.fill_null(indices, len(names)), [*names, ""]
    return indices.to_numpy(zero_copy_only=False).astype(np.int64), names


def _ranks(code: Ints) -> tuple[Ints, Codes]:
    """Return the distinct codes in order, and each row's place among them."""
    top = int(code.max()) + 1
    if top <= max(4 * len(code), 1 << 16):
        used = np.zeros(top, np.bool_)
        used[code] = True
        rank = np.cumsum(used, dtype=np.int32) - np.int32(1)
        return np.flatnonzero(used), rank[code]
    # np.unique is many times slower than sort and diff in numpy 2.4.
    ordered = np.sort(code)
    distinct = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
    return distinct, np.searchsorted(distinct, code).astype(np.int32)
