"""What landing works with, and what it says it did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.clock import Clock
from monitor.landing.dedup import Index, hashes
from monitor.landing.recount import Recount
from monitor.landing.scoring import Scorer
from monitor.landing.snapshot import Mark
from monitor.log_store.lake import File, Lake
from monitor.settings import Settings
from monitor.store.database import Database
from monitor.summaries.plan import Plan
from monitor.validate import Accepted, Reject
from monitor.validate.faults import raw_text


@dataclass(frozen=True)
class Landed:
    """What became of a batch.

    Parameters
    ----------
    accepted
        Rows that are in the lake now and were not before.
    duplicates
        Rows that were there already, with the same content.
    quarantined
        Rows refused, by validation or because they clash with what was logged before.
    late
        Accepted rows whose bucket was sealed.
    waiting
        Reward events whose decision is not known yet.
    events
        Single decisions that an event trigger has to judge.
    rejects
        The refused rows, for an answer that lists them.
    """

    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    late: int = 0
    waiting: int = 0
    events: int = 0
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Tools:
    """The parts that every landing shares."""

    database: Database
    settings: Settings
    clock: Clock
    lake: Lake
    index: Index
    scorer: Scorer
    pool: ThreadPoolExecutor

    def recount(self, policy: str, plan: Plan) -> Recount:
        """Return who counts a policy's lake again."""
        return Recount(self.lake, self.scorer, policy, plan, self.settings.policy[policy].reward_events)

    def write(
        self, policy: str, kind: str, name: str, table: pa.Table, hours: Sequence[tuple[int, NDArray[np.int64]]]
    ) -> list[Future[File]]:
        """Write the files of a batch, one an hour, on the pool."""
        parts = [(hour, _rows(table, rows)) for hour, rows in hours]
        return [self.pool.submit(self.lake.write, policy, kind, hour, name, part) for hour, part in parts]

    def remember(
        self, files: Sequence[File], keys: Mapping[str, pa.ChunkedArray], hours: Sequence[NDArray[np.int64]]
    ) -> None:
        """Keep the hashes of files that were just written, so that they are not read for them."""
        for key, ids in keys.items():
            known = hashes(ids)
            for file, rows in zip(files, hours, strict=True):
                self.index.remember(file.file, key, known[rows])


def finished(futures: Sequence[Future[File]]) -> list[File]:
    """Wait for all files; raise the first failure only when no writer is at work any more."""
    errors = [error for error in [future.exception() for future in futures] if error is not None]
    if errors:
        raise errors[0]
    return [future.result() for future in futures]


def stem(origin: str, mark: Mark | None) -> str:
    """Return the stem of a batch's file names: the digest of its place in its source."""
    place = origin if mark is None else f"{mark.source}|{mark.path}|{mark.position.position}|{mark.position.rows}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]


def clashing(accepted: Accepted, mark: Mark | None, clashes: Sequence[tuple[int, str, str]]) -> tuple[Reject, ...]:
    """Return rows of the accepted table that clash with the log as Rejects, numbered as in their file."""
    if not clashes:
        return ()
    first = 1 if mark is None else mark.first_row
    numbers = accepted.numbers if accepted.numbers is not None else range(first, first + accepted.table.num_rows)
    raw = accepted.table.take([row for row, _field, _reason in clashes]).to_pylist()
    return tuple(
        Reject(int(numbers[row]), field, reason, raw_text(content))
        for (row, field, reason), content in zip(clashes, raw, strict=True)
    )


def _rows(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    first = int(rows[0])
    together = int(rows[-1]) - first == len(rows) - 1 and bool(np.all(np.diff(rows) == 1))
    return table.slice(first, len(rows)) if together else table.take(pa.array(rows))
