"""One alert, or all that are open: where it stands, what lies over it, what it did, and what was told of it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from monitor import status
from monitor.alerting import alert_ids, silences
from monitor.clock import Clock, stamp
from monitor.settings import Settings
from monitor.store.tables import notices, transitions
from monitor.why.told import newest

_MOST = 50  # transitions shown


def open_alerts(
    connection: Connection, settings: Settings, clock: Clock, policy: str | None = None
) -> list[dict[str, Any]]:
    """Return the alerts that are pending, firing or recovering, worst first, each with ``why`` it fired."""
    found = status.alerts_of(connection, settings, clock, policy)
    said = newest(connection, policy)
    for item in found:
        mine = said.get((item["policy"], item["version"], item["trigger"], item["key"]), [])
        if item["state"] == "firing":  # of this firing; one that recovers is told of its newest
            mine = [one for one in mine if one["at"] == item["since"]]
        item["why"] = None if item["state"] == "pending" or not mine else _sentences(mine[0])
    return found


def alert(connection: Connection, settings: Settings, clock: Clock, identity: str) -> dict[str, Any] | None:
    """Return one alert by its id; None if there is none.

    Returns
    -------
    dict
        What ``GET /alerts`` says of it in any state, and ``transitions`` (newest first, at most 50), ``silences`` that
        hold over it, ``paged`` (when it woke somebody last), ``runbook`` (the name of its page) and ``dry_run``.
    """
    where = alert_ids.find(connection, identity)
    if where is None:
        return None
    policy, version, trigger, key = where
    every = status.alerts_of(connection, settings, clock, policy, all_states=True)
    found = next(item for item in every if item["id"] == identity)
    t, n = transitions.c, notices.c
    mine = select(transitions).where(t.policy == policy, t.version == version, t.trigger == trigger, t.key == key)
    rows = connection.execute(mine.order_by(t.id.desc()).limit(_MOST)).all()
    told = select(n.paged).where(n.policy == policy, n.version == version, n.trigger == trigger, n.key == key)
    paged = connection.execute(told).scalar_one_or_none()
    configured = settings.triggers(policy).get(trigger) if policy in settings.policy else None
    over = {one["name"] for one in found["overlays"] if one["kind"] == "silence"}
    return {
        **found,
        "dry_run": configured.dry_run if configured else found["dry_run"],
        "runbook": (configured.runbook if configured else None) or trigger,
        "paged": None if paged is None else stamp(paged),
        "silences": [one for one in silences.listed(connection, clock, policy) if str(one["id"]) in over],
        "transitions": [
            {"id": row.id, "at": stamp(row.at), "old": row.old, "new": row.new, "severity": row.severity,
             "dry_run": row.dry_run, "reason": _reason(row.evidence)}
            for row in rows
        ],
    }  # fmt: skip


def _reason(evidence: str) -> str:
    body = json.loads(evidence)
    return str(body.get("verdict", {}).get("reason") or body.get("reason") or "")


def _sentences(said: dict[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in ("transition", "state", "at", "why", "help")}
