"""Event triggers: one decision past a hard limit, or an irreversible one without approval, is enough."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select, update

from detectors import DETECTORS, Series
from monitor.judging import decide
from monitor.judging.decide import Alert
from monitor.judging.judge import Judged, Judgement
from monitor.metrics import METRICS
from monitor.settings import Settings
from monitor.store.tables import policies, routes, single_events


def pending(connection: Connection) -> list[str]:
    """Return the policies with single events that nobody has judged yet."""
    statement = select(single_events.c.policy).where(single_events.c.judged.is_(False)).distinct()
    return list(connection.execute(statement).scalars())


def judge_events(connection: Connection, settings: Settings, policy: str) -> Judgement:
    """Judge the single events that landed since, and mark them judged, inside the caller's write transaction.

    An event older than ``watch_from`` (when the product met the policy, or the baseline's end) is history that was
    imported, and an event of a version that no longer serves has been acted on already: both are recorded and act on
    nothing.
    """
    waiting = select(single_events).where(single_events.c.policy == policy, single_events.c.judged.is_(False))
    rows = connection.execute(waiting.order_by(single_events.c.ts, single_events.c.id)).all()
    result = Judgement(alerts=decide.load(connection, policy) if rows else {})
    if not rows:
        return result
    watch_from = connection.execute(
        select(policies.c.watch_from).where(policies.c.policy == policy)
    ).scalar_one_or_none()
    route = connection.execute(select(routes.c.serving).where(routes.c.policy == policy)).scalar_one_or_none()
    result.alerts = step_events(settings, policy, rows, result, watch_from, route)
    connection.execute(
        update(single_events).where(single_events.c.id.in_([row.id for row in rows])).values(judged=True)
    )
    return result


def step_events(
    settings: Settings,
    policy: str,
    rows: Iterable[Row[Any]],
    result: Judgement,
    watch_from: float | None,
    serving: str | None,
) -> dict[tuple[str, str, str], Alert]:
    """Step the alerts of ``result`` by single events, in order; return those that were touched. Reads nothing."""
    names = {METRICS[t.metric]: (name, t) for name, t in settings.triggers(policy).items() if METRICS[t.metric].event}
    touched: dict[tuple[str, str, str], Alert] = {}
    for row in rows:
        name, trigger = names.get(METRICS[row.metric], ("", None))
        if trigger is None or watch_from is None or row.ts < watch_from or row.version != serving:
            continue
        series = Series(np.array([row.ts]), np.array([float(row.rows)]), np.array([math.nan]), np.array([row.rows]))
        verdict = DETECTORS[trigger.detector].scan(series, subject=METRICS[row.metric].subject(row.key))[0]
        where = (row.version, name, row.key)
        alert = result.alerts.get(where) or Alert(policy, row.version, name, row.key, trigger.severity)
        evidence: dict[str, Any] = {
            "metric": row.metric,
            "decision_id": row.decision_id,
            "ts": row.ts,
            "value": row.value,
            "rows": row.rows,
        }
        alert, change = decide.step(alert, verdict, row.ts, trigger, evidence)
        result.alerts[where] = touched[where] = alert
        if change is not None:
            result.changes.append(change)
            result.judged.append(Judged(row.version, name, row.key, row.ts, row.ts, row.value, math.nan, verdict))
    return touched
