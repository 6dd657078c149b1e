"""Asking for a stage: the route, the rollout, an action for each hook and the events, in one transaction."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, Row, insert

from monitor import events
from monitor.acting.routing import hooks_of, move
from monitor.acting.signing import stage_event
from monitor.clock import Clock
from monitor.rollouts.store import Plan, RolloutError, change, plan_of
from monitor.settings import Settings
from monitor.store.tables import actions
from runbooks.actions import ActionEvent, ActionState, step
from runbooks.rollouts import RolloutEvent

REQUESTED = "rollout.stage.requested"


def split_of(row: Row[Any], plan: Plan, stage: int) -> dict[str, float]:
    """Return each version's share in a stage."""
    share = plan.stages[stage]
    shares = {row.incumbent: round(1.0 - share, 12), row.candidate: share}
    return {version: part for version, part in shares.items() if part > 0}


def begin(
    connection: Connection, settings: Settings, clock: Clock, row: Row[Any], route: Row[Any], reason: str, actor: str
) -> Row[Any]:
    """Ask for the next stage and return the rollout as it is then.

    Parameters
    ----------
    connection, settings, clock
        The open write transaction, the configuration and the time.
    row, route
        The rollout that may advance, and the policy's route, which the caller has locked.
    reason, actor
        Who agreed, as a sentence, and who asks.

    Raises
    ------
    RolloutError
        If the route was moved by something else.
    """
    plan, stage = plan_of(row), row.stage + 1
    generation = _ask(connection, settings, clock, row, route, stage=stage, stable=False, reason=reason, actor=actor)
    fresh: dict[str, Any] = {"judgement": "", "judgement_sha256": "", "judged": None, "begin": None}
    fresh |= {"baked": 0.0, "idle": 0.0}
    note = f"{plan.name(stage)} was asked for: {reason}"
    return change(
        connection, clock, row, RolloutEvent.ADVANCE, note, actor,
        stage=stage, generation=generation, real_looked=clock.real(), **fresh,
    )  # fmt: skip


def finish(connection: Connection, settings: Settings, clock: Clock, row: Row[Any], route: Row[Any]) -> Row[Any]:
    """Make the candidate the version that serves: the last stage passed."""
    why = f"{row.candidate} passed all stages."
    stage = row.stage
    generation = _ask(connection, settings, clock, row, route, stage=stage, stable=True, reason=why, actor="checkrein")
    return change(connection, clock, row, RolloutEvent.FINISH, why, "checkrein", generation=generation)


def _ask(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    row: Row[Any],
    route: Row[Any],
    *,
    stage: int,
    stable: bool,
    reason: str,
    actor: str,
) -> int:
    if route.generation != row.generation or route.serving != row.incumbent:
        raise RolloutError(
            "conflict", f"the route is at generation {route.generation}, not at this rollout's {row.generation}"
        )
    split = split_of(row, plan_of(row), stage)
    if split == {row.incumbent: 1.0}:
        return int(row.generation)  # shadow: nobody is sent anywhere else
    serving = row.candidate if stable else row.incumbent
    generation = move(connection, clock, row.policy, row.generation, serving, split, reason)
    shape = {"serving": serving, "split": split, "generation": generation, "stage": stage}
    made = [_action(clock, row, hook, actor, reason, shape) for hook in hooks_of(settings, row.policy)]
    connection.execute(insert(actions), made)
    body = {**shape, "rollout": row.id, "actions": [one["id"] for one in made], "reason": reason}
    events.record(connection, clock, REQUESTED, row.policy, actor, body)
    return generation


def _action(clock: Clock, row: Row[Any], hook: str, actor: str, reason: str, shape: dict[str, Any]) -> dict[str, Any]:
    identity = f"act_{uuid.uuid4().hex}"
    now, real = clock.now(), clock.real()
    told = {"rollout": row.id, "reason": reason, "limitation": row.limitation, "requested": now}
    body = stage_event(identity, policy=row.policy, **shape, **told)
    event = ActionEvent.QUEUE if hook else ActionEvent.DELIVER  # without a hook, the route is the whole message
    return {
        "id": identity, "policy": row.policy, "kind": "stage", "hook": hook,
        "state": step(ActionState.AUTHORISED, event).value, "generation": shape["generation"],
        "from_version": row.incumbent, "to_version": row.candidate, "share": shape["split"][row.candidate],
        "reason": reason, "trigger": "rollout", "actor": actor, "body": events.canonical(body),
        "requested": now, "real_requested": real, "attempts": 0, "fence": 0,
        "real_due": real if hook else None, "delivered": None if hook else now,
        "real_delivered": None if hook else real,
    }  # fmt: skip
