"""Incidents as the pages show them: who has one, what happens next and when, and why it cannot be over yet."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, or_, select

from monitor.clock import Clock
from monitor.incidents import auditor, closing, escalation
from monitor.incidents.rows import answered, of
from monitor.incidents.saying import shown
from monitor.settings import Settings
from monitor.store.tables import incidents as table
from monitor.views import why
from monitor.views.acting import acted
from monitor.views.incidents import incident
from monitor.views.notifications import notifications, telling
from monitor.why.told import newest
from runbooks.incidents import ACTIVE, ANSWERED, TABLE, IncidentState

RECENT = 30 * 86400.0  # event seconds for which one that is over is listed
_BEFORE = 3600.0  # a signal is explained before it has become an incident
_ENDED = {
    IncidentState.MITIGATED: "It closes after 30 quiet minutes, and goes on if it fires again.",
    IncidentState.RESOLVED: "It closes after 30 quiet minutes; what fires until then reopens it.",
}


def duty(connection: Connection, settings: Settings, clock: Clock) -> list[dict[str, Any]]:
    """Return incidents, newest first: those that are not closed, and those that were open in the last 30 days."""
    c = table.c
    listed = select(table).where(or_(c.closed.is_(None), c.closed > clock.now() - RECENT)).order_by(c.id.desc())
    return [_told(settings, clock, row) for row in connection.execute(listed).all()]


def held(connection: Connection, settings: Settings, clock: Clock) -> dict[str, dict[str, Any]]:
    """Return the newest incident of each policy that is not closed."""
    opened = select(table).where(table.c.closed.is_(None)).order_by(table.c.id)
    return {row.policy: _told(settings, clock, row) for row in connection.execute(opened).all()}


def desk(connection: Connection, settings: Settings, clock: Clock, number: int) -> dict[str, Any] | None:
    """Return all that the page of one incident shows; None if there is no such.

    Beside what ``incident`` returns: ``next`` and ``expired``, ``may`` (events that can happen to it now), ``hindered``
    (why it cannot be resolved), ``actions`` with their steps, ``why``, ``messages``.
    """
    row, found = of(connection, number), incident(connection, number)
    if row is None or found is None:
        return None
    open_ = row.state not in {IncidentState.RESOLVED, IncidentState.CLOSED}
    return {
        **found,
        **_told(settings, clock, row),
        "may": sorted(event.value for state, event in TABLE if state == row.state),
        "hindered": closing.in_the_way(connection, settings, clock, row) if open_ else "",
        "actions": [one for one in acted(connection, row.policy) if one["incident"] == number],
        "why": _why(connection, row),
        "messages": notifications(connection, incident=number),
    }


def wrong(connection: Connection, settings: Settings, clock: Clock) -> list[str]:
    """Return what the auditor finds, and whom pages do not reach: a sentence each, once, of all policies."""
    found = [one.text for one in auditor.findings(connection, settings, clock)]
    for policy in settings.policy:
        found += telling(connection, settings, clock, policy)["findings"]
    return list(dict.fromkeys(found))


def _told(settings: Settings, clock: Clock, row: Row[Any]) -> dict[str, Any]:
    """Return an incident with ``since`` (event seconds), ``until`` and ``next`` (``at`` in seconds of real time)."""
    expired = row.state in ANSWERED and not answered(row, clock.real())
    known = {"since": row.opened, "until": row.real_ack_expires, "expired": expired, "active": row.state in ACTIVE}
    return {**shown(row), **known, "next": _next(settings, clock, row)}


def _next(settings: Settings, clock: Clock, row: Row[Any]) -> dict[str, Any]:
    if row.state in ANSWERED:
        return {"text": "If it is not over then, it wakes level 1 again", "at": row.real_ack_expires}
    if row.state == IncidentState.TRIGGERED and row.led_by is not None:
        return {"text": f"Incident {row.led_by} wakes people for both.", "at": None}
    if row.state == IncidentState.TRIGGERED:
        levels = escalation.rungs(settings, row)
        level = min(row.level + 1, len(levels))
        reached = escalation.targets(settings, clock, row.policy, levels[level - 1].notify)
        again = " again" if row.level >= len(levels) else ""
        who = f"{', '.join(reached)}: level {level} of {len(levels)} is woken{again}" if reached else ""
        nobody = f"Level {level} of {len(levels)} reaches nobody: configure a channel, [notify.NAME]. It is due"
        at = row.real_next_escalation
        return {"text": who or nobody, "at": clock.real() if at is None else at}
    return {"text": _ENDED.get(IncidentState(row.state), ""), "at": None}


def _why(connection: Connection, row: Row[Any]) -> dict[str, Any] | None:
    """Return what was told of the incident's firings: the newest that says whether going back helps, else the newest.

    One answer an incident: its firings are one trouble, and a person who reads it three times misses the next line.
    """
    ended = row.closed if row.closed is not None else float("inf")
    told = [
        one
        for several in newest(connection, row.policy).values()
        for one in several
        if row.opened - _BEFORE <= one["fired"] <= ended
    ]
    told.sort(key=lambda one: (bool(one["help"]), one["fired"]))
    return why.shown(told[-1]) if told else None
