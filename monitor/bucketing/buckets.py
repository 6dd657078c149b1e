"""Stored summaries: minute buckets that rows and rewards change until they are sealed, and the roll-ups of sealed ones.

Roll-ups are merges of minutes (days: of hours) and nothing else, so any window is the same number however it was cut.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, select

from monitor.store.database import upsert
from monitor.store.tables import baselines, policies, summaries
from monitor.summaries import BucketSummary, merge
from monitor.summaries.plan import Plan

MINUTE = 60
HOUR = 3600
DAY = 86400
Key = tuple[str, str, int]  # version, segment, start
_AT_ONCE = 500  # starts in one IN list: far below SQLite's 32,766 variables


def put(
    connection: Connection,
    policy: str,
    found: Mapping[Key, BucketSummary],
    *,
    resolution: int = MINUTE,
    late: bool = False,
) -> None:
    """Store buckets, overwriting those that are there."""
    upsert(connection, summaries, rows_of(policy, found, resolution, late=late))


def add(connection: Connection, policy: str, found: Mapping[Key, BucketSummary], *, late: bool = False) -> None:
    """Add minute buckets to the stored ones.

    Raises
    ------
    ValueError
        If a stored bucket was counted with another plan; rebuild it from the lake then.
    """
    stored: dict[Key, bytes] = {}
    starts = sorted({start for _version, _segment, start in found})
    for first in range(0, len(starts), _AT_ONCE):
        some = starts[first : first + _AT_ONCE]
        where = summaries.c.start.in_(some) & (summaries.c.resolution == MINUTE) & summaries.c.late.is_(late)
        for row in connection.execute(select(summaries).where(summaries.c.policy == policy, where)):
            stored[row.version, row.segment, row.start] = row.body
    total = {key: BucketSummary.from_bytes(stored[key]) + one if key in stored else one for key, one in found.items()}
    put(connection, policy, total, late=late)


def replace(
    connection: Connection,
    policy: str,
    starts: Collection[int],
    found: Mapping[Key, BucketSummary],
    *,
    late: bool = False,
) -> None:
    """Make ``found`` the whole content of the minute buckets at ``starts``: what is not in it goes."""
    ordered = sorted(starts)
    for first in range(0, len(ordered), _AT_ONCE):
        some = ordered[first : first + _AT_ONCE]
        where = summaries.c.start.in_(some) & (summaries.c.resolution == MINUTE) & summaries.c.late.is_(late)
        connection.execute(delete(summaries).where(summaries.c.policy == policy, where))
    put(connection, policy, found, late=late)


def load(
    connection: Connection,
    policy: str,
    version: str,
    segment: str,
    resolution: int,
    begin: float,
    end: float,
    plan: Plan | None = None,
) -> list[tuple[int, BucketSummary]]:
    """Return the buckets that start in [begin, end), in order, as they were judged: late rows are not in them.

    With the ``plan`` that they were counted with, their numbers can be asked for by name.

    Raises
    ------
    ValueError
        If they were counted with another plan.
    """
    rows = connection.execute(
        _select(policy, resolution, begin, end, version, segment).where(summaries.c.late.is_(False))
    )
    return [(row.start, BucketSummary.from_bytes(row.body, plan)) for row in rows]


def load_all(
    connection: Connection, policy: str, version: str, segment: str, resolution: int, begin: float, end: float
) -> list[tuple[int, BucketSummary, int]]:
    """Return the buckets that start in [begin, end) with late rows, and how many of the rows were late, for display."""
    rows = connection.execute(_select(policy, resolution, begin, end, version, segment))
    found = []
    for start, group in groupby(rows, lambda row: row.start):
        parts = list(group)
        found.append((start, _merged([row.body for row in parts]), sum(row.rows for row in parts if row.late)))
    return found


def versions(
    connection: Connection, policy: str, resolution: int, begin: float, end: float, segment: str = ""
) -> list[str]:
    """Return the versions that acted in [begin, end) (shadows did not act), or those of a segment, in order of name."""
    found = _select(policy, resolution, begin, end).where(summaries.c.segment == segment, summaries.c.late.is_(False))
    # Not DISTINCT: SQLite would walk every bucket of the policy to have the versions in order.
    return sorted(set(connection.execute(found.with_only_columns(summaries.c.version).order_by(None)).scalars()))


def rolled(connection: Connection, policy: str) -> list[int]:
    """Return the resolutions that a policy has roll-ups of, in seconds."""
    stored = select(summaries.c.resolution).where(summaries.c.policy == policy, summaries.c.resolution > MINUTE)
    return sorted(connection.execute(stored.distinct()).scalars())


def reroll(connection: Connection, policy: str, begin: float, end: float, resolutions: Collection[int]) -> None:
    """Roll up again what overlaps [begin, end), after minutes were re-counted."""
    sealed = connection.execute(select(policies.c.sealed_until).where(policies.c.policy == policy)).scalar_one()
    for resolution in sorted(resolutions):
        first = math.floor(begin / resolution) * resolution
        last = min(math.ceil(end / resolution) * resolution, sealed)
        of_policy = (summaries.c.policy == policy) & (summaries.c.resolution == resolution)
        connection.execute(
            delete(summaries).where(of_policy, summaries.c.start >= first, summaries.c.start + resolution <= last)
        )
        roll(connection, policy, resolution, first, last)


def roll(connection: Connection, policy: str, resolution: int, begin: float, end: float) -> None:
    """Merge sealed buckets into those of ``resolution`` seconds that start at or after ``begin`` and end by ``end``.

    The source is the minute, and the hour for what is longer and made of whole hours: both are always there, whereas
    another window's roll-ups may begin in the middle because somebody configured it then.
    """
    first, last = math.ceil(begin / resolution) * resolution, math.floor(end / resolution) * resolution
    chunk = max(DAY, resolution)  # memory stays bounded over a year of history
    for start in range(first, last, chunk):
        found = rolled_up(connection, policy, resolution, start, min(start + chunk, last))
        put(connection, policy, found, resolution=resolution)


def rolled_up(
    connection: Connection, policy: str, resolution: int, begin: float, end: float
) -> dict[Key, BucketSummary]:
    """Return the roll-ups of whole windows in [begin, end), all in memory; writes nothing."""
    source = HOUR if of_hours(resolution) else MINUTE
    rows = connection.execute(_select(policy, source, begin, end).where(summaries.c.late.is_(False)))
    groups: dict[Key, list[bytes]] = {}
    for row in rows:
        groups.setdefault((row.version, row.segment, row.start // resolution * resolution), []).append(row.body)
    return {key: _merged(bodies) for key, bodies in groups.items()}


def of_hours(resolution: int) -> bool:
    """Whether roll-ups of ``resolution`` seconds are made of those of hours, instead of minutes."""
    return resolution > HOUR and resolution % HOUR == 0


def retain(connection: Connection, policy: str, before: float) -> int:
    """Drop minute buckets that start before ``before``, but none of the newest baseline's span; return how many."""
    newest = select(baselines.c.begin, baselines.c.end).where(baselines.c.policy == policy)
    span = connection.execute(newest.order_by(baselines.c.id.desc()).limit(1)).one_or_none()
    old = delete(summaries).where(
        summaries.c.policy == policy, summaries.c.resolution == MINUTE, summaries.c.start < before
    )
    if span is not None:
        old = old.where((summaries.c.start + MINUTE <= span.begin) | (summaries.c.start >= span.end))
    return connection.execute(old).rowcount


