"""Decisions that a log holds twice: the same row again counts once, another row under the same id is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from monitor.landing.dedup import hashes
from monitor.validate import Accepted, Reject
from monitor.validate.faults import show

HOUR = 3600 * 1_000_000  # microseconds
Hashes = NDArray[np.uint64]


class Repeats:
    """Remembers every decision of a log as two 64-bit hashes, of its id and hour and of its content.

    16 bytes a row: a log of a hundred million rows takes 1.6 GB. Landing compares the ids of an event hour exactly;
    here two of a million ids are taken for one with a chance of 3 in 10^8, and that row is refused and counted.

    Examples
    --------
    >>> seen = Repeats()
    >>> rows = Accepted(pa.table({"decision_id": ["a", "b", "a", "b"], "reward": [1.0, 2.0, 1.0, 3.0]}))
    >>> kept = seen.drop(rows, pa.nulls(4, pa.timestamp("us", "UTC")))
    >>> kept.table.to_pydict(), seen.dropped, kept.rejects[0].row, kept.rejects[0].field
    ({'decision_id': ['a', 'b'], 'reward': [1.0, 2.0]}, 1, 4, 'decision_id')
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._runs: list[tuple[Hashes, Hashes]] = []  # sorted by the first; each at least twice as long as the next

    def drop(self, accepted: Accepted, at: pa.Array) -> Accepted:
        """Return the rows that were not seen before, and those of other content refused.

        Parameters
        ----------
        accepted
            Validated rows. Ids that were derived from the file and the row are all different.
        at
            When each of them happened, null where that is not known: the same id in another hour is another decision.
        """
        table = accepted.table
        if accepted.derived_ids or not table.num_rows:
            return accepted
        hour = at.cast(pa.int64()).fill_null(0).to_numpy() // HOUR
        keys = hashes(table["decision_id"]) ^ (hour.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        content = _contents(table.append_column("at", at.cast(pa.int64())))
        _, first, of = np.unique(keys, return_index=True, return_inverse=True)
        known, said = self._known(keys[first], content[first])
        before = np.where(known[of], said[of], content[first][of])  # what this id said when it came first
        again = known[of] | (np.arange(len(keys)) != first[of])
        other = again & (before != content)
        self.dropped += int((again & ~other).sum())
        self._remember(keys[first][~known], content[first][~known])
        if not again.any():
            return accepted
        numbers = np.arange(1, len(keys) + 1) if accepted.numbers is None else accepted.numbers
        rejects = (*accepted.rejects, *_refused(table, np.flatnonzero(other), numbers))
        return replace(accepted, table=table.filter(pa.array(~again)), rejects=rejects, numbers=numbers[~again])

    def _known(self, keys: Hashes, content: Hashes) -> tuple[NDArray[np.bool_], Hashes]:
        known, said = np.zeros(len(keys), bool), content.copy()
        for stored, contents in self._runs:
            place = np.minimum(np.searchsorted(stored, keys), len(stored) - 1)
            found = stored[place] == keys
            known |= found
            said[found] = contents[place[found]]
        return known, said

    def _remember(self, keys: Hashes, content: Hashes) -> None:
        if not len(keys):
            return
        self._runs.append((keys, content))  # np.unique has sorted them
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            (a, x), (b, y) = self._runs.pop(), self._runs.pop()
            both, contents = np.concatenate([a, b]), np.concatenate([x, y])
            order = np.argsort(both, kind="stable")
            self._runs.append((both[order], contents[order]))


def _refused(table: pa.Table, rows: NDArray[np.int64], numbers: NDArray[np.int64]) -> list[Reject]:
    ids = table["decision_id"].take(pa.array(rows)).to_pylist()
    reason = "decision {} was logged before with other content: give each decision its own id"
    return [
        Reject(int(number), "decision_id", reason.format(show(name)), "")
        for number, name in zip(numbers[rows], ids, strict=True)
    ]


def _contents(table: pa.Table) -> Hashes:
    """Return a hash of each row's values by the names of their columns; null and no such column are the same."""
    total = np.zeros(table.num_rows, np.uint64)
    for name in table.column_names:
        frame = pl.from_arrow(table.select([name]))
        assert isinstance(frame, pl.DataFrame)
        found = frame.hash_rows(seed=int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])).to_numpy()
        there = frame.to_series().is_not_null().to_numpy()
        total[there] += found[there]
    return total
