"""Prometheus text: ages, depths and outcomes, from the database, so that every process tells the same."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import Connection, func, select

from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import actions, alerts, heartbeats, policies, quarantine

_OPEN = ("pending", "in_flight", "delivered", "unconfirmed")


def exposition(connection: Connection, settings: Settings, clock: Clock) -> str:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"checkrein_{name}", text, labels, registry=registry)

    age = gauge("data_age_seconds", "Age of the newest decision", "policy")
    for row in connection.execute(select(policies.c.policy, policies.c.last_ts)):
        if row.policy in settings.policy and row.last_ts is not None:
            age.labels(row.policy).set(clock.now() - row.last_ts)
    evaluation = gauge("evaluation_age_seconds", "Real seconds since a job or loop last did its work", "part")
    for row in connection.execute(select(heartbeats.c.part, heartbeats.c.real_at)):
        evaluation.labels(row.part).set(clock.real() - row.real_at)
    depth = gauge("actions", "Actions by state", "state")
    for state, count in connection.execute(select(actions.c.state, func.count()).group_by(actions.c.state)):
        depth.labels(state).set(count)
    unfinished = select(func.count(), func.min(actions.c.real_requested)).where(actions.c.state.in_(_OPEN))
    count, oldest = connection.execute(unfinished).one()
    gauge("outbox_depth", "Actions that are not finished").set(count)
    gauge("outbox_oldest_seconds", "Age of the oldest unfinished action").set(clock.real() - oldest if oldest else 0)
    firing = gauge("alerts_firing", "Alerts that fire, by severity", "policy", "severity")
    by = (alerts.c.policy, alerts.c.severity)
    for policy, severity, number in connection.execute(
        select(*by, func.count()).where(alerts.c.state == "firing").group_by(*by)
    ):
        firing.labels(policy, severity).set(number)
    refused = gauge("quarantined_rows", "Rows in quarantine", "policy", "field")
    for policy, field, number in connection.execute(
        select(quarantine.c.policy, quarantine.c.field, func.count()).group_by(quarantine.c.policy, quarantine.c.field)
    ):
        refused.labels(policy, field).set(number)
    return generate_latest(registry).decode()
