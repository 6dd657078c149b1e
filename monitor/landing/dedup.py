"""Duplicates by decision id: 64-bit hashes find them, an exact comparison of every column decides.

A decision is looked for in the event hour of its own ``ts``, and in its own batch whatever the hour. The same id with
a ``ts`` in another hour of an earlier batch is another decision: an unbounded search would cost more than it finds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from monitor.log_store.arrow import differs
from monitor.log_store.lake import Lake
from monitor.log_store.schema import FIXED

# Derived at landing; whether two rows are the same decision does not depend on them.
LATE = "late"
_ENTRIES = 16_000_000  # 12 bytes each: 200 MB of hashes at most


def is_derived(column: str) -> bool:
    """Return whether landing added a column that the log does not have."""
    return column.startswith(("pi.", "pi_by.", "gap.", "score.", "score_by.")) or column == LATE


def hashes(ids: Any) -> NDArray[np.uint64]:
    """Return the 64-bit hash of each text, shape (rows,).

    >>> a, b, c = hashes(pa.array(["d1", "d2", "d1"])); bool(a == c), bool(a == b)
    (True, False)
    """
    series = pl.from_arrow(pa.chunked_array([ids]) if isinstance(ids, pa.Array) else ids)
    assert isinstance(series, pl.Series)
    return series.hash(seed=0).to_numpy()


@dataclass(frozen=True)
class Hits:
    """Rows of a batch that a lake file has too: entry i says that ``rows[i]`` is row ``places[i]`` of ``file``."""

    file: str
    rows: NDArray[np.int64]
    places: NDArray[np.int64]


class Index:
    """Sorted hashes of the ids in each lake file, built when first asked for, the least recently used dropped.

    A lake file never changes under its name, so an entry is never stale.
    """

    def __init__(self, lake: Lake, entries: int = _ENTRIES) -> None:
        self.lake = lake
        self._limit = entries
        self._kept: OrderedDict[tuple[str, str], tuple[NDArray[np.uint64], NDArray[np.int32]]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def remember(self, file: str, key: str, found: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        """Keep the hashes of a file's ``key`` column, in the order of its rows."""
        order = np.argsort(found, kind="stable").astype(np.int32)
        entry = (found[order], order)
        with self._lock:
            if (file, key) not in self._kept:
                self._kept[file, key] = entry
                self._size += len(order)
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1][1])
        return entry

    def find(self, files: Sequence[str], key: str, ids: Any, known: NDArray[np.uint64] | None = None) -> list[Hits]:
        """Return where each id occurs in the ``key`` column of lake files; hash collisions are already sorted out."""
        if not files:
            return []
        wanted = hashes(ids) if known is None else known
        order = np.argsort(wanted)
        result = []
        for file in files:
            stored, places = self._of(file, key)
            low = np.searchsorted(stored, wanted[order], "left")
            count = np.searchsorted(stored, wanted[order], "right") - low
            if not count.any():
                continue
            rows = np.repeat(order, count)
            offset = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
            found = places[np.repeat(low, count) + offset].astype(np.int64)
            same = ~differs(ids.take(rows), self.lake.open(file, [key]).column(key).take(found))
            if same.any():
                result.append(Hits(file, rows[same], found[same]))
        return result

    def _of(self, file: str, key: str) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        with self._lock:
            entry = self._kept.get((file, key))
            if entry is not None:
                self._kept.move_to_end((file, key))
                return entry
        return self.remember(file, key, hashes(self.lake.open(file, [key]).column(key)))