def _select(
    policy: str, resolution: int, begin: float, end: float, version: str | None = None, segment: str | None = None
) -> Any:
    statement = select(summaries).where(
        summaries.c.policy == policy,
        summaries.c.resolution == resolution,
        summaries.c.start >= math.ceil(begin),
        summaries.c.start < math.ceil(end),
    )
    if version is not None:
        statement = statement.where(summaries.c.version == version, summaries.c.segment == segment)
    return statement.order_by(summaries.c.start, summaries.c.version, summaries.c.segment, summaries.c.late)


def bound(connection: Connection, which: Any, policy: str, resolution: int, begin: float = 0) -> int | None:
    """Return the first or last (``which``: ``func.min`` or ``func.max``) stored start at or after ``begin``."""
    found = select(which(summaries.c.start)).where(summaries.c.policy == policy, summaries.c.resolution == resolution)
    found = found.where(summaries.c.start >= math.ceil(begin), summaries.c.late.is_(False))
    start: int | None = connection.execute(found).scalar_one()
    return start


def _merged(bodies: Iterable[bytes]) -> BucketSummary:
    """Merge buckets; of buckets counted with different plans those of the newest one.

    That happens only while a rebuild with a new plan is under way, which rolls up again when it gets there.
    """
    bodies = list(bodies)
    try:
        return merge(bodies)
    except ValueError:
        found = [BucketSummary.from_bytes(body) for body in bodies]
        return merge([body for body, one in zip(bodies, found, strict=True) if one.digest == found[-1].digest])


def rows_of(
    policy: str, found: Mapping[Key, BucketSummary], resolution: int, *, late: bool = False
) -> list[dict[str, Any]]:
    """Return buckets as rows of ``summaries``, encoded."""
    same = {"policy": policy, "resolution": resolution, "late": late}
    return [
        {**same, "version": version, "segment": segment, "start": start, "rows": one.rows, "body": one.to_bytes()}
        for (version, segment, start), one in found.items()
    ]
