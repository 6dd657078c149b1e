"""Claimed (job, slot) rows: each scheduled pass is done once, and a dead worker's claim is taken over."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from monitor.clock import Clock
from monitor.store.database import Database, DatabaseUnavailableError, insert_new
from monitor.store.tables import slots

LEASE = 12.0  # real seconds; a takeover happens within 15
FAR = 5 * LEASE  # a lease or an end further ahead than this was written before the machine's clock was set back
_KEPT = 86400.0


class LostClaimError(Exception):
    """Another worker took the slot over; what this one computed must not be written."""


@dataclass(frozen=True)
class Claim:
    """The right to do one slot of one job, until it is finished or its lease runs out."""

    job: str
    slot: int
    owner: str
    fence: int


def claim(database: Database, clock: Clock, job: str, slot: int, owner: str) -> Claim | None:
    """Take a slot that is free or whose owner is gone; None when another worker has it or it is done.

    One conditional UPDATE decides, which means the same on SQLite and PostgreSQL; the fence grows with every
    taking, so that a worker which comes back from a long pause cannot finish what was taken from it. While a pass of
    an earlier slot still runs, a later one of the same job is not given away: the two would do the same work.

    What was written before the machine's clock was set back does not hang: a lease that ends too far ahead holds
    nobody up, and slots that were finished in what is now the future are forgotten. Their passes find every window
    judged already and judge none twice; without them nobody would look at the policy until the clock has caught up.
    """
    now = clock.real()
    running = select(slots.c.slot).where(slots.c.job == job, slots.c.slot != slot, slots.c.done.is_(False))
    with database.begin() as connection:
        if connection.execute(running.where(slots.c.real_expires.between(now, now + FAR)).limit(1)).first() is not None:
            return None
        connection.execute(
            delete(slots).where(slots.c.job == job, slots.c.done.is_(True), slots.c.real_done > now + FAR)
        )
        insert_new(
            connection,
            slots,
            [
                {
                    "job": job,
                    "slot": slot,
                    "owner": "",
                    "fence": 0,
                    "real_expires": 0.0,
                    "done": False,
                    "real_done": None,
                }
            ],
        )
        row = connection.execute(
            update(slots)
            .where(slots.c.job == job, slots.c.slot == slot, slots.c.done.is_(False), _ended(now))
            .values(owner=owner, fence=slots.c.fence + 1, real_expires=now + LEASE)
            .returning(slots.c.fence)
        ).one_or_none()
    return None if row is None else Claim(job, slot, owner, row.fence)


def renew(database: Database, clock: Clock, held: Claim) -> bool:
    """Extend the lease of a slot that takes long; False when it was taken over."""
    with database.begin() as connection:
        result = connection.execute(
            update(slots).where(_is(held), slots.c.done.is_(False)).values(real_expires=clock.real() + LEASE)
        )
        return result.rowcount == 1


class Renewal:
    """Renews a claim in the background while a long pass runs."""

    def __init__(self, database: Database, clock: Clock, held: Claim) -> None:
        self._database, self._clock, self._held, self._done = database, clock, held, threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"renew-{held.job}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join(timeout=10)

    def _renew(self) -> None:
        while not self._done.wait(LEASE / 3):
            try:
                if not renew(self._database, self._clock, self._held):
                    return
            except DatabaseUnavailableError:
                continue  # the lease outlasts two missed renewals


def finish(connection: Connection, clock: Clock, held: Claim) -> None:
    """Mark the slot done inside the transaction that writes its results.

    Raises
    ------
    LostClaimError
        If another worker took it over: the caller's transaction must roll back.
    """
    result = connection.execute(
        update(slots).where(_is(held), slots.c.done.is_(False)).values(done=True, real_done=clock.real())
    )
    if result.rowcount != 1:
        raise LostClaimError(f"slot {held.slot} of {held.job} was taken over")


def reopen(database: Database, held: Claim) -> None:
    """Give a finished slot back, because there is more to do in it: it is taken over like one whose owner died.

    When it was done stays on record: a pass was finished in it, which is what shows that somebody listened.
    """
    with database.begin() as connection:
        connection.execute(update(slots).where(_is(held)).values(done=False, real_expires=0.0))


def untouched(connection: Connection, job: str, slot: int) -> bool:
    """Whether nobody has taken the slot yet."""
    taken = select(slots.c.slot).where(slots.c.job == job, slots.c.slot == slot, slots.c.fence > 0)
    return connection.execute(taken).first() is None


def abandoned(connection: Connection, clock: Clock) -> list[str]:
    """Return the jobs whose newest slot was claimed and not finished, and whose owner's lease ran out."""
    newer = slots.alias()
    later = select(newer.c.slot).where(newer.c.job == slots.c.job, newer.c.slot > slots.c.slot, newer.c.fence > 0)
    left = select(slots.c.job).where(slots.c.done.is_(False), slots.c.fence > 0, _ended(clock.real()))
    return list(connection.execute(left.where(~later.exists())).scalars())


def forget(connection: Connection, clock: Clock) -> None:
    """Drop slots that were finished, or left unfinished, more than a day ago."""
    old = clock.real() - _KEPT
    connection.execute(
        delete(slots).where(
            or_(
                and_(slots.c.done.is_(True), slots.c.real_done < old),
                and_(
                    slots.c.done.is_(False),
                    slots.c.real_expires < old,
                    slots.c.real_done.is_(None) | (slots.c.real_done < old),
                ),
            )
        )
    )


def _ended(now: float) -> ColumnElement[bool]:
    return or_(slots.c.real_expires < now, slots.c.real_expires > now + FAR)


def _is(held: Claim) -> ColumnElement[bool]:
    return and_(
        slots.c.job == held.job, slots.c.slot == held.slot, slots.c.owner == held.owner, slots.c.fence == held.fence
    )
