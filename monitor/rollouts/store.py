"""The rows of rollouts: read, and moved by compare-and-swap inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, select, update

from monitor import events
from monitor.clock import Clock
from monitor.settings import Comparing, Settings
from monitor.store.tables import rollouts
from runbooks.rollouts import OPEN, TERMINAL, RolloutEvent, step


class RolloutError(ValueError):
    """What was asked of a rollout cannot be done now; ``kind`` says why, the message what to do.

    ``unknown``: there is none; ``conflict``: it stands elsewhere, or what was agreed to has changed; ``forbidden``:
    this person may not; ``invalid``: a field is wrong.
    """

    def __init__(self, kind: Literal["unknown", "conflict", "forbidden", "invalid"], message: str) -> None:
        super().__init__(message)
        self.kind = kind


class OvertakenError(RuntimeError):
    """Another process moved the rollout between reading and writing; nothing was written."""


@dataclass(frozen=True)
class Plan:
    """What was approved: the configuration as it was when the rollout began."""

    stages: tuple[float, ...]
    holds: tuple[float, ...]
    min_decisions: int
    needed: int
    comparison: dict[str, Any]  # how the candidate is compared with the incumbent, margin and all

    @property
    def last(self) -> int:
        """Index of the last stage."""
        return len(self.stages) - 1

    def json(self) -> dict[str, Any]:
        """Return it as the evidence has it."""
        return {**vars(self), "stages": list(self.stages), "holds": list(self.holds)}

    def name(self, stage: int) -> str:
        """Return what people call a stage.

        >>> plan = Plan((0.0, 0.01, 1.0), (1.0, 1.0, 1.0), 1, 2, {})
        >>> [plan.name(stage) for stage in (-1, 0, 1, 2)]
        ['draft', 'shadow', '1%', '100%']
        """
        if stage < 0:
            return "draft"
        share = self.stages[stage]
        return f"{100 * share:g}%" if share else "shadow"


def configured(settings: Settings, policy: str) -> Plan:
    """Return the plan that a rollout of a policy gets now."""
    rule = settings.policy[policy].rollout
    holds = tuple(rule.hold_of(stage) for stage in range(len(rule.stages)))
    rules = settings.policy[policy].comparison.model_dump(mode="json")
    return Plan(rule.stages, holds, rule.min_decisions, rule.needed, rules)


def approved(settings: Settings, row: Row[Any]) -> Settings:
    """Return the configuration with the rules of comparing that were approved: accepted loss, level, subject.

    Whoever edits the file while a rollout is open does not move the bar that two people agreed to.
    """
    rules = Comparing.model_validate(plan_of(row).comparison)
    own = settings.policy[row.policy].model_copy(update={"comparison": rules})
    return settings.model_copy(update={"policy": {**settings.policy, row.policy: own}})


def plan_of(row: Row[Any]) -> Plan:
    """Return the plan of a stored rollout."""
    stored = json.loads(row.plan)
    return Plan(**{**stored, "stages": tuple(stored["stages"]), "holds": tuple(stored["holds"])})


def of_policy(connection: Connection, policy: str) -> Row[Any] | None:
    """Return the policy's open rollout."""
    c = rollouts.c
    return connection.execute(select(rollouts).where(c.policy == policy, c.phase.in_(OPEN))).one_or_none()


def of_identity(connection: Connection, identity: int) -> Row[Any]:
    """Return a rollout.

    Raises
    ------
    RolloutError
        If there is none.
    """
    row = connection.execute(select(rollouts).where(rollouts.c.id == identity)).one_or_none()
    if row is None:
        raise RolloutError("unknown", f"there is no rollout {identity}; `checkrein rollout status` lists them")
    return row


def change(
    connection: Connection, clock: Clock, row: Row[Any], event: RolloutEvent, note: str, actor: str, **values: Any
) -> Row[Any]:
    """Move a rollout by one event, with its record, and return the row as it is then.

    Raises
    ------
    UnknownTransitionError
        If the event cannot happen in its phase.
    OvertakenError
        If it was moved since it was read.
    """
    new = step(row.phase, event)
    now = clock.now()
    if new in TERMINAL:
        values["ended"] = now
    moved = write(connection, row, phase=new.value, moves=row.moves + 1, note=note, **{"since": now, **values})
    body = {"rollout": row.id, "candidate": row.candidate, "old": row.phase, "new": new.value, "event": event.value}
    body |= {"stage": moved.stage, "stage_name": plan_of(moved).name(moved.stage), "generation": moved.generation}
    body |= {"limitation": moved.limitation} if moved.limitation else {}
    events.record(connection, clock, f"rollout.{new.value}", row.policy, actor, {**body, "text": note})
    return moved


def write(connection: Connection, row: Row[Any], **values: Any) -> Row[Any]:
    """Write values into a rollout that stands as it was read, and return it.

    Raises
    ------
    OvertakenError
        If it was moved since.
    """
    here = update(rollouts).where(rollouts.c.id == row.id, rollouts.c.moves == row.moves)
    moved = connection.execute(here.values(**values).returning(*rollouts.c)).one_or_none()
    if moved is None:
        raise OvertakenError(f"rollout {row.id} was moved by another process meanwhile")
    return moved


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the names under which two documents differ.

    >>> changed({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}})
    ['b']
    """
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
