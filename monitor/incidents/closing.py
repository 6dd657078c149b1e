"""How an incident ends: by a person's word or 30 quiet minutes, and never while a rollback of it is unfinished."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from monitor.clock import Clock, stamp
from monitor.incidents.firing import firing
from monitor.incidents.opening import acted
from monitor.incidents.rows import QUIET, IncidentConflictError, move, of, person, possible, unfinished
from monitor.incidents.telling import tell
from monitor.settings import Settings
from monitor.store.tables import actions, alerts, incidents
from runbooks.actions import UNFINISHED
from runbooks.alerts import OPEN, AlertState
from runbooks.incidents import IncidentEvent, IncidentState


def close_quiet(connection: Connection, clock: Clock) -> list[int]:
    """Close incidents in which nothing is unfinished, no paging alert is open, and 30 minutes were quiet.

    An incident never closes while an action of it is unconfirmed, blocked or limited, while it waits for a person
    because no alert shows when it is over, or before anybody was told of it.
    """
    c, before = incidents.c, clock.now() - QUIET
    unfinished_ones = select(actions.c.incident).where(actions.c.incident == c.id, actions.c.state.in_(UNFINISHED))
    paging = select(alerts.c.policy).where(alerts.c.policy == c.policy, alerts.c.severity.in_(("page", "rollback")))
    paging = paging.where(~alerts.c.dry_run)
    lately = (alerts.c.state == AlertState.RESOLVED) & (alerts.c.since > before)
    last = select(func.max(func.coalesce(actions.c.confirmed, actions.c.requested))).where(actions.c.incident == c.id)
    quiet = select(incidents).where(
        c.closed.is_(None),
        ~unfinished_ones.exists(),
        ~paging.where(or_(alerts.c.state.in_(OPEN), lately)).exists(),
        or_(c.asks.is_(None), ~c.asks),
        or_(c.state != IncidentState.TRIGGERED, c.level > 0),
        func.coalesce(last.scalar_subquery(), c.opened) <= before,
        func.coalesce(c.mitigated, c.opened) <= before,
        func.coalesce(c.resolved, c.opened) <= before,
    )
    closed = []
    for found in connection.execute(quiet.order_by(c.id)).all():
        row = found
        if row.state != IncidentState.RESOLVED:
            values = {"resolved": clock.now(), "real_next_escalation": None, "led_by": None}
            text = "Nothing fired for 30 minutes and nothing is unfinished."
            if not move(connection, clock, row, IncidentEvent.RESOLVE, "checkrein", text, values):
                continue
            tell(connection, clock, row, "resolved", f"Incident {row.id} is over: {text}")
            row = of(connection, found.id) or found
        if move(connection, clock, row, IncidentEvent.CLOSE, "checkrein", "It is closed.", {"closed": clock.now()}):
            closed.append(row.id)
    return closed


def resolve(connection: Connection, settings: Settings, clock: Clock, incident: int, by: str) -> bool:
    """Say that an incident is over; False if there is no such. What fires within 30 minutes reopens it.

    Raises
    ------
    IncidentError
        If the name is empty, an action is unfinished, an alert still fires, or it is over already.
    """
    who, row = person(by), of(connection, incident)
    if row is None:
        return False
    possible(row, IncidentEvent.RESOLVE)
    hindered = in_the_way(connection, settings, clock, row)
    if hindered:
        raise IncidentConflictError(hindered)
    values = {"resolved": clock.now(), "resolved_by": who, "real_next_escalation": None, "led_by": None}
    values |= {"asks": False}
    text = f"{who} has resolved incident {incident} at {stamp(clock.now())}."
    if not move(connection, clock, row, IncidentEvent.RESOLVE, who, text, values):
        raise IncidentConflictError(f"incident {incident} moved at the same moment: look again")
    tell(connection, clock, row, "resolved", text)
    return True


def mitigate(connection: Connection, clock: Clock, incident: int, by: str) -> bool:
    """Say that somebody acts: it wakes nobody for 30 minutes; False if there is no such incident.

    That the trouble is mitigated is never said by hand: alerts and the decision log show it.

    Raises
    ------
    IncidentError
        If the name is empty, or the incident is over.
    """
    who, row = person(by), of(connection, incident)
    if row is None:
        return False
    possible(row, IncidentEvent.START_MITIGATION)
    acted(connection, clock, incident, who, anew=True)
    return True


def in_the_way(connection: Connection, settings: Settings, clock: Clock, row: Row[Any]) -> str:
    """Return why an incident cannot be resolved now, "" where nothing is in the way; pages say it beforehand."""
    left = unfinished(connection, row.id)
    if left:
        states = ", ".join(dict.fromkeys(left))
        return (
            f"incident {row.id} cannot be resolved: {len(left)} of its rollbacks are not confirmed ({states});"
            f" see `checkrein status {row.policy}`, then replay or cancel them"
        )
    still = firing(connection, settings, clock, row.policy)
    if still:
        names = ", ".join(dict.fromkeys(alert.trigger for alert in still))
        return f"incident {row.id} cannot be resolved: {names} fires; silence what is known, or wait"
    return ""
