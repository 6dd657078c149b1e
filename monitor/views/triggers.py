"""The triggers of a policy: what each judges, how bad it is, where it stands, when it fired and was drilled last."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, func, select

from monitor import status
from monitor.clock import Clock
from monitor.drill import kept
from monitor.settings import Settings
from monitor.store.tables import backtests, transitions
from monitor.units import human

_HEALTH = ("ok", "insufficient", "no_data", "stale", "error")  # the last is the worst


def triggers(connection: Connection, settings: Settings, clock: Clock, policy: str) -> list[dict[str, Any]]:
    """Return the enabled triggers of a policy, the severest first, and of those the one that is worst off.

    Returns
    -------
    list of dict
        ``trigger``, ``metric``, ``detector``, ``window``, ``for_``, ``severity``, ``dry_run``, ``page`` (its
        runbook's trigger), ``shown`` (the worst state of its series, None where none was judged), ``series``,
        ``health`` (series by health), ``fired`` (when it fired last, None for never), ``drilled`` (when a drill of it
        passed last), ``replayed`` (windows and firings in the newest backtest of the settings as they are).
    """
    alerts: dict[str, list[dict[str, Any]]] = {}
    for item in status.alerts_of(connection, settings, clock, policy, all_states=True):
        alerts.setdefault(item["trigger"], []).append(item)
    t = transitions.c
    last = select(t.trigger, func.max(t.at)).where(t.policy == policy, t.new == "firing").group_by(t.trigger)
    fired = {row[0]: row[1] for row in connection.execute(last)}
    drilled = {name: row.ended for (_policy, name), row in kept.newest_passed(connection, policy).items()}
    tried = replayed(connection, policy)
    by_name = {one["trigger"]: one for one in tried["triggers"]} if tried else {}
    order = ("rollback", "page", "warn", "info")
    found: list[dict[str, Any]] = []
    for name, rule in settings.triggers(policy).items():
        series = alerts.get(name, [])
        found.append(
            {
                "trigger": name,
                "metric": rule.metric,
                "detector": rule.detector,
                "window": human(rule.window),
                "for_": rule.for_,
                "severity": rule.severity,
                "dry_run": rule.dry_run,
                "shown": max((one["shown"] for one in series), key=status.RANK.__getitem__, default=None),
                "series": len(series),
                "health": {
                    health: sum(one["health"] == health for one in series)
                    for health in _HEALTH
                    if any(one["health"] == health for one in series)
                },
                "fired": fired.get(name),
                "drilled": drilled.get(name),
                "replayed": by_name.get(name),
            }
        )
    worst = {one["trigger"]: -status.RANK[one["shown"]] for one in found if one["shown"]}
    return sorted(found, key=lambda one: (order.index(one["severity"]), worst.get(one["trigger"], 0), one["trigger"]))


def replayed(connection: Connection, policy: str) -> dict[str, Any] | None:
    """Return the newest backtest of a policy with its settings as they were, None where there is none."""
    c = backtests.c
    newest = select(c.id, c.recorded, c.body).where(c.policy == policy, c.changes == "[]")
    row = connection.execute(newest.order_by(c.id.desc()).limit(1)).one_or_none()
    return None if row is None else {**json.loads(row.body), "id": row.id, "recorded": row.recorded}
