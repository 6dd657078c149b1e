"""Sealing: minutes become immutable and are rolled up; merged beside the writers' lock, written under it.

A catch-up of a day takes a second of merging for each policy. Done inside the write transaction, fifty policies that
come back from an outage together would keep every other writer out for a minute; so it is done in pieces of a day,
each merged from a read and written only if nobody has landed meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, update

from monitor.bucketing import buckets
from monitor.bucketing.buckets import DAY, HOUR, MINUTE
from monitor.landing import snapshot
from monitor.store.database import Database, upsert
from monitor.store.tables import policies, summaries

_OPTIMISTIC = 4  # tries that others' landings may spoil before a piece is merged under the lock
_LONG = 31 * DAY  # of what is made of hours, in one piece


@dataclass
class _Piece:
    """What one write does: from which state of the policy, until when it seals, and the roll-ups it puts."""

    seq: int
    sealed: float
    until: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    long: dict[int, tuple[int, int]] = field(default_factory=dict)  # made of hours that this write puts: under the lock
    reached: dict[int, int] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.rows or self.long or self.until > self.sealed)

    def ends(self, until: float) -> bool:
        """Whether nothing is left to do after it."""
        done = all(at + resolution > self.until for resolution, at in self.reached.items())
        return self.until >= until and done


def seal(database: Database, policy: str, until: float, windows: Collection[int]) -> None:
    """Make every bucket before ``until`` immutable and roll up the windows, hours and days that are complete by then.

    A resolution that has no roll-ups yet, because its trigger is new, is rolled up from the first stored minute on.
    Sealing only moves forward; an earlier ``until`` changes nothing. Each piece is one transaction: what is sealed has
    its roll-ups but for those of a new resolution, and whoever comes after a crash goes on from there.

    Parameters
    ----------
    database, policy
        Whose buckets; the policy's row is made if it is missing.
    until
        Seconds since 1970, rounded down to a minute.
    windows
        Seconds of the windows that are judged.

    Raises
    ------
    DatabaseUnavailableError
        If the database is locked or away; what was written before stays.
    """
    until = until // MINUTE * MINUTE
    snapshot.ensure(database, policy)
    resolutions = sorted({*windows, HOUR, DAY} - {MINUTE})
    reached: dict[int, int] = {}
    lost = 0
    while True:
        if lost < _OPTIMISTIC:
            with database.read() as connection:
                piece = _merged(connection, policy, until, resolutions, reached)
            written = not piece.writes
        if lost == _OPTIMISTIC or not written:
            with database.begin() as connection:
                if lost == _OPTIMISTIC:  # somebody lands all the time: they wait, once
                    connection.execute(update(policies).where(policies.c.policy == policy).values(policy=policy))
                    piece = _merged(connection, policy, until, resolutions, reached)
                written = _write(connection, policy, piece)
        lost = 0 if written else lost + 1
        if written:
            reached = piece.reached
            if piece.ends(until):
                return


def _merged(
    connection: Connection, policy: str, until: float, resolutions: list[int], reached: dict[int, int]
) -> _Piece:
    """Merge the next piece: at most a day of minutes for each resolution."""
    columns = (policies.c.landing_seq, policies.c.sealed_until)
    seq, sealed = connection.execute(select(*columns).where(policies.c.policy == policy)).one()
    oldest = buckets.bound(connection, func.min, policy, MINUTE)
    if oldest is None:
        return _Piece(seq, sealed, max(sealed, until))
    piece = _Piece(seq, sealed, max(sealed, min(until, max(sealed, oldest) + DAY)))
    for resolution in resolutions:
        long = buckets.of_hours(resolution)
        begin = reached.get(resolution)
        if begin is None:
            newest = buckets.bound(connection, func.max, policy, resolution)
            begin = oldest // resolution * resolution if newest is None else newest + resolution
        limit = piece.reached[HOUR] if long else piece.until
        if not long and begin + resolution <= limit:  # over a gap in one step, however long it is
            following = buckets.bound(connection, func.min, policy, MINUTE, begin)
            begin = max(begin, int(limit if following is None else min(following, limit)) // resolution * resolution)
        end = int(min(limit, begin + max(_LONG if long else DAY, resolution))) // resolution * resolution
        piece.reached[resolution] = max(begin, end)
        if end > begin and long:
            piece.long[resolution] = (begin, end)
        elif end > begin:
            found = buckets.rolled_up(connection, policy, resolution, begin, end)
            piece.rows += buckets.rows_of(policy, found, resolution)
    return piece


def _write(connection: Connection, policy: str, piece: _Piece) -> bool:
    """Write a piece; False where somebody landed, sealed or counted again since it was merged."""
    c = policies.c
    unmoved = (c.policy == policy) & (c.landing_seq == piece.seq) & (c.sealed_until == piece.sealed)
    if connection.execute(update(policies).where(unmoved).values(sealed_until=piece.until)).rowcount != 1:
        return False
    upsert(connection, summaries, piece.rows)
    for resolution, (begin, end) in piece.long.items():
        buckets.roll(connection, policy, resolution, begin, end)
    return True