def repeats(ids: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows whose id occurred before in the batch, and for each the row where it occurred first.

    >>> [part.tolist() for part in repeats(pa.array(["a", "b", "a", "a"]))]
    [[2, 3], [0, 0]]
    """
    ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    codes = ids.dictionary_encode().indices.to_numpy()  # codes count up in order of first occurrence
    first = np.diff(np.maximum.accumulate(codes), prepend=-1) > 0
    later = np.flatnonzero(~first)
    return later, np.flatnonzero(first)[codes[later]]


def compare(new: pa.Table, old: pa.Table) -> list[str | None]:
    """Return for each pair of rows the first column in which they differ, None where they are the same decision.

    A column that only one of the tables has is null in the other; columns that landing added do not count.
    """
    names = dict.fromkeys([*FIXED, *sorted({*new.column_names, *old.column_names})])
    result: list[str | None] = [None] * new.num_rows
    undecided = np.ones(new.num_rows, bool)
    for name in names:
        if is_derived(name) or not (name in new.column_names or name in old.column_names):
            continue
        for row in np.flatnonzero(differs(_column(new, name), _column(old, name)) & undecided):
            result[row] = name
            undecided[row] = False
    return result


def explain(name: str, identity: str, old: Any, new: Any) -> str:
    """Say why a row is not the decision that its id names.

    >>> explain("reward", "d17", 0.4, 0.5)
    'decision d17 was logged before with reward 0.4, now 0.5; rewards that change come as reward events'
    """
    fix = "rewards that change come as reward events" if name == "reward" else "each decision needs its own decision_id"
    return f"decision {identity} was logged before with {name} {_plain(old)}, now {_plain(new)}; {fix}"


def _plain(value: Any) -> str:
    return "none" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _column(table: pa.Table, name: str) -> Any:
    return table.column(name) if name in table.column_names else pa.nulls(table.num_rows)


@dataclass(frozen=True)
class Screened:
    """What of a batch is new: its rows, how many were duplicates, and (row, field, reason) of those that clash."""

    rows: NDArray[np.int64]
    duplicates: int
    clashes: tuple[tuple[int, str, str], ...]


def by_hour(hours: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """Return each hour with the rows that lie in it, in their order.

    >>> [(hour, rows.tolist()) for hour, rows in by_hour(np.array([7, 8, 7]))]
    [(7, [0, 2]), (8, [1])]
    """
    if not len(hours):
        return []
    order = np.arange(len(hours)) if bool(np.all(hours[1:] >= hours[:-1])) else np.argsort(hours, kind="stable")
    cuts = np.flatnonzero(np.diff(hours[order])) + 1
    return [(int(hours[rows[0]]), rows) for rows in np.split(order, cuts)]


def screen(
    index: Index,
    table: pa.Table,
    hours: NDArray[np.int64],
    known: NDArray[np.uint64],
    files: Mapping[int, Sequence[str]],
) -> Screened:
    """Find the rows of a batch that are in it twice or in the lake already.

    Parameters
    ----------
    index
        Hashes of the lake's files.
    table
        Canonical decisions.
    hours
        Event hour of each row, shape (rows,).
    known
        Hash of each ``decision_id``, shape (rows,).
    files
        The lake's files of each hour.
    """
    ids = table.column("decision_id")
    dropped = np.zeros(table.num_rows, bool)
    clashes: list[tuple[int, str, str]] = []

    def drop(rows: NDArray[np.int64], old: pa.Table) -> None:
        dropped[rows] = True
        for place, field in enumerate(compare(table.take(rows), old)):
            if field is not None:
                row = int(rows[place])
                said = [_value(one, field, at) for one, at in ((old, place), (table, row))]
                clashes.append((row, field, explain(field, ids[row].as_py(), *said)))

    later, first = repeats(ids)
    if len(later):
        drop(later, table.take(first))
    for hour, found in by_hour(hours):
        rows = found[~dropped[found]]
        for hit in index.find(files.get(hour, ()), "decision_id", ids.take(rows), known[rows]):
            drop(rows[hit.rows], index.lake.open(hit.file).take(hit.places))
    return Screened(np.flatnonzero(~dropped), int(dropped.sum()) - len(clashes), tuple(clashes))


def _value(table: pa.Table, name: str, row: int) -> Any:
    return table.column(name)[row].as_py() if name in table.column_names else None
