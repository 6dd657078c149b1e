"""A rollback that waits for the last one to show its effect: made when the wait is over and its trigger still fires."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from monitor import events
from monitor.acting import rollback
from monitor.acting.limits import cooling_until
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import actions, alerts
from runbooks.actions import ActionEvent, ActionState, step

_COOLING = actions.c.state == ActionState.COOLING_DOWN.value


def cooled(connection: Connection, settings: Settings, clock: Clock) -> list[str]:
    """Return the waiting actions whose wait is over and whose version fires still; a cheap read.

    One action waits for a version, whoever asks for it: when what asked first is over, another trigger may still ask.
    """
    firing = select(alerts.c.key).where(*_asking(actions.c.policy, actions.c.from_version))
    waiting = select(actions.c.id, actions.c.policy).where(_COOLING, firing.exists()).order_by(actions.c.requested)
    return [
        row.id
        for row in connection.execute(waiting).all()
        if row.policy in settings.policy and cooling_until(connection, settings, clock, row.policy) is None
    ]


def _asking(policy: Any, version: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of an alert that asks for a rollback of a version now."""
    c = alerts.c
    return c.policy == policy, c.version == version, c.state == "firing", c.severity == "rollback", ~c.dry_run


def release(connection: Connection, settings: Settings, clock: Clock, identity: str) -> tuple[str, ...]:
    """Ask again for what waited, inside the caller's write transaction; return the actions that came of it.

    The request is judged afresh: who serves, what was rolled back and the limits may have changed meanwhile.
    """
    row = connection.execute(select(actions).where(actions.c.id == identity, _COOLING)).one_or_none()
    if row is None:
        return ()  # another worker was first, or what asked for it is over
    rollback.locked_route(connection, settings, clock, row.policy)  # first, as whoever moves it does, or both deadlock
    c = alerts.c
    asking = select(c.trigger, c.reason).where(*_asking(row.policy, row.from_version))
    found = connection.execute(asking.order_by(c.trigger != row.trigger, c.since, c.trigger).limit(1)).one_or_none()
    new = step(ActionState.COOLING_DOWN, ActionEvent.SUPERSEDE).value
    here = update(actions).where(actions.c.id == identity, _COOLING).values(state=new)
    if found is None or connection.execute(here).rowcount != 1:
        return ()
    text = f"The wait of the rollback of {row.policy} from {row.from_version} is over, and {found.trigger} fires."
    events.record(connection, clock, "rollback.cooled", row.policy, "checkrein", {"action": identity, "text": text})
    outcome = rollback.request(
        connection,
        settings,
        clock,
        row.policy,
        from_version=row.from_version,
        reason=found.reason,
        trigger=found.trigger,
        actor=row.actor,
        mode="automatic",
    )
    return outcome.actions
