"""The alerts that somebody must look after: page or rollback, firing, of a version that serves, not muted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, select

from monitor.alerting.inhibitions import Where
from monitor.alerting.overlays import over
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import alerts, routes

URGENT = ("page", "rollback")
RAISED = ("firing", "recovering")


def firing(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    policy: str,
    states: Iterable[str] = RAISED,
) -> list[Row[Any]]:
    """Return a policy's alerts that somebody must look after.

    One of a version without traffic is nobody's trouble now, neither is one of a trigger that is taken out or tried
    dry; a silence mutes pages and never a rollback.
    """
    if policy not in settings.policy:
        return []
    c = alerts.c
    asked = select(alerts).where(c.policy == policy, c.state.in_(tuple(states)), c.severity.in_(URGENT))
    found = connection.execute(asked.order_by(c.since, c.trigger, c.key)).all()
    if not found:
        return []
    route = connection.execute(select(routes).where(routes.c.policy == policy)).one_or_none()
    shares = {} if route is None else json.loads(route.split)
    serving = {settings.policy[policy].first_serving} if route is None else {route.serving}
    serving |= {"*", *(version for version, share in shares.items() if share > 0)}
    lies = over(connection, settings, clock.now(), policy)
    return [
        row
        for row in found
        if row.version in serving
        and row.trigger in lies.triggers[policy]
        and not lies.dry(_where(row))
        and (row.severity == "rollback" or not lies.mutes(_where(row)))
    ]


def _where(row: Row[Any]) -> Where:
    return Where(row.policy, row.version, row.trigger, row.key)
