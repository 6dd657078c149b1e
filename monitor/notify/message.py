"""A message to people, and the rows with which it is queued: one a channel, sent until it is delivered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select

from monitor.clock import Clock
from monitor.events import canonical
from monitor.store.tables import notifications

Kind = Literal["page", "update", "acknowledged", "resolved", "digest", "test"]


@dataclass(frozen=True)
class Message:
    """What one notification says; every channel renders the same fields.

    Parameters
    ----------
    kind
        ``page`` wakes somebody; ``update``, ``acknowledged`` and ``resolved`` go on with a page that was sent;
        ``digest`` waits for office hours; ``test`` was asked for by a person.
    policy, severity
        Whose it is ("" = of all policies), and how bad (info | warn | page | rollback).
    title, text
        A line, and what a tired person must read.
    dedup
        Messages of one trouble share it: it carries the incident's number, so that a later trouble is another one.
    incident, level
        The incident's number, None where there is none, and the level of its escalation.
    link
        Path under this server that shows it.
    drill
        Made by a drill: it goes to the drill's own recipients and says so.
    details
        More fields for machines.
    at, started
        When it was queued, and when the first message of its trouble was, in event time; ``enqueue`` fills them in.
    """

    kind: Kind
    policy: str
    severity: str
    title: str
    text: str
    dedup: str
    incident: int | None = None
    level: int = 0
    link: str = ""
    drill: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0
    started: float = 0.0


def parsed(body: str) -> Message:
    """Return the message of a notification's body; what a newer version wrote beside it is left out.

    >>> parsed('{"kind": "test", "policy": "", "severity": "info", "title": "T", "text": "t", "dedup": "d"}').kind
    'test'
    """
    told = json.loads(body)
    return Message(**{name: told[name] for name in Message.__dataclass_fields__ if name in told})


def enqueue(connection: Connection, clock: Clock, channels: Iterable[str], message: Message) -> tuple[str, ...]:
    """Queue a message for each channel inside the caller's write transaction; return the notifications' ids.

    Parameters
    ----------
    connection, clock
        The open write transaction and the time.
    channels
        Names of ``[notify.NAME]`` tables; a name twice is one message.
    message
        What is said.
    """
    rows = [_row(connection, clock, channel, message) for channel in dict.fromkeys(channels)]
    if rows:
        connection.execute(insert(notifications), rows)
    return tuple(row["id"] for row in rows)


def _row(connection: Connection, clock: Clock, channel: str, message: Message) -> dict[str, Any]:
    c, now, real = notifications.c, clock.now(), clock.real()
    before = select(func.count(), func.max(c.place), func.min(c.requested))
    count, last, first = connection.execute(before.where(c.channel == channel, c.dedup == message.dedup)).one()
    told = replace(message, at=now, started=first if count else now)
    return {
        "id": f"ntf_{uuid.uuid4().hex}",
        "channel": channel,
        "policy": message.policy,
        "incident": message.incident,
        "kind": message.kind,
        "dedup": message.dedup,
        "drill": message.drill,
        "body": canonical({**vars(told), "details": dict(told.details)}),
        "state": "pending",
        "requested": now,
        "real_requested": real,
        "place": last + 1 if count else 0,
        "attempts": 0,
        "reached": "[]",
        "fence": 0,
        "real_due": real,
    }
