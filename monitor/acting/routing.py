"""Moving a route: one step of the generation, and what older generations still had to do is superseded."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, update

from monitor.clock import Clock
from monitor.events import canonical
from monitor.settings import Settings
from monitor.store.tables import actions, routes
from runbooks.actions import ActionEvent, ActionState, accepting


def move(
    connection: Connection,
    clock: Clock,
    policy: str,
    generation: int,
    serving: str,
    split: Mapping[str, float],
    reason: str,
) -> int:
    """Move a route that the caller has locked, and return its new generation.

    Absolute and fenced: what is written is who serves, under one generation more than the caller read. Rollbacks and
    rollouts share it, so that neither can overlook what the other still had to do.

    Parameters
    ----------
    connection, clock, policy
        The open write transaction, the time, and whose route.
    generation
        The one that the caller read under its lock.
    serving, split
        The trusted version, and each version's share.
    reason
        Why, a sentence.

    Raises
    ------
    RuntimeError
        If the route moved although it was locked.
    """
    new = generation + 1
    moved = connection.execute(
        update(routes)
        .where(routes.c.policy == policy, routes.c.generation == generation)
        .values(serving=serving, split=canonical(dict(split)), generation=new, changed=clock.now(), reason=reason)
    )
    if moved.rowcount != 1:
        raise RuntimeError(f"the route of {policy} moved past generation {generation} although it was locked")
    connection.execute(
        update(actions)
        .where(actions.c.policy == policy, actions.c.generation < new)
        .where(actions.c.state.in_(accepting(ActionEvent.SUPERSEDE)))
        .values(state=ActionState.SUPERSEDED.value, real_due=None, real_lease=None)
    )
    return new


def hooks_of(settings: Settings, policy: str) -> list[str]:
    """Return the hooks that are told of a policy; one without a name where there is none: the route is the message."""
    return [name for name, hook in settings.hook.items() if not hook.policies or policy in hook.policies] or [""]
