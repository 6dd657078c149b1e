"""A rollback always wins: whatever moves a policy's route ends its rollout in the same transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.rollouts.store import change, of_policy
from runbooks.rollouts import RolloutEvent


def overtaken(connection: Connection, clock: Clock, policy: str, from_version: str, why: str, actor: str) -> None:
    """End the policy's open rollout because its route was moved; the caller holds the route.

    It is rolled back where its candidate is what was stopped, and aborted where something else was: what it was
    compared with, or tried beside, is not what was approved any more.
    """
    row = of_policy(connection, policy)
    if row is None:
        return
    mine = row.candidate == from_version
    event = RolloutEvent.ROLL_BACK if mine else RolloutEvent.OVERTAKE
    what = f"{row.candidate} was stopped" if mine else f"the route was moved away from {from_version}"
    change(connection, clock, row, event, f"The rollout ended because {what}: {why}", actor)


def candidate(connection: Connection, policy: str) -> str | None:
    """Return the version of the policy's open rollout, which may have no traffic yet."""
    row = of_policy(connection, policy)
    return None if row is None else str(row.candidate)


def given_up(connection: Connection, clock: Clock, policy: str, version: str, why: str, actor: str) -> None:
    """End the open rollout of a version that was to be stopped and has no traffic: a draft, or one in shadow."""
    row = of_policy(connection, policy)
    if row is not None and row.candidate == version:
        overtaken(connection, clock, policy, version, why, actor)
