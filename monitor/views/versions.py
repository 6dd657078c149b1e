"""Tokens that change exactly when what a page shows may have changed, so that a page refreshes then and only then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from monitor import status
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import (
    actions,
    alerts,
    baselines,
    estimates,
    explanations,
    foreign_alerts,
    incident_followups,
    incident_notes,
    incident_steps,
    incidents,
    notifications,
    policies,
    rollout_approvals,
    rollouts,
    routes,
    silences,
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
        *_answering(clock.now()),
    ]
    for statement in statements:
        for policy, *values in connection.execute(statement):
            if policy in found:
                found[policy].append(values)
    late = set(status.stale_jobs(connection, settings, clock))
    by_policy = {name: _digest([values, f"judge:{name}" in late]) for name, values in found.items()}
    f = foreign_alerts.c  # they need not be of a policy of ours
    told = connection.execute(select(f.policy, f.status, func.count()).group_by(f.policy, f.status))
    judged = _digest([sorted(by_policy.items()), sorted([*row] for row in told)])
    landed = connection.execute(select(func.sum(policies.c.landing_seq))).scalar_one()
    held = connection.execute(select(func.sum(r.baked))).scalar_one()
    return Tokens(_digest([judged, landed, held]), judged, by_policy)


def _answering(now: float) -> list[Select[Any]]:
    """Return what changes when people answer: incidents with their steps, notes and messages, and silences."""
    i, s, n = incidents.c, silences.c, notifications.c
    steps, messages = incident_steps.c, func.sum(n.attempts)
    moving = (i.id, i.state, i.level, i.real_ack_expires, i.real_next_escalation, i.led_by)
    opened = i.closed.is_(None)
    held = func.sum(case((s.ended.is_(None) & (s.until > now), 1), else_=0))
    return [
        select(i.policy, *moving).where(opened).order_by(i.id),
        select(i.policy, func.max(i.id), func.count(i.closed)).group_by(i.policy).order_by(i.policy),
        select(i.policy, steps.state, func.count())
        .join(incident_steps, steps.incident == i.id)
        .where(opened)
        .group_by(i.policy, steps.state)
        .order_by(i.policy, steps.state),
        select(i.policy, func.max(incident_notes.c.id))
        .join(incident_notes, incident_notes.c.incident == i.id)
        .group_by(i.policy),
        select(i.policy, func.max(incident_followups.c.id), func.count(incident_followups.c.done))
        .join(incident_followups, incident_followups.c.incident == i.id)
        .group_by(i.policy),
        select(i.policy, n.state, func.count(), messages)
        .join(notifications, n.incident == i.id)
        .where(opened)
        .group_by(i.policy, n.state)
        .order_by(i.policy, n.state),
        select(s.policy, func.max(s.id), held).group_by(s.policy),
    ]


def _digest(value: object) -> str:
    # repr: PostgreSQL adds up whole numbers to a Decimal, which JSON does not know
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
