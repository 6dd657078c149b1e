"""Rows that are still to be sent, of any table: claimed, marked and moved by conditional updates only.

Actions (``outbox``) and messages to people (``notify.outbox``) are such rows. What they have in common is here: due
times, leases and fences on the machine's clock, which may be set back or forward, and who of several workers wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Table, and_, case, func, or_, select, update

from monitor.clock import Clock

SCHEDULE = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds before each attempt; afterwards EVERY
EVERY = 60.0
JITTER = 0.2
MARGIN = 10.0  # real seconds that a lease outlives what one attempt may take
FAR = 300.0  # a due time or lease further ahead than this was written before the machine's clock was set back


class Held(Protocol):
    """One attempt that is ours to make, until the lease ends or somebody's fence is higher."""

    @property
    def id(self) -> str:
        """Of the row."""
        ...

    @property
    def state(self) -> str:
        """Where the claim left the row."""
        ...

    @property
    def fence(self) -> int:
        """Grows with each claim."""
        ...


def delay(attempts: int, identity: str) -> float:
    """Return the seconds to wait before the next attempt after ``attempts`` failed ones.

    0, 1, 2, 5, 10, 30, 60 s, then every 60 s with 20% jitter. The jitter only shortens, so that a receiver that comes
    back is reached within 60 s, and it is drawn from the row's id, so that the same row waits the same time.

    >>> [delay(n, "act_1") for n in range(7)], 48.0 <= delay(7, "act_1") <= 60.0
    ([0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0], True)
    """
    if attempts < len(SCHEDULE):
        return SCHEDULE[attempts]
    draw = int.from_bytes(hashlib.sha256(f"{identity}:{attempts}".encode()).digest()[:8]) / 2**64
    return EVERY * (1.0 - JITTER * draw)


def _always(_table: FromClause) -> ColumnElement[bool] | None:
    return None


@dataclass(frozen=True)
class Queue:
    """A table of rows to send, each in a lane: the hook or channel that it goes through.

    Parameters
    ----------
    table
        Has id, state, attempts, fence, real_due, real_lease, real_first_attempt.
    lane
        Its column that names the lane.
    claimed
        States in which a row can be claimed, with the state that each becomes.
    ready
        A further condition of rows that may be sent, over the table or an alias of it.
    first
        What comes before the due time in the order of a lane, smallest first.
    """

    table: Table
    lane: str
    claimed: Mapping[str, str]
    ready: Callable[[FromClause], ColumnElement[bool] | None] = _always
    first: Callable[[FromClause], tuple[ColumnElement[Any], ...]] = lambda _table: ()

    def due(self, now: float, table: FromClause | None = None) -> ColumnElement[bool]:
        """Return the condition of a row that may be sent now and that no worker holds."""
        here = self.table if table is None else table
        c, more = here.c, self.ready(here)
        return and_(
            c.state.in_(list(self.claimed)),
            or_(c.real_due <= now, c.real_due > now + FAR),
            or_(c.real_lease.is_(None), c.real_lease < now, c.real_lease > now + FAR),
            *([] if more is None else [more]),
        )

    def lanes(self, connection: Connection, clock: Clock) -> dict[str, int]:
        """Return how many rows are due in each lane."""
        lane = self.table.c[self.lane]
        counted = select(lane.label("lane"), func.count().label("number")).where(self.due(clock.real())).group_by(lane)
        return {row.lane: row.number for row in connection.execute(counted)}

    def claim(self, connection: Connection, clock: Clock, lane: str, lasts: float) -> Row[Any] | None:
        """Take the lane's first due row for as long as an attempt may take, or None.

        One conditional UPDATE decides who has it.
        """
        now, table, other = clock.real(), self.table, self.table.alias()
        mine = select(other.c.id).where(self.due(now, other), other.c[self.lane] == lane)
        mine = mine.order_by(*self.first(other), other.c.real_due, other.c.id)
        mine = mine.limit(1).with_for_update(skip_locked=True)  # PostgreSQL: others take the next one; SQLite: nothing
        return connection.execute(
            update(table)
            .where(table.c.id == mine.scalar_subquery(), self.due(now))
            .values(
                state=case(dict(self.claimed), value=table.c.state),
                fence=table.c.fence + 1,
                attempts=table.c.attempts + 1,
                real_first_attempt=func.coalesce(table.c.real_first_attempt, now),
                real_lease=now + min(lasts + MARGIN, FAR),
            )
            .returning(*table.c)
        ).one_or_none()

    def mark(self, connection: Connection, held: Held, values: Mapping[str, Any]) -> bool:
        """Write what came of an attempt; False when the claim was lost to another worker or another state."""
        c = self.table.c
        mine = (c.id == held.id, c.fence == held.fence, c.state == held.state)
        return connection.execute(update(self.table).where(*mine).values(**values)).rowcount == 1

    def move(
        self, connection: Connection, identity: str, becomes: Mapping[str, str], values: Mapping[str, Any], *more: Any
    ) -> Row[Any] | None:
        """Move a row that is in one of the states, because a person asked; return it, or None if it is in another."""
        c = self.table.c
        here = update(self.table).where(c.id == identity, c.state.in_(list(becomes)), *more)
        moved = here.values(**values, state=case(dict(becomes), value=c.state))
        return connection.execute(moved.returning(*c)).one_or_none()


def afresh(clock: Clock) -> dict[str, Any]:
    """Return the values of a row that is to be sent as if it had never been tried."""
    return {"attempts": 0, "real_first_attempt": None, "real_due": clock.real(), "real_lease": None}


STILL: dict[str, Any] = {"real_due": None, "real_lease": None}  # of a row that is not sent any more
