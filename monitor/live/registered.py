"""Since when a candidate counts: from the newest decision that was there when it was first seen."""

from __future__ import annotations

import math

from sqlalchemy import Connection, select

from monitor.bucketing.buckets import HOUR
from monitor.store.database import Database, insert_new
from monitor.store.tables import candidates, policies
from monitor.summaries.plan import Plan


def register(database: Database, policy: str, plan: Plan) -> None:
    """Note candidates that were not there before, each by its fingerprint.

    Called before rows are counted with a new plan, so that what a candidate is judged on are decisions that nobody had
    when it was made. A file that comes back goes on where it was. In event time, because a log may be years old.
    """
    now = set(zip(plan.candidates, plan.scored_by, strict=True))
    if not now:
        return
    with database.read() as connection:
        new = sorted(now - set(since(connection, policy)))
        last = connection.execute(select(policies.c.last_ts).where(policies.c.policy == policy)).scalar_one_or_none()
    begin = 0.0 if last is None else math.ceil(last / HOUR) * float(HOUR)
    rows = [{"policy": policy, "candidate": name, "fingerprint": by, "since": begin} for name, by in new]
    if rows:
        with database.begin() as connection:
            insert_new(connection, candidates, rows)


def since(connection: Connection, policy: str) -> dict[tuple[str, str], float]:
    """Return (candidate, fingerprint) -> event time from which it counts, of all that ever were registered."""
    found = select(candidates.c.candidate, candidates.c.fingerprint, candidates.c.since)
    rows = connection.execute(found.where(candidates.c.policy == policy))
    return {(row.candidate, row.fingerprint): row.since for row in rows}
