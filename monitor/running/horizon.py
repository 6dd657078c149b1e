"""As of when a live pass judges: by the log while rows come, by the clock once the log is known to be quiet."""

from __future__ import annotations

import math
from itertools import pairwise

from sqlalchemy import Connection, select

from monitor.store.tables import policies, slots
from monitor.tick import Parts

MISSED = 3  # passes in a row that may be missing while the log still counts as listened to
LISTENED = 3600.0  # event seconds of unbroken listening that are enough for any lateness
STRIDE = 7 * 86400.0  # event seconds that one pass judges at most: a second or two of work


def horizon(parts: Parts, policy: str, interval: float) -> float:
    """Return the time as of which a live pass judges: the newest decision's, or the clock's once the log is quiet.

    After an outage of this product, of its database or of the log's way here, rows come in their order and late.
    Sealing by the clock would make them late for ever; sealing by the newest row alone would never see silence. What
    nobody listened for is not silence: the clock counts only after passes were finished all the time.

    Parameters
    ----------
    parts, policy
        State and time, and whose pass it is; call it after new rows were pulled.
    interval
        Event seconds between two passes.
    """
    now = parts.clock.now()
    quiet = parts.settings.policy[policy].lateness + MISSED * interval
    with parts.database.read() as connection:
        columns = (policies.c.last_ts, policies.c.last_arrival)
        row = connection.execute(select(*columns).where(policies.c.policy == policy)).one_or_none()
        if row is None or row.last_ts is None:
            return now
        heard = now - (row.last_arrival or 0.0) <= quiet
        if not heard and _listened(connection, policy, interval, now, min(quiet, LISTENED)):
            return now
    return min(now, float(row.last_ts))


def within_reach(parts: Parts, policy: str, until: float) -> float:
    """Return how far towards ``until`` one pass goes: a week beyond what is sealed.

    After months without a worker, one pass over all of it would keep the thread from every other policy, and its
    verdicts the writers' lock, for minutes. What has never been sealed and has rows begins with the first of them,
    whose time is not known here: it is judged whole.
    """
    with parts.database.read() as connection:
        columns = (policies.c.sealed_until, policies.c.watch_from, policies.c.last_ts)
        row = connection.execute(select(*columns).where(policies.c.policy == policy)).one_or_none()
    if row is None:
        return until
    begin = row.sealed_until or (row.watch_from if row.last_ts is None else None)
    return until if begin is None else min(until, begin + parts.settings.policy[policy].maturity + STRIDE)


def _listened(connection: Connection, policy: str, interval: float, now: float, span: float) -> bool:
    """Whether some worker finished passes during all of ``span``, the slots of ``interval`` seconds being the proof.

    A slot that was given back because more was to do counts: its pass had pulled what there was.
    """
    first, current = math.floor((now - span) / interval), math.floor(now / interval)
    done = select(slots.c.slot).where(slots.c.job == f"judge:{policy}", slots.c.real_done.is_not(None))
    passed = connection.execute(done.where(slots.c.slot > first, slots.c.slot < current).order_by(slots.c.slot))
    return all(after - before <= MISSED + 1 for before, after in pairwise([first, *passed.scalars(), current]))
