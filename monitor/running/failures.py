"""Jobs that fail: a sign of life of their own, beside the one of having worked, until they work again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select

from monitor.clock import Clock
from monitor.store.database import Database
from monitor.store.tables import heartbeats

FAILED = "failed:"  # begins the part under which a job's failure is kept


def works_again(connection: Connection, job: str) -> None:
    """Forget that a job failed: it has done its work since."""
    connection.execute(delete(heartbeats).where(heartbeats.c.part == f"{FAILED}{job}"))


def worked(database: Database, job: str) -> None:
    """Forget it in a transaction of its own."""
    with database.begin() as connection:
        works_again(connection, job)


def failing(connection: Connection, clock: Clock, policy: str) -> list[dict[str, Any]]:
    """Return the jobs of a policy, and of all policies together, that failed and have not worked since.

    Parameters
    ----------
    connection, clock
        Where the signs of life are, and what time it is.
    policy
        Whose jobs.
    """
    found = []
    for row in connection.execute(select(heartbeats).where(heartbeats.c.part.startswith(FAILED, autoescape=True))):
        job = row.part.removeprefix(FAILED)
        _name, colon, whose = job.partition(":")
        if not colon or whose == policy:
            found.append({"job": job, "age_s": round(clock.real() - row.real_at, 3), "why": row.note})
    return sorted(found, key=lambda item: item["job"])
