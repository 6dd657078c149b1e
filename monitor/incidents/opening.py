"""How an incident begins, begins again, and gets worse: always in the transaction of what it is about.

Nothing is sent from here. A new or worse incident is due at once (``real_next_escalation``), and the next pass of the
action loop, half a second later at most, tells people everything that came together in one message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from monitor import events
from monitor.clock import Clock
from monitor.incidents.rows import NOBODY, RANK, Incident, answered, current, lately_over, move, of
from monitor.incidents.steps import freeze
from monitor.settings import Settings
from monitor.store.tables import actions, incidents, routes
from monitor.store.tables import events as log
from runbooks.incidents import IncidentEvent, IncidentState, accepting

HOLDS = 1800.0  # real seconds that an acknowledgement lasts unless another time is given
_AGAIN = frozenset({"unconfirmed", "blocked", "dead_letter", "relapsed"})  # somebody who trusted a rollback must know


def open_incident(
    connection: Connection, clock: Clock, policy: str, reason: str, *, severity: str = "rollback", by: str | None = None
) -> Incident:
    """Return the policy's open incident, opening or reopening one if need be; the caller holds the policy's route.

    One that ended less than 30 minutes ago is reopened, whoever ended it: its versions stay what they were rolled back
    for, so that a trouble that returns after a quiet half hour is no way around the rule against ping-pong.

    Parameters
    ----------
    connection, clock, policy
        The open write transaction, the time, and whose trouble.
    reason
        What it is, as a sentence.
    severity
        ``page`` or ``rollback``.
    by
        The person who opens it by acting: a new one is theirs, and wakes nobody until that expires.
    """
    row = current(connection, policy, held=True) or lately_over(connection, clock, policy)
    if row is not None:
        if row.state in accepting(IncidentEvent.REOPEN):
            _reopen(connection, clock, row, reason)
        return Incident(row.id, policy, tuple(json.loads(row.rolled_back)))
    real = clock.real()
    values: dict[str, Any] = {"state": IncidentState.TRIGGERED.value, "real_next_escalation": real}
    if by is not None:
        values = {"state": IncidentState.ACKNOWLEDGED.value, **_held_by(by, real)}
    title = reason.partition(": ")[0][:200]
    values |= {"policy": policy, "opened": clock.now(), "rolled_back": "[]", "reason": reason, "title": title}
    made = insert(incidents).values(**values, severity=severity).returning(incidents.c.id)
    identity = connection.execute(made).scalar_one()
    events.record(connection, clock, "incident.opened", policy, "checkrein", {"incident": identity, "reason": reason})
    return Incident(identity, policy, ())


def add_version(connection: Connection, incident: Incident, version: str) -> None:
    """Note that a version was rolled back in this incident."""
    versions = events.canonical(sorted({*incident.rolled_back, version}))
    connection.execute(update(incidents).where(incidents.c.id == incident.id).values(rolled_back=versions))


def page(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    policy: str,
    *,
    why: str,
    text: str,
    severity: str,
    body: Mapping[str, Any],
) -> int:
    """Record a page and open, reopen or worsen the policy's incident with it; return the incident's number.

    Parameters
    ----------
    connection, settings, clock, policy
        The open write transaction, the configuration, the time, and whose trouble.
    why, text
        A word for machines, and what a tired person must read.
    severity
        ``page`` or ``rollback``; a higher one than the incident's wakes people again.
    body
        More fields of the event. With ``trigger`` the runbook of that trigger is frozen and the incident is over when
        the alert is; without it, and without ``action``, it waits for a person.
    """
    asks = "trigger" not in body and "action" not in body
    identity = _page(connection, clock, policy, why, text, severity, body, asks)
    if isinstance(body.get("trigger"), str):
        keys = body.get("keys") or [None]
        freeze(connection, settings, clock, identity, policy, body["trigger"], body.get("version"), keys[0])
    return identity


def page_person(
    connection: Connection, clock: Clock, policy: str, *, why: str, text: str, body: Mapping[str, Any]
) -> int:
    """Record a page that only a person can end (a verdict, a rollout that is held); return the incident's number."""
    return _page(connection, clock, policy, why, text, "page", body, True)


def _page(
    connection: Connection,
    clock: Clock,
    policy: str,
    why: str,
    text: str,
    severity: str,
    body: Mapping[str, Any],
    asks: bool,
) -> int:
    connection.execute(update(routes).where(routes.c.policy == policy).values(policy=policy))  # one opens, others wait
    opened = open_incident(connection, clock, policy, text, severity=severity)
    events.record(connection, clock, events.PAGE, policy, "checkrein", {**body, "why": why, "text": text})
    rise(connection, clock, opened.id, severity=severity, asks=asks)
    return opened.id


