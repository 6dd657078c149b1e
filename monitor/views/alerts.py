"""What fired, why, since when, and what the system did about it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from monitor import status
from monitor.acting import route
from monitor.alerting import overlays
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import transitions
from monitor.views import why
from monitor.views.acting import acted
from monitor.views.spans import around, bounds

_OPEN = frozenset({"pending", "firing", "recovering"})
_FIRED = {"info": "warning", "warn": "warning", "page": "page", "rollback": "rollback"}
Finding = dict[str, Any]


def alerts(
    connection: Connection, settings: Settings, clock: Clock, policy: str | None = None, span: str = "24h"
) -> dict[str, list[Finding]]:
    """Return findings, worst first; series of one trigger that are in one state are one finding.

    Returns
    -------
    dict
        ``open``: pending, firing, recovering. ``blind``: what cannot be judged (no data, error, too few rows).
        ``past``: what fired or was pending in the span and is over. Each has shown (a name of ``status.RANK``), policy,
        triggers, metric, version, keys, reason, since and until (seconds), done (by the system), span of its link,
        overlays (what changes who is told of it, ``monitor.alerting.overlays``),
        and, but for what is blind, why (``views.why.shown``, None where it is not told).
    """
    now = clock.now()
    stored = [
        {**item, "since": _seconds(item["since"])}
        for item in status.alerts_of(connection, settings, clock, policy, all_states=True)
        if item["policy"] in settings.policy
    ]
    actions = acted(connection, policy, dry_runs=True)
    serving = {name: route.current(connection, settings, clock, name).serving for name in settings.policy}
    current = [item for item in stored if item["state"] in _OPEN]
    # That a version which serves nothing has no data is no finding.
    blind = [
        item
        for item in stored
        if item["state"] not in _OPEN and item["health"] != "ok" and item["version"] in {serving[item["policy"]], "*"}
    ]
    past = _past(connection, settings, policy, *bounds(span, now))
    found = {
        "open": _grouped(current, settings, now, actions),
        "blind": _blind(_grouped(blind, settings, now, actions)),
        "past": sorted(_grouped(past, settings, now, actions), key=lambda item: -item["until"]),
    }
    why.attach(connection, found["open"], policy)
    why.attach(connection, found["past"], policy)
    return found


def _grouped(found: Sequence[Finding], settings: Settings, now: float, actions: Sequence[Finding]) -> list[Finding]:
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for item in found:
        names = ("policy", "trigger", "version", "state", "health", "shown")
        groups.setdefault(tuple(str(item.get(name)) for name in names), []).append(item)
    answers = [_finding(group, settings, now, actions) for group in groups.values()]
    return sorted(answers, key=lambda item: (-status.RANK[item["shown"]], item["since"] or now, item["trigger"]))


def _blind(found: Sequence[Finding]) -> list[Finding]:
    """Make one finding of the triggers of a version that cannot be judged for the same kind of reason."""
    merged: dict[tuple[str, ...], Finding] = {}
    for item in found:
        where = (item["policy"], item["version"], item["health"])
        if where in merged:
            first = merged[where]
            first["triggers"].append(item["trigger"])
            first["count"] += item["count"]
        else:
            merged[where] = {**item, "triggers": [item["trigger"]], "keys": []}
    return list(merged.values())


def _finding(group: Sequence[Finding], settings: Settings, now: float, actions: Sequence[Finding]) -> Finding:
    first = group[0]
    trigger = settings.triggers(first["policy"]).get(first["trigger"])
    since = min((item["since"] for item in group if item["since"]), default=None)
    needed = None
    if trigger is not None and first["state"] in {"pending", "recovering"}:
        needed = trigger.for_ if first["state"] == "pending" else trigger.clear
    return {
        **{name: first[name] for name in ("policy", "trigger", "version", "state", "health", "severity")},
        "reason": first["reason"] if "reason" in first else _reason(first["evidence"]),
        "shown": first["shown"],
        "triggers": [first["trigger"]],
        "metric": trigger.metric if trigger else None,
        "keys": [item["key"] for item in group if item["key"]],
        "count": len(group),
        "since": since,
        "until": first.get("until"),
        "streak": max(int(item.get("streak") or 0) for item in group),
        "needed": needed,
        "done": _done(first, actions),
        "overlays": list({one["text"]: one for item in group for one in item.get("overlays", ())}.values()),
        "span": around(since, first.get("until") or now, now) if since else "6h",
    }


def _done(item: Finding, actions: Sequence[Finding]) -> dict[str, Any]:
    """Say what the system did about a finding: a sentence, and whether it is confirmed."""
    own = [one for one in actions if one["policy"] == item["policy"] and one["from_version"] == item["version"]]
    since, until = item["since"] or 0.0, item.get("until") or math.inf
    followed = [one for one in own if since - 1 <= one["requested"] <= until + 1]
    caused = [one for one in followed if one["trigger"] == item["trigger"]]
    others = [one for one in followed if one["state"] != "dry_run"]
    if caused or (item["state"] != "inactive" and others):
        action = (caused or others)[0]
        why = "" if caused else f" (by {action['trigger']})"
        return {"text": action["sentence"].removesuffix(".") + why + ".", "state": action["state"], "action": action}
    if item["state"] == "pending":
        return {"text": "Nothing yet: it fires when it holds.", "state": "", "action": None}
    if item["state"] == "firing" and any(one["kind"] == "dry_run" for one in item.get("overlays", ())):
        return {"text": "Nothing: its trigger is a dry run.", "state": "", "action": None}
    if item["state"] == "firing" and item["severity"] == "rollback":
        return {"text": "No rollback of this version is on record: look at once.", "state": "stuck", "action": None}
    if item["state"] == "firing":
        return {"text": f"Nothing automatic: its severity is {item['severity']}.", "state": "", "action": None}
    return {"text": "", "state": "", "action": None}


def _past(connection: Connection, settings: Settings, policy: str | None, begin: float, end: float) -> list[Finding]:
    """Return what was open in the span and is over: one for each time that it opened, with the worst it became."""
    found = select(transitions).where(transitions.c.at >= begin, transitions.c.at <= end)
    if policy is not None:
        found = found.where(transitions.c.policy == policy)
    episodes: dict[tuple[str, ...], Finding] = {}
    over = []
    for row in connection.execute(found.order_by(transitions.c.id)):
        if row.policy not in settings.policy:
            continue
        where = (row.policy, row.version, row.trigger, row.key)
        if row.new in _OPEN:
            episode = episodes.setdefault(where, _episode(row))
            if row.new == "firing":
                episode |= {"shown": _FIRED["warn" if row.dry_run else row.severity], "evidence": row.evidence}
        elif where in episodes:
            over.append({**episodes.pop(where), "state": row.new, "until": row.at})
    return over


def _episode(row: Any) -> Finding:
    named = {name: getattr(row, name) for name in ("policy", "trigger", "version", "key", "severity")}
    over = [overlays.dry(row.severity)] if row.dry_run else []
    return {**named, "shown": "pending", "health": "ok", "since": row.at, "evidence": row.evidence, "overlays": over}


def _reason(evidence: str) -> str:
    body: Mapping[str, Any] = json.loads(evidence)
    return str(body.get("verdict", {}).get("reason") or body.get("reason") or "")


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
