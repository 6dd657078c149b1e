"""A rollback that waits for the last one to show its effect: made when the wait is over and its trigger still fires."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from monitor import events
from monitor.acting import rollback
from monitor.acting.limits import cooling_until
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import actions, alerts
from runbooks.actions import ActionEvent, ActionState, step

_COOLING = actions.c.state == ActionState.COOLING_DOWN.value


def cooled(connection: Connection, settings: Settings, clock: Clock) -> list[str]:
    """Return the waiting actions whose wait is over and whose trigger fires still; a cheap read."""
    c = alerts.c
    firing = select(c.key).where(
        c.policy == actions.c.policy,
        c.version == actions.c.from_version,
        c.trigger == actions.c.trigger,
        c.state == "firing",
    )
    waiting = select(actions.c.id, actions.c.policy).where(_COOLING, firing.exists()).order_by(actions.c.requested)
    return [
        row.id
        for row in connection.execute(waiting).all()
        if row.policy in settings.policy and cooling_until(connection, settings, clock, row.policy) is None
    ]


def release(connection: Connection, settings: Settings, clock: Clock, identity: str) -> tuple[str, ...]:
    """Ask again for what waited, inside the caller's write transaction; return the actions that came of it.

    The request is judged afresh: who serves, what was rolled back and the limits may have changed meanwhile.
    """
    new = step(ActionState.COOLING_DOWN, ActionEvent.SUPERSEDE).value
    here = update(actions).where(actions.c.id == identity, _COOLING).values(state=new)
    row = connection.execute(here.returning(*actions.c)).one_or_none()
    if row is None:
        return ()  # another worker was first, or what asked for it is over
    text = f"The wait of the rollback of {row.policy} from {row.from_version} is over, and {row.trigger} still fires."
    events.record(connection, clock, "rollback.cooled", row.policy, "checkrein", {"action": identity, "text": text})
    outcome = rollback.request(
        connection,
        settings,
        clock,
        row.policy,
        from_version=row.from_version,
        reason=row.reason,
        trigger=row.trigger,
        actor=row.actor,
        mode="automatic",
    )
    return outcome.actions