def page_action(connection: Connection, clock: Clock, policy: str, *, why: str, action: str, text: str) -> bool:
    """Record a page about an action, once for each reason, in its incident; False if it is there already.

    That a rollback is not seen to work, was refused or came undone wakes people again, whoever has acknowledged.
    """
    if not events.page(connection, clock, policy, why=why, action=action, text=text):
        return False
    row = current(connection, policy)
    if row is None:
        here = select(actions.c.incident).where(actions.c.id == action)
        identity = connection.execute(here).scalar_one_or_none()
        row = None if identity is None else of(connection, identity)
    if row is None:
        identity = open_incident(connection, clock, policy, text).id
    else:
        identity = row.id
        if row.state in accepting(IncidentEvent.REOPEN):
            _reopen(connection, clock, row, text)
    rise(connection, clock, identity, severity="rollback", again=why in _AGAIN)
    return True


def rise(
    connection: Connection, clock: Clock, identity: int, *, severity: str, again: bool = False, asks: bool = False
) -> None:
    """Note what came to an open incident: what is worse than it was wakes people, anything else is an update.

    Parameters
    ----------
    connection, clock, identity
        The open write transaction, the time, and the incident's number.
    severity
        Of what came.
    again
        It wakes people even if somebody has acknowledged.
    asks
        No alert and no action will show that it is over.
    """
    row = of(connection, identity, held=True)
    if row is None or row.closed is not None:
        return
    worse = RANK[severity] > RANK[row.severity]
    plain: dict[str, Any] = {"severity": severity} if worse else {}
    plain |= {"asks": True} if asks else {}
    real, event = clock.real(), None
    untold = row.state == IncidentState.TRIGGERED and row.level == 0
    if not untold and (worse or again):
        event = IncidentEvent.TRIGGER
    elif row.state == IncidentState.MITIGATED:
        event = IncidentEvent.RESUME if answered(row, real) else IncidentEvent.TRIGGER
    if event is IncidentEvent.TRIGGER:
        level = max(0, row.level - 1) if row.state == IncidentState.TRIGGERED and not worse else 0
        why = f"Incident {row.id} is worse than it was." if worse else "What was said to be done is not."
        values = {**plain, **NOBODY, "level": level, "led_by": None, "mitigated": None, "real_next_escalation": real}
        move(connection, clock, row, event, "checkrein", why, values)
    elif event is not None:
        move(connection, clock, row, event, "checkrein", "It goes on, and is still acknowledged.", plain)
    elif plain:
        connection.execute(update(incidents).where(incidents.c.id == identity).values(**plain))


def acted(connection: Connection, clock: Clock, identity: int, by: str, *, anew: bool = False) -> None:
    """Note that a person acts: an incident that waited for somebody is theirs, until that expires."""
    row = of(connection, identity)
    if row is None or (row.ack_by == by and answered(row, clock.real()) and not anew):
        return  # they have it
    if row.state in accepting(IncidentEvent.START_MITIGATION):
        text = f"{by} acts on incident {identity}."
        values = {**_held_by(by, clock.real()), "real_next_escalation": None, "led_by": None, "mitigated": None}
        move(connection, clock, row, IncidentEvent.START_MITIGATION, by, text, values)


def join(connection: Connection, identity: int, why: str) -> None:
    """Let the incident of the newest page for this reason speak for another one, while it is open itself.

    Twenty policies over one limit are one trouble: their incidents are there, one of them wakes people.
    """
    c = log.c
    paged = select(c.policy).where(c.kind == events.PAGE, c.body.contains(f'"why":{events.canonical(why)}'))
    policy = connection.execute(paged.order_by(c.id.desc()).limit(1)).scalar_one_or_none()
    leader = None if policy is None else current(connection, policy)
    if leader is None or leader.state == IncidentState.RESOLVED:
        return
    if identity not in (leader.id, leader.led_by):  # one that waits for itself would wake nobody, ever
        here = (incidents.c.id == identity) & (incidents.c.level == 0)
        speaks = update(incidents).where(here, incidents.c.state == IncidentState.TRIGGERED.value)
        connection.execute(speaks.values(led_by=leader.led_by or leader.id))


def _reopen(connection: Connection, clock: Clock, row: Row[Any], reason: str) -> None:
    fresh: dict[str, Any] = {"level": 0, "closed": None, "resolved": None, "resolved_by": None, "mitigated": None}
    fresh |= {"reopened": row.reopened + 1, "led_by": None, "real_next_escalation": clock.real(), **NOBODY}
    move(connection, clock, row, IncidentEvent.REOPEN, "checkrein", f"It is back: {reason}", fresh)


def _held_by(by: str, real: float) -> dict[str, Any]:
    return {"ack_by": by, "real_acked": real, "real_ack_expires": real + HOLDS}
