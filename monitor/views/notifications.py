"""Who was told what, through which channel, and what could not be told: the messages, and alerts from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from monitor import events
from monitor.clock import Clock, stamp
from monitor.notify import foreign
from monitor.notify.channels import channels_of
from monitor.notify.outbox import troubled, waiting
from monitor.settings import Settings
from monitor.store.tables import events as happened
from monitor.store.tables import notifications as messages
from runbooks.messages import WAITING, MessageState

NEWEST = 500  # of those that are finished
RECENT = 7 * 86400.0  # a page that reached nobody is a finding for so long
_SHOWN = ("id", "channel", "policy", "incident", "kind", "dedup", "drill", "state", "attempts", "last_error")
_WORDS = {
    "pending": "waits to be sent",
    "in_flight": "is being sent",
    "delivered": "was delivered",
    "dead_letter": "could not be delivered: replay or cancel it",
    "cancelled": "was cancelled",
}


def notifications(
    connection: Connection, policy: str | None = None, *, incident: int | None = None, every: bool = True
) -> list[dict[str, Any]]:
    """Return messages, newest first; without ``every`` those that are on their way or need a person."""
    c = messages.c
    found = select(messages).order_by(c.real_requested.desc(), c.id).limit(NEWEST if every else None)
    if policy is not None:
        found = found.where(c.policy == policy)
    if incident is not None:
        found = found.where(c.incident == incident)
    if not every:
        found = found.where(c.state.in_([*WAITING, MessageState.DEAD_LETTER]))
    return [_told(row) for row in connection.execute(found)]


def of_identities(connection: Connection, identities: Sequence[str]) -> list[dict[str, Any]]:
    """Return the named messages; what is not there is left out."""
    return [_told(row) for row in connection.execute(select(messages).where(messages.c.id.in_(list(identities))))]


def foreign_alerts(connection: Connection, policy: str | None = None, *, every: bool = False) -> list[dict[str, Any]]:
    """Return the alerts that other Alertmanagers told of, newest first; without ``every`` those that fire."""
    return [
        {
            **{name: row[name] for name in ("fingerprint", "status", "policy", "name", "labels", "annotations")},
            **{name: row[name] for name in ("generator_url", "receiver")},
            "starts": stamp(row["starts"]),
            "ends": None if row["ends"] is None else stamp(row["ends"]),
            "last_seen": stamp(row["last_seen"]),
        }
        for row in foreign.shown(connection, policy, every=every)
    ]


def telling(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return how telling people about a policy stands: its channels, and the findings, a sentence each."""
    c = messages.c
    channels = channels_of(settings, policy)
    dead = select(c.channel, func.count().label("number"), func.max(c.last_error).label("error"))
    dead = dead.where(troubled(), c.policy.in_([policy, ""])).group_by(c.channel).order_by(c.channel)
    findings = [
        f"{row.number} message{'s' * (row.number > 1)} to {row.channel} could not be delivered and "
        f"wait{'s' * (row.number == 1)} for a person; `checkrein notify list`. {row.error or ''}".strip()
        for row in connection.execute(dead)
    ]
    if not channels:
        h = happened.c
        paged = select(func.count()).where(h.policy == policy, h.kind == events.PAGE, h.at > clock.now() - RECENT)
        if connection.execute(paged).scalar_one():
            findings.append(f"Pages of {policy} reach nobody: configure a channel, [notify.NAME], and test it.")
    oldest = select(func.min(c.real_requested)).where(waiting(), c.policy.in_([policy, ""]))
    since = connection.execute(oldest).scalar_one()
    age = None if since is None else round(max(0.0, clock.real() - since), 3)
    return {"channels": list(channels), "findings": findings, "oldest_waiting_s": age}


def _told(row: Any) -> dict[str, Any]:
    said = json.loads(row.body)
    return {
        **{name: getattr(row, name) for name in _SHOWN},
        "title": said["title"],
        "text": said["text"],
        "severity": said["severity"],
        "level": said["level"],
        "requested": stamp(row.requested),
        "delivered": None if row.real_delivered is None else stamp(row.real_delivered),
        "reached": json.loads(row.reached),
        "sentence": f"The {row.kind} to {row.channel} {_WORDS[row.state]}.",
    }
