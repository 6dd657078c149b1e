"""Pausing, going on, and aborting a rollout: one person, one step; an abort works in every phase."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row

from monitor.acting import rollback
from monitor.clock import Clock
from monitor.rollouts.hold import sealed_of
from monitor.rollouts.store import RolloutError, change, of_identity, plan_of
from monitor.settings import Settings
from runbooks.machine import UnknownTransitionError
from runbooks.rollouts import TERMINAL, RolloutEvent


def pause(connection: Connection, settings: Settings, clock: Clock, identity: int, reason: str, actor: str) -> Row[Any]:
    """Stop a rollout's clock; its share stays.

    Raises
    ------
    RolloutError
        If there is none, or it cannot be paused where it stands.
    """
    row = _locked(connection, settings, clock, identity)
    return _moved(connection, clock, row, RolloutEvent.PAUSE, reason, actor, paused=sealed_of(connection, row.policy))


def resume(
    connection: Connection, settings: Settings, clock: Clock, identity: int, reason: str, actor: str
) -> Row[Any]:
    """Go on with a paused rollout: its share is looked at anew, and what was decided meanwhile is no hold.

    Raises
    ------
    RolloutError
        If there is none, or it is not paused.
    """
    row = _locked(connection, settings, clock, identity)
    meanwhile = max(0.0, sealed_of(connection, row.policy) - (row.paused or 0.0))
    idle = row.idle + (0.0 if row.begin is None else meanwhile)
    return _moved(connection, clock, row, RolloutEvent.RESUME, reason, actor, paused=None, idle=idle)


def abort(connection: Connection, settings: Settings, clock: Clock, identity: int, reason: str, actor: str) -> Row[Any]:
    """End a rollout; where its candidate has traffic, the incumbent takes all of it again, in the same transaction.

    Raises
    ------
    RolloutError
        If there is none, it has ended, or its candidate has traffic and the policy is not configured any more.
    """
    row = _locked(connection, settings, clock, identity)
    row = _moved(connection, clock, row, RolloutEvent.ABORT, reason, actor)
    if row.policy not in settings.policy and row.stage >= 0 and plan_of(row).stages[row.stage] > 0:
        raise RolloutError(
            "conflict",
            f"{row.policy} is not configured any more, so that nobody could be told that {row.candidate} loses its "
            "traffic: put it back into checkrein.toml, then abort",
        )
    if row.policy in settings.policy:
        route = rollback.locked_route(connection, settings, clock, row.policy)
        if json.loads(route.split).get(row.candidate, 0.0) > 0 and route.serving != row.candidate:
            rollback.request(
                connection, settings, clock, row.policy,
                from_version=row.candidate, to_version=row.incumbent, reason=reason, trigger="abort", actor=actor,
                mode="manual",
            )  # fmt: skip
            return of_identity(connection, identity)
    return _moved(connection, clock, row, RolloutEvent.STOPPED, reason, actor)


def _locked(connection: Connection, settings: Settings, clock: Clock, identity: int) -> Row[Any]:
    row = of_identity(connection, identity)
    if row.policy in settings.policy:
        rollback.locked_route(connection, settings, clock, row.policy)
        row = of_identity(connection, identity)
    return row


def _moved(
    connection: Connection, clock: Clock, row: Row[Any], event: RolloutEvent, reason: str, actor: str, **values: Any
) -> Row[Any]:
    try:
        return change(connection, clock, row, event, reason, actor, **values)
    except UnknownTransitionError:
        over = " It has ended: trying again is a new rollout with a new approval." if row.phase in TERMINAL else ""
        raise RolloutError("conflict", f"rollout {row.id} is {row.phase}: it cannot {event.value}.{over}") from None
