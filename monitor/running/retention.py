"""Retention: what may be forgotten. Minute buckets go at their age; roll-ups, verdicts, events and the lake stay."""

from __future__ import annotations

import math

from sqlalchemy import delete

from monitor.bucketing import buckets
from monitor.landing import rewards
from monitor.running import slots
from monitor.store.tables import foreign_alerts, idempotency, traffic
from monitor.tick import Parts

_TRAFFIC_KEPT = 86400.0
_ANSWERS_KEPT = 7 * 86400.0
_FOREIGN_KEPT = 35 * 86400.0  # since it was last heard of: an Alertmanager repeats what fires
_REWARDS_WAIT = 7 * 86400.0  # longer than the horizon: late decisions may still come
_COMPACT_AFTER = 2 * 3600.0


def slot(parts: Parts) -> int:
    """Return the slot of event time that it is now: one an hour."""
    return math.floor(parts.clock.now() / 3600.0)


def run(parts: Parts) -> None:
    """Drop what is old: minute buckets, traffic, slots, answers, alerts from elsewhere; compact closed hours.

    Minute buckets inside a frozen baseline's span are never dropped: every judgement since leads back to them.
    """
    now = parts.clock.now()
    with parts.database.begin() as connection:
        for policy in parts.settings.policy:
            buckets.retain(connection, policy, now - parts.settings.store.keep_minutes)
            waited = max(_REWARDS_WAIT, parts.settings.policy[policy].maturity)
            rewards.expire(connection, policy, now - waited, now)
        connection.execute(delete(traffic).where(traffic.c.start < now - _TRAFFIC_KEPT))
        connection.execute(delete(idempotency).where(idempotency.c.created < now - _ANSWERS_KEPT))
        connection.execute(delete(foreign_alerts).where(foreign_alerts.c.last_seen < now - _FOREIGN_KEPT))
        slots.forget(connection, parts.clock)
    for policy in parts.settings.policy:
        parts.landing.compact(policy, now - _COMPACT_AFTER)
