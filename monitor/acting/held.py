"""A rollback that was held back (no version left, a limit, a wait): shown while what asked for it lasts, over with it.

Nothing was sent and no route moved, so that there is nothing to confirm; a person was paged and looks for the cause.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, or_, select, update

from monitor import events
from monitor.clock import Clock
from monitor.store.tables import actions, alerts
from runbooks.actions import ActionState
from runbooks.alerts import OPEN

_WITHOUT_TARGET = (actions.c.state == ActionState.BLOCKED.value, actions.c.to_version == "")
_WAITING = actions.c.state.in_((ActionState.LIMITED, ActionState.COOLING_DOWN))


def without_target(connection: Connection) -> set[tuple[str, str]]:
    """Return (policy, version) where a trigger asks for a rollback and no version is left to go to."""
    found = connection.execute(select(actions.c.policy, actions.c.from_version).where(*_WITHOUT_TARGET))
    return {(row.policy, row.from_version) for row in found}


def let_go(connection: Connection, clock: Clock, policy: str, version: str) -> list[str]:
    """Cancel what was held for a version once no rollback trigger of it is open; inside the caller's transaction.

    Called after alerts were written. Against leaving it to a person: a page whose cause is gone, which stays red until
    somebody cancels it, teaches people to look away. Returns the ids.
    """
    c = alerts.c
    asking = (c.policy == policy, c.version == version, c.severity == "rollback", c.state.in_(OPEN))
    if connection.execute(select(c.trigger).where(*asking).limit(1)).first() is not None:
        return []
    here = (actions.c.policy == policy, actions.c.from_version == version, or_(and_(*_WITHOUT_TARGET), _WAITING))
    new = ActionState.CANCELLED.value
    gone = connection.execute(
        update(actions).where(*here).values(state=new).returning(actions.c.id, actions.c.to_version)
    )
    found = gone.all()
    for row in found:
        why = "it was held back" if row.to_version else "there was no version left to go to"
        text = f"What asked for a rollback of {version} is over; {why}."
        body = {"action": row.id, "from_version": version, "text": text}
        events.record(connection, clock, "action.cancelled", policy, "checkrein", body)
    return [row.id for row in found]
