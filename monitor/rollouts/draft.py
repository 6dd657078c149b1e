"""Starting a rollout: a draft with its evidence, written by a person, that moves nothing."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, insert

from monitor import events
from monitor.acting import rollback
from monitor.clock import Clock
from monitor.rollouts import evidence
from monitor.rollouts.store import RolloutError, configured, of_policy
from monitor.settings import Settings
from monitor.store.tables import rollouts
from monitor.tokens import Bearer
from runbooks.rollouts import Phase

ONE_PERSON = "Single operator: one person may approve and advance this rollout, its author too."


def person_of(bearer: Bearer, scope: str) -> str:
    """Return the person whose token was presented.

    Raises
    ------
    RolloutError
        If the token belongs to nobody, or is not for this.
    """
    if bearer.person is None:
        raise RolloutError(
            "forbidden",
            f"the token {bearer.name!r} belongs to no person: `checkrein token create NAME --person WHO --can {scope}`",
        )
    if not bearer.may(scope):
        raise RolloutError("forbidden", f"the token {bearer.name!r} is not for this: it needs the scope {scope!r}")
    return bearer.person


def limitation(settings: Settings, policy: str) -> str:
    """Return what the approvals of a policy's rollouts lack, "" where they lack nothing."""
    return ONE_PERSON if settings.policy[policy].rollout.needed == 1 else ""


def start(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    policy: str,
    *,
    candidate: str,
    reason: str,
    bearer: Bearer,
) -> Row[Any]:
    """Write the draft of a rollout inside the caller's write transaction, and return it.

    Parameters
    ----------
    connection, settings, clock, policy
        The open write transaction, the configuration, the time, and whose version.
    candidate
        The version that is to serve.
    reason
        Why, a sentence that the approvers read.
    bearer
        Whose token was presented: the author, who does not approve.

    Raises
    ------
    RolloutError
        If the token is nobody's, another rollout of the policy is open, the version serves already or is a fallback,
        or a hold is shorter than the reward horizon.
    """
    author = person_of(bearer, "act")
    own = settings.policy[policy]
    short = own.rollout.too_short(own.reward_horizon)
    if short:
        raise RolloutError("invalid", f"policy.{policy}.rollout.{short}")
    route = rollback.locked_route(connection, settings, clock, policy)
    other = of_policy(connection, policy)
    if other is not None:
        raise RolloutError(
            "conflict", f"rollout {other.id} of {policy} to {other.candidate} is {other.phase}: abort it first"
        )
    if candidate == route.serving:
        raise RolloutError("conflict", f"{candidate} serves {policy} already")
    if candidate in own.fallbacks:
        raise RolloutError("conflict", f"{candidate} is a fallback of {policy}: what is rolled back to is not tried")
    if set(json.loads(route.split)) != {route.serving}:
        raise RolloutError("conflict", f"{policy} is served by several versions, generation {route.generation}")
    found = evidence.gather(connection, settings, policy, candidate, route.serving)
    row: dict[str, Any] = {
        "policy": policy, "candidate": candidate, "incumbent": route.serving, "phase": Phase.DRAFT.value, "stage": -1,
        "plan": events.canonical(configured(settings, policy).json()), "generation": route.generation,
        "author": author, "reason": reason, "limitation": limitation(settings, policy),
        "evidence": events.canonical(found), "evidence_sha256": evidence.digest(found),
        "judgement": "", "judgement_sha256": "", "real_looked": clock.real(), "baked": 0.0, "idle": 0.0, "moves": 0,
        "since": clock.now(), "started": clock.now(), "note": f"{author} started it: {reason}",
    }  # fmt: skip
    made = connection.execute(insert(rollouts).values(row).returning(*rollouts.c)).one()
    body = {"rollout": made.id, "candidate": candidate, "incumbent": route.serving, "author": author}
    body |= {"evidence_sha256": made.evidence_sha256, "limitation": made.limitation, "reason": reason}
    events.record(connection, clock, "rollout.draft", policy, f"person:{author}", {**body, "text": row["note"]})
    return made
