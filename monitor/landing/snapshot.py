"""What a landing believes about a policy while it works, and the check at commit that it is still so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from monitor.bucketing.plans import current_plan
from monitor.log_store.lake import File, Lake
from monitor.settings import Settings
from monitor.sources import Chunk, Position
from monitor.store.database import Database, insert_new, upsert
from monitor.store.tables import manifest, policies, watermarks
from monitor.summaries.plan import Plan

_AT_ONCE = 500


class MovedError(Exception):
    """Somebody else landed, sealed or froze meanwhile: look again and repeat."""


@dataclass(frozen=True)
class Mark:
    """How far a source is read once its chunk has landed: moved in the same transaction.

    Parameters
    ----------
    source, path
        The watermark's key.
    position
        Where the next pass goes on.
    first_row
        Number of the chunk's first row in the file, from 1.
    """

    source: str
    path: str
    position: Position
    first_row: int = 1

    @staticmethod
    def of(chunk: Chunk) -> Mark:
        """Return the mark behind a chunk."""
        return Mark(chunk.source, chunk.path, chunk.after, chunk.first_row)


@dataclass(frozen=True)
class Snapshot:
    """One consistent view: landing counter, seal, plan, and the lake's files by kind and hour."""

    policy: str
    seq: int
    sealed: float
    last_ts: float | None
    plan: Plan
    baseline: int | None
    files: dict[tuple[str, int], list[str]]
    passed: bool  # the source was read past this chunk already

    def of(self, kind: str) -> dict[int, list[str]]:
        """Return the files of a kind by hour."""
        return {hour: files for (which, hour), files in self.files.items() if which == kind}


def ensure(database: Database, policy: str) -> None:
    """Make sure that the policy has its row."""
    with database.read() as connection:
        if connection.execute(select(policies.c.policy).where(policies.c.policy == policy)).first() is not None:
            return
    with database.begin() as connection:
        insert_new(connection, policies, [{"policy": policy}])


def take(database: Database, settings: Settings, policy: str, hours: Iterable[int], mark: Mark | None) -> Snapshot:
    """Read what a landing into ``hours`` depends on."""
    ensure(database, policy)
    ordered = sorted(set(hours))
    files: dict[tuple[str, int], list[str]] = {}
    with database.read() as connection:
        row = connection.execute(select(policies).where(policies.c.policy == policy)).one()
        plan, baseline = current_plan(connection, settings, policy)
        for first in range(0, len(ordered), _AT_ONCE):
            some = manifest.c.hour.in_(ordered[first : first + _AT_ONCE])
            named = select(manifest.c.kind, manifest.c.hour, manifest.c.file).where(manifest.c.policy == policy, some)
            for kind, hour, file in connection.execute(named.order_by(manifest.c.landed, manifest.c.file)):
                files.setdefault((kind, hour), []).append(file)
        passed = mark is not None and _passed(connection, mark)
    return Snapshot(policy, row.landing_seq, row.sealed_until, row.last_ts, plan, baseline, files, passed)


def commit(
    connection: Connection,
    settings: Settings,
    lake: Lake,
    before: Snapshot,
    files: Sequence[File],
    last_ts: float | None,
    now: float,
    mark: Mark | None,
) -> None:
    """Name the files and move the watermark, if nothing that the snapshot says has changed.

    Raises
    ------
    MovedError
        If it has; the caller's transaction rolls back.
    """
    newest = max((at for at in (before.last_ts, last_ts) if at is not None), default=None)
    claim = update(policies).where(
        policies.c.policy == before.policy,
        policies.c.landing_seq == before.seq,
        policies.c.sealed_until == before.sealed,
    )
    changes = {"landing_seq": before.seq + 1, "last_ts": newest, "last_arrival": now}
    if connection.execute(claim.values(changes)).rowcount != 1:
        raise MovedError
    if current_plan(connection, settings, before.policy) != (before.plan, before.baseline):
        raise MovedError
    if not all((lake.root / item.file).exists() for item in files):  # retention took them for orphans
        raise MovedError
    if files:
        connection.execute(insert(manifest), [{**vars(item), "landed": now} for item in files])
    if mark is not None and not _passed(connection, mark):
        upsert(connection, watermarks, [{"source": mark.source, "path": mark.path, **vars(mark.position)}])


def _passed(connection: Connection, mark: Mark) -> bool:
    """Tell whether the same file was read at least as far already: a slower reader never moves the mark back."""
    key = (watermarks.c.source == mark.source) & (watermarks.c.path == mark.path)
    row: Any = connection.execute(select(watermarks).where(key)).one_or_none()
    if row is None or _identity(row.head) != _identity(mark.position.head):
        return False
    new = mark.position
    return bool((row.position, row.rows, row.done) >= (new.position, new.rows, new.done))


def _identity(head: str) -> str:
    return head.partition(":")[0]
