"""Incidents as people read them: who has one, what was done, what comes next, and who is on call."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, select

from monitor.clock import stamp
from monitor.incidents.rows import of
from monitor.incidents.saying import shown
from monitor.incidents.timeline import timeline
from monitor.store.tables import incident_followups, incident_notes, incident_steps
from monitor.store.tables import incidents as table

MOST = 200


def incidents(connection: Connection, policy: str | None = None, *, every: bool = False) -> list[dict[str, Any]]:
    """Return incidents that are not closed, newest first; with ``every`` the newest 200 of all."""
    found = select(table).order_by(table.c.id.desc()).limit(MOST)
    if policy is not None:
        found = found.where(table.c.policy == policy)
    if not every:
        found = found.where(table.c.closed.is_(None))
    return [shown(row) for row in connection.execute(found).all()]


def incident(connection: Connection, identity: int) -> dict[str, Any] | None:
    """Return one incident with its timeline, the steps of its frozen runbooks, notes and follow-ups; None if none."""
    row = of(connection, identity)
    if row is None:
        return None
    return {
        **shown(row),
        "steps": [_step(step) for step in _rows(connection, incident_steps, identity, "number")],
        "notes": [_stamped(note, "at") for note in _rows(connection, incident_notes, identity, "id")],
        "follow_ups": [_stamped(one, "due", "made", "done") for one in _rows(connection, incident_followups, identity)],
        "timeline": timeline(connection, row),
    }


def _step(row: Row[Any]) -> dict[str, Any]:
    names = ("number", "trigger", "page_sha256", "kind", "text", "expect", "on_timeout", "within", "state", "actor")
    evidence = None if row.evidence is None else json.loads(row.evidence)
    deadline = None if row.real_deadline is None else stamp(row.real_deadline)
    told = {name: getattr(row, name) for name in names}
    at = None if row.at is None else stamp(row.at)
    return {**told, "deadline": deadline, "at": at, "evidence": evidence, "evidence_sha256": row.evidence_sha256}


def _rows(connection: Connection, of_table: Any, identity: int, order: str = "id") -> list[Row[Any]]:
    found = select(of_table).where(of_table.c.incident == identity).order_by(of_table.c[order])
    return list(connection.execute(found).all())


def _stamped(row: Row[Any], *times: str) -> dict[str, Any]:
    told = dict(row._mapping)
    return {**told, **{name: None if told[name] is None else stamp(told[name]) for name in times}}
