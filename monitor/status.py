"""What is going on with a policy: the read side behind `checkrein status`, the API and the pages."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from monitor.acting import held
from monitor.alerting import alert_ids, lateness, overlays
from monitor.bucketing import plans
from monitor.clock import Clock, stamp
from monitor.judging.segments import split
from monitor.judging.windows import newest_baseline
from monitor.metrics import METRICS
from monitor.settings import Settings
from monitor.store.tables import (
    actions,
    alerts,
    estimates,
    heartbeats,
    policies,
    quarantine,
    routes,
    summaries,
    verdicts,
)

# Worse is higher. No data is never healthy, and neither is a policy that nothing was judged of.
_WORSE = ("healthy", "pending", "warning", "insufficient", "no_data", "stale", "error", "page", "rollback")
RANK = {state: rank for rank, state in enumerate(_WORSE)}
SHAPE = {
    "healthy": "●",
    "pending": "◐",
    "warning": "▲",
    "insufficient": "○",
    "no_data": "○",
    "stale": "○",
    "error": "○",
    "page": "▲",
    "rollback": "■",
}
_FIRING = {"info": "warning", "warn": "warning", "page": "page", "rollback": "rollback"}
HEALTH = ("ok", "no_data", "error", "stale", "insufficient")
_UNFINISHED = ("pending", "in_flight", "delivered", "unconfirmed", "blocked", "dead_letter", "limited")

_TOLD = ("id", "hook", "state", "generation", "from_version", "to_version", "trigger", "reason", "attempts")


def of(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return one policy's state with everything that it was concluded from."""
    row = connection.execute(select(policies).where(policies.c.policy == policy)).one_or_none()
    serving = connection.execute(select(routes).where(routes.c.policy == policy)).one_or_none()
    frozen = newest_baseline(connection, policy)
    found = alerts_of(connection, settings, clock, policy, all_states=True)
    serves = serving.serving if serving else settings.policy[policy].first_serving
    relevant = [item for item in found if item["version"] in {serves, "*"} and not _small_segment(item)]
    open_actions = _actions(connection, policy)
    stale = stale_jobs(connection, settings, clock)
    triggers = settings.triggers(policy).values()
    by_version = any(METRICS[t.metric].scope == "version" and not METRICS[t.metric].event for t in triggers)
    judged = frozen is not None and row is not None and row.last_ts is not None
    judged = judged and any(item["version"] == serves or not by_version for item in relevant)
    stopped = stale.get(f"judge:{policy}") is not None
    return {
        "policy": policy,
        "state": _state([item for item in relevant if not overlays.is_dry(item)], open_actions, judged, stopped),
        "serving": serves,
        "generation": serving.generation if serving else None,
        "data_age_s": None if row is None or row.last_ts is None else round(clock.now() - row.last_ts, 3),
        "judged_until": None if row is None or not row.sealed_until else stamp(row.sealed_until),
        "baseline": None
        if frozen is None
        else {"id": frozen.id, "from": stamp(frozen.begin), "to": stamp(frozen.end), "plan": frozen.plan.digest},
        "metrics": _metrics(connection, settings, policy, serves),
        "alerts": [
            item for item in found if item["state"] in {"pending", "firing", "recovering"} or item["health"] != "ok"
        ],
        "actions": open_actions,
        "estimates": _estimates(connection, settings, policy),
        "quarantined": _quarantined(connection, policy),
        "jobs": {
            item.part: {"age_s": round(clock.real() - item.real_at, 3), "note": item.note}
            for item in connection.execute(select(heartbeats))
        },
        "stale": stale,
    }


def versions(connection: Connection, settings: Settings, policy: str) -> list[str]:
    """Return the versions that a policy can be sent to by hand: configured, seen in its log, or on its route."""
    configured = settings.policy[policy]
    split = connection.execute(select(routes.c.split).where(routes.c.policy == policy)).scalar_one_or_none()
    logged = select(summaries.c.version).where(summaries.c.policy == policy).distinct()
    seen = [*connection.execute(logged).scalars(), *json.loads(split or "{}")]
    return sorted({configured.incumbent, configured.first_serving, *configured.fallbacks, *seen})


def alerts_of(
    connection: Connection, settings: Settings, clock: Clock, policy: str | None = None, *, all_states: bool = False
) -> list[dict[str, Any]]:
    """Return alerts with their ids and overlays, worst first; without ``all_states`` the pending, firing, recovering.

    What has not been evaluated for too long has health ``stale``, whatever was stored before (``monitor.alerting.lateness``).
    """
    statement = select(alerts)
    if policy is not None:
        statement = statement.where(alerts.c.policy == policy)
    if not all_states:
        statement = statement.where(alerts.c.state.in_(("pending", "firing", "recovering")))
    found = [dict(row._mapping) for row in connection.execute(statement)]
    nowhere = held.without_target(connection)
    lateness.mark(connection, settings, clock, found)
    overlays.attach(connection, settings, clock, found)
    for item in found:
        item["id"] = alert_ids.of(item)
        item["shown"] = _shown(item, nowhere)
        item["since"] = stamp(item["since"]) if item["since"] else None
        item["judged_until"] = stamp(item["judged_until"]) if item["judged_until"] else None
    return sorted(found, key=lambda item: (-RANK[item["shown"]], item["since"] or "", item["trigger"], item["key"]))


