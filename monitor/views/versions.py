"""Tokens that change exactly when what a page shows may have changed, so that a page refreshes then and only then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from monitor import status
from monitor.clock import Clock
from monitor.events import canonical
from monitor.settings import Settings
from monitor.store.tables import (
    actions,
    alerts,
    baselines,
    estimates,
    explanations,
    policies,
    rollout_approvals,
    rollouts,
    routes,
)


@dataclass(frozen=True)
class Tokens:
    """``live`` changes with every landing, ``judged`` when something was concluded or done; and that by policy."""

    live: str
    judged: str
    by_policy: Mapping[str, str]


def tokens(connection: Connection, settings: Settings, clock: Clock) -> Tokens:
    """Return the tokens, from small tables only: neither verdicts nor events are read, which grow without bound."""
    found: dict[str, list[Any]] = {name: [] for name in settings.policy}
    a, c, r, agreed = alerts.c, actions.c, rollouts.c, rollout_approvals
    concluded = select(a.policy, func.sum(a.judged_until), func.sum(a.streak), func.max(a.since), func.count())
    statements = [
        select(policies.c.policy, policies.c.sealed_until).order_by(policies.c.policy),
        concluded.group_by(a.policy),
        select(routes.c.policy, routes.c.generation),
        select(baselines.c.policy, func.max(baselines.c.id)).group_by(baselines.c.policy),
        select(estimates.c.policy, func.max(estimates.c.end)).group_by(estimates.c.policy),
        select(explanations.c.policy, func.max(explanations.c.transition)).group_by(explanations.c.policy),
        select(r.policy, func.max(r.id), func.sum(r.moves), func.sum(r.judged)).group_by(r.policy),
        select(r.policy, func.count()).join(agreed, agreed.c.rollout == r.id).group_by(r.policy),
        select(c.policy, c.id, c.state, c.attempts, c.acknowledged, c.confirmed).order_by(c.requested, c.id),
    ]
    for statement in statements:
        for policy, *values in connection.execute(statement):
            if policy in found:
                found[policy].append(values)
    late = set(status.stale_jobs(connection, settings, clock))
    by_policy = {name: _digest([values, f"judge:{name}" in late]) for name, values in found.items()}
    judged = _digest(sorted(by_policy.items()))
    landed = connection.execute(select(func.sum(policies.c.landing_seq))).scalar_one()
    held = connection.execute(select(func.sum(r.baked))).scalar_one()
    return Tokens(_digest([judged, landed, held]), judged, by_policy)


def _digest(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]
