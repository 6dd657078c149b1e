"""What people are told of an incident: one message carries everything since the last one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from monitor import events
from monitor.clock import Clock
from monitor.notify import Message, enqueue
from monitor.notify.message import Kind
from monitor.store.tables import events as log
from monitor.store.tables import incidents, notifications

EVERY = 300.0  # real seconds between two updates: who is awake already reads, and is not woken by each line
_MARGIN = 60.0  # event seconds: what opened the incident was recorded just before it
_NEWS = (events.PAGE, "rollback.requested", "rollback.blocked", "rollback.limited", "incident.mitigated")
_MOST = 10


def news(connection: Connection, row: Row[Any]) -> tuple[list[str], int]:
    """Return what happened to an incident since its last message, oldest first, and the newest event of it."""
    c = log.c
    found = connection.execute(select(c.id, c.kind, c.body).where(*_since(row)).order_by(c.id)).all()
    said = dict.fromkeys(_sentence(json.loads(one.body)) for one in found)
    return [text for text in said if text][-_MOST:], found[-1].id if found else row.told


def anything(connection: Connection, row: Row[Any]) -> bool:
    """Whether something happened since the last message; a cheap look for every pass."""
    return connection.execute(select(log.c.id).where(*_since(row)).limit(1)).first() is not None


def _since(row: Row[Any]) -> tuple[ColumnElement[bool], ...]:
    """Of an incident that nobody was told of, by time; then by number, which no clock that is set back moves."""
    c = log.c
    after = c.id > row.told if row.told else c.at >= row.opened - _MARGIN
    return c.policy == row.policy, after, c.kind.in_(_NEWS)


def tell(
    connection: Connection,
    clock: Clock,
    row: Row[Any],
    kind: Kind,
    text: str = "",
    *,
    channels: Iterable[str] | None = None,
    level: int | None = None,
    levels: int = 0,
) -> int:
    """Queue one message about an incident, with what is new; return to how many channels.

    Parameters
    ----------
    connection, clock, row
        The open write transaction, the time, and the incident.
    kind
        Of the message. Pages and updates carry what is new; the others end or answer what was sent.
    text
        What is said first.
    channels
        Where to; None is wherever it was told before.
    level, levels
        Of the escalation, and how many it has.
    """
    wakes = kind in {"page", "update"}
    said, newest = news(connection, row) if wakes else ([], row.told)
    lines = [text, *said] if said or text else [row.reason]
    others = _led(connection, row.id) if wakes else []
    if others:
        shown = ", ".join(f"{one.policy} (incident {one.id})" for one in others[:_MOST])
        lines.append(f"{len(others)} more wait with it: {shown}{' and others' if len(others) > _MOST else ''}.")
    if kind == "page":
        lines.append(f"Acknowledge with `checkrein incident ack {row.id} --by NAME`.")
    shown_level = row.level if level is None else level
    message = Message(
        kind=kind,
        policy=row.policy,
        severity=row.severity,
        title=f"{row.policy}: {row.title or row.reason}"[:250],
        text="\n".join(line for line in lines if line),
        dedup=f"incident-{row.id}",
        incident=row.id,
        level=shown_level,
        link=f"/incident/{row.id}",
        details={"state": row.state, "opened": row.opened, "reopened": row.reopened, "levels": levels},
    )
    named = told(connection, row.id) if channels is None else list(dict.fromkeys(channels))
    enqueue(connection, clock, named, message)
    if wakes:
        here = update(incidents).where(incidents.c.id == row.id)
        connection.execute(here.values(told=newest, real_told=clock.real()))
    return len(named)


def told(connection: Connection, identity: int) -> list[str]:
    """Return the channels that were told of an incident."""
    c = notifications.c
    found = select(c.channel).where(c.incident == identity, c.kind.in_(("page", "update"))).distinct()
    return list(connection.execute(found.order_by(c.channel)).scalars())


def _led(connection: Connection, identity: int) -> Sequence[Row[Any]]:
    c = incidents.c
    led = select(incidents).where(c.led_by == identity, c.closed.is_(None)).order_by(c.id)
    found: Sequence[Row[Any]] = connection.execute(led).all()
    return found


def _sentence(body: dict[str, Any]) -> str:
    if "text" in body:
        return str(body["text"])
    if "to_version" in body:
        moved = f"{body['from_version']} -> {body['to_version']}, generation {body['generation']}"
        return f"Rollback {moved}: {body['reason']}"
    return str(body.get("reason", ""))