def stale_jobs(connection: Connection, settings: Settings, clock: Clock) -> dict[str, float | None]:
    """Return jobs whose last sign of life is older than three intervals: its age in real seconds, None for never.

    One from as far in the future was given before the machine's clock was set back, and is none since: its age is
    negative.
    """
    seen = {row.part: row.real_at for row in connection.execute(select(heartbeats.c.part, heartbeats.c.real_at))}
    stale: dict[str, float | None] = {}
    for policy, configuration in settings.policy.items():
        poll = configuration.source.poll if configuration.source else 10.0
        last = seen.get(f"judge:{policy}")
        if last is None:
            stale[f"judge:{policy}"] = None
        elif abs(clock.real() - last) > max(15.0, 3 * poll / clock.speed):
            stale[f"judge:{policy}"] = round(clock.real() - last, 3)
    return stale


def _shown(alert: dict[str, Any], nowhere: Collection[tuple[str, str]]) -> str:
    if alert["state"] == "firing":
        severity = "warn" if overlays.is_dry(alert) else alert["severity"]
        if severity == "rollback" and (alert["policy"], alert["version"]) in nowhere:
            severity = "page"  # nothing rolls back: it was, and no version is left; a person must look
        return _FIRING[severity]
    if alert["state"] in {"pending", "recovering"}:
        return "pending"
    return "healthy" if alert["health"] == "ok" else str(alert["health"])


def _small_segment(alert: dict[str, Any]) -> bool:
    """Whether this is a segment of too few rows: its own line says so, and the policy's state does not hang on it."""
    return bool(split(alert["key"])[1]) and alert["shown"] == "insufficient"


def _state(found: list[dict[str, Any]], open_actions: list[dict[str, Any]], judged: bool, stopped: bool) -> str:
    if any(item["state"] != "blocked" or item["to_version"] for item in open_actions):
        return "rollback"
    states = [item["shown"] for item in found] + ["page"] * bool(open_actions)
    if not judged:
        states.append("insufficient")
    if stopped:  # what was judged before the scheduler stopped says nothing about now
        states.append("error")
    return str(max(states, key=RANK.__getitem__))


def newest_verdicts(policy: str, version: str) -> Select[Any]:
    """Return the statement that reads the newest verdict of each alert of a version, and of all versions together."""
    shared = ("policy", "version", "trigger", "key")
    before = verdicts.alias()
    newest = select(func.max(before.c.start)).where(*(before.c[name] == alerts.c[name] for name in shared))
    joined = alerts.join(verdicts, and_(*(verdicts.c[name] == alerts.c[name] for name in shared)))
    return (
        select(verdicts)
        .select_from(joined)
        .where(alerts.c.policy == policy, alerts.c.version.in_([version, "*"]))
        .where(verdicts.c.start == newest.correlate(alerts).scalar_subquery())
        .order_by(verdicts.c.trigger, verdicts.c.key)
    )


def _metrics(connection: Connection, settings: Settings, policy: str, version: str) -> list[dict[str, Any]]:
    """Return the newest judged point of every trigger and key of the serving version.

    One look into the key of the verdicts for each alert: grouping over all of them would grow for ever.
    """
    rows = connection.execute(newest_verdicts(policy, version))
    known = settings.triggers(policy)
    return [
        {
            "trigger": row.trigger,
            "metric": known[row.trigger].metric if row.trigger in known else None,
            "key": row.key,
            "window_end": stamp(row.end),
            **{
                name: getattr(row, name)
                for name in ("state", "value", "stderr", "n", "statistic", "low", "high", "reason")
            },
        }
        for row in rows
    ]


def _actions(connection: Connection, policy: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(*(actions.c[name] for name in _TOLD), actions.c.last_error, actions.c.requested)
        .where(actions.c.policy == policy, actions.c.state.in_(_UNFINISHED))
        .order_by(actions.c.generation.desc())
    )
    return [{**row._mapping, "requested": stamp(row.requested)} for row in rows]


def _estimates(connection: Connection, settings: Settings, policy: str) -> list[dict[str, Any]]:
    """Return the newest estimates, without those of candidates that are not there, or are others, now."""
    plan = plans.configured_plan(settings, policy)
    current = set(zip(plan.candidates, plan.scored_by, strict=True))
    newest = select(func.max(estimates.c.end)).where(estimates.c.policy == policy).scalar_subquery()
    rows = connection.execute(select(estimates).where(estimates.c.policy == policy, estimates.c.end == newest))
    return [
        {**dict(row._mapping), "begin": stamp(row.begin), "end": stamp(row.end), "reasons": json.loads(row.reasons)}
        for row in rows
        if (row.candidate, row.fingerprint) in current
    ]


def _quarantined(connection: Connection, policy: str) -> list[dict[str, Any]]:
    """Return refused rows by field, with the newest one's reason: reasons quote values, so that few are the same."""
    c = quarantine.c
    by_field = (
        select(func.count().label("rows"), func.max(c.id).label("newest")).where(c.policy == policy).group_by(c.field)
    ).subquery()
    named = select(c.field, c.reason, by_field.c.rows).join(by_field, c.id == by_field.c.newest)
    found = connection.execute(named.order_by(by_field.c.rows.desc(), c.field))
    return [{"field": row.field, "reason": row.reason, "rows": row.rows} for row in found]
