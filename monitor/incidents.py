"""Incidents: one trouble of one policy, and the versions that were rolled back in it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from monitor import events
from monitor.clock import Clock
from monitor.store.tables import actions, alerts, incidents
from runbooks.actions import UNFINISHED
from runbooks.alerts import OPEN

QUIET = 1800.0  # a firing within 30 minutes of the last confirmation belongs to the same incident


@dataclass(frozen=True)
class Incident:
    """An open incident; the versions rolled back in it are never a target again."""

    id: int
    policy: str
    rolled_back: tuple[str, ...]


def open_incident(connection: Connection, clock: Clock, policy: str, reason: str) -> Incident:
    """Return the policy's open incident, opening one if there is none; the caller holds the policy's route."""
    row = connection.execute(
        select(incidents.c.id, incidents.c.rolled_back)
        .where(incidents.c.policy == policy, incidents.c.closed.is_(None))
        .order_by(incidents.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is not None:
        return Incident(row.id, policy, tuple(json.loads(row.rolled_back)))
    made = insert(incidents).values(policy=policy, opened=clock.now(), rolled_back="[]", reason=reason)
    identity = connection.execute(made.returning(incidents.c.id)).scalar_one()
    events.record(connection, clock, "incident.opened", policy, "checkrein", {"incident": identity, "reason": reason})
    return Incident(identity, policy, ())


def add_version(connection: Connection, incident: Incident, version: str) -> None:
    """Note that a version was rolled back in this incident."""
    versions = events.canonical(sorted({*incident.rolled_back, version}))
    connection.execute(update(incidents).where(incidents.c.id == incident.id).values(rolled_back=versions))


def close_quiet(connection: Connection, clock: Clock) -> list[int]:
    """Close incidents in which nothing is unfinished, no paging alert is open, and 30 minutes were quiet.

    An incident never closes while an action of it is unconfirmed, blocked or limited.
    """
    unfinished = select(actions.c.incident).where(actions.c.incident == incidents.c.id)
    unfinished = unfinished.where(actions.c.state.in_(UNFINISHED))
    troubled = select(alerts.c.policy).where(alerts.c.policy == incidents.c.policy, alerts.c.state.in_(OPEN))
    troubled = troubled.where(alerts.c.severity.in_(("page", "rollback")), ~alerts.c.dry_run)
    last = select(func.max(func.coalesce(actions.c.confirmed, actions.c.requested)))
    last = last.where(actions.c.incident == incidents.c.id)
    closed = connection.execute(
        update(incidents)
        .where(incidents.c.closed.is_(None), ~unfinished.exists(), ~troubled.exists())
        .where(func.coalesce(last.scalar_subquery(), incidents.c.opened) <= clock.now() - QUIET)
        .values(closed=clock.now())
        .returning(incidents.c.id, incidents.c.policy)
    ).all()
    for row in closed:
        events.record(connection, clock, "incident.closed", row.policy, "checkrein", {"incident": row.id})
    return [row.id for row in closed]
