"""Confirmed is watched: a version that takes decisions again after its rollback was confirmed is a finding, paged."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from monitor import events, incidents
from monitor.acting.shares import latest
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import actions, routes
from runbooks.actions import ActionEvent, ActionState, step


def relapsed(connection: Connection, clock: Clock, settings: Settings) -> list[str]:
    """Return the confirmed actions of the route's present generation whose old version decides again.

    As many windows in a row as confirm a rollback must be over its tolerance: a straggler or two is no relapse.
    """
    found = []
    confirmed = select(actions).join(
        routes, (routes.c.policy == actions.c.policy) & (routes.c.generation == actions.c.generation)
    )
    wanted = confirmed.where(actions.c.state == ActionState.CONFIRMED.value, actions.c.kind == "rollback")
    for action in connection.execute(wanted).all():
        policy = settings.policy.get(action.policy)
        if policy is None:
            continue
        newest = latest(connection, clock, action, action.confirmed, policy.confirm, policy.lateness)
        if newest and not any(window.clean for window in newest):
            found.append(action.id)
    return found


def reopen(connection: Connection, clock: Clock, identity: str) -> bool:
    """Make a relapsed action unconfirmed again, due at once under the same id, and page; False if it moved on."""
    new = step(ActionState.CONFIRMED, ActionEvent.RELAPSE).value
    row = connection.execute(
        update(actions)
        .where(actions.c.id == identity, actions.c.state == ActionState.CONFIRMED.value)
        .values(state=new, confirmed=None, real_confirmed=None, real_due=clock.real(), acknowledged=clock.now())
        .returning(*actions.c)
    ).one_or_none()
    if row is None:
        return False
    text = f"{row.from_version} of {row.policy} takes decisions again, although its rollback to {row.to_version} "
    text += f"(generation {row.generation}) was confirmed. It is sent again; find out who serves {row.from_version}."
    body = {"action": identity, "generation": row.generation, "from_version": row.from_version, "text": text}
    events.record(connection, clock, "action.relapsed", row.policy, "checkrein", body)
    incidents.page_action(connection, clock, row.policy, why="relapsed", action=identity, text=text)
    return True
