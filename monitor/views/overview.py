"""All policies in one look, worst first, each with its last day as a strip of states."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, func, select

from monitor import status
from monitor.alerting.overlays import is_dry
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import alerts, policies, transitions, verdicts
from monitor.views.acting import acted
from monitor.views.readiness import readiness
from monitor.views.rollouts import brief

DAY = 86400.0
CELLS = 48  # half hours
_FIRED = {"info": "warning", "warn": "warning", "page": "page", "rollback": "rollback"}
_OPEN = frozenset({"pending", "recovering"})


def newest_decisions(connection: Connection) -> dict[str, float | None]:
    """Return when each policy's newest decision was made; it changes with every landing, unlike the rows."""
    return {row.policy: row.last_ts for row in connection.execute(select(policies.c.policy, policies.c.last_ts))}


def counts(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return how many policies are in each state, worst first.

    >>> counts([{"state": "healthy"}, {"state": "rollback"}, {"state": "healthy"}])
    {'rollback': 1, 'healthy': 2}
    """
    found = Counter(row["state"] for row in rows)
    return {state: found[state] for state in sorted(found, key=lambda name: -status.RANK[name])}


def overview_row(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return what the overview says about one policy."""
    found = status.of(connection, settings, clock, policy)
    newest = acted(connection, policy, clock.now() - DAY)
    best = [item for item in found["estimates"] if item["trust"] != "refused" and item["value"] is not None]
    checklist = readiness(connection, settings, clock, policy)
    return {
        "policy": policy,
        "state": found["state"],
        "why": _why(found, newest),
        "serving": found["serving"],
        "generation": found["generation"],
        "reward": _newest(found, "reward", _in_sigma(settings, policy)),
        "violations": _newest(found, "violation_rate"),
        "drift": _newest(found, "state_drift"),
        "entropy": _newest(found, "action_entropy"),
        "rollout": brief(connection, settings, clock, policy),
        "best": max(best, key=lambda item: item["value"], default=None),
        "readiness": checklist.get("summary") if checklist["ran"] else None,
        "action": newest[0] if newest else None,
        "strip": strip(connection, settings, policy, clock.now()),
    }


def _in_sigma(settings: Settings, policy: str) -> set[str]:
    """Return the triggers whose statistic is in sigma of a window, as the column says; others add up evidence."""
    triggers = settings.triggers(policy).items()
    return {name for name, item in triggers if item.detector in {"frozen_sigma", "rolling_sigma"} and not item.segment}


def _newest(found: dict[str, Any], metric: str, among: set[str] | None = None) -> dict[str, Any] | None:
    """Return the worst of a metric's newest judged points: what fired, else the greatest statistic."""
    points = [item for item in found["metrics"] if item["metric"] == metric and item["n"]]
    points = [item for item in points if among is None or item["trigger"] in among]
    ranked = [item for item in points if item["state"] in {"ok", "fire"}] or points
    if not ranked:
        return None
    worst: dict[str, Any] = max(
        ranked, key=lambda item: (item["window_end"], item["state"] == "fire", abs(item["statistic"] or 0.0))
    )
    return worst


def _why(found: dict[str, Any], newest: list[dict[str, Any]]) -> str:
    """Return one sentence: the worst thing, or that there is none."""
    unfinished = [item for item in newest if not item["done"] and item["state"] not in {"superseded", "cancelled"}]
    if unfinished:
        return str(unfinished[0]["sentence"])
    late = found["stale"].get(f"judge:{found['policy']}", 0)
    if late is None:
        return "It has never been evaluated: is `checkrein serve` or `worker` running?"
    if late:
        age = f"{late:.0f} s" if late < 120 else f"{late / 60:.0f} min" if late < 7200 else f"{late / 3600:.1f} h"
        return f"Evaluation is late: it was last judged {age} ago in real time."
    if found["data_age_s"] is None:
        return "No decision has arrived yet."
    if found["baseline"] is None:
        return "No baseline is frozen, so nothing is compared with anything."
    relevant = [item for item in found["alerts"] if item["version"] in {found["serving"], "*"} and not is_dry(item)]
    if relevant:
        return str(relevant[0]["reason"])
    judged = sum(item["state"] == "ok" for item in found["metrics"])
    return f"{judged} series judged healthy." if judged else "Nothing has been judged yet."


def strip(connection: Connection, settings: Settings, policy: str, now: float) -> list[dict[str, Any]]:
    """Return the last 24 hours in half hours: the worst state of each; what was not judged is no data."""
    length = DAY / CELLS
    first = math.floor(now / length) * length - DAY + length
    cells: list[dict[str, Any]] = [
        {"start": first + i * length, "end": first + (i + 1) * length, "state": "no_data"} for i in range(CELLS)
    ]

    def mark(begin: float, end: float, state: str) -> None:
        low, high = math.floor((begin - first) / length), math.ceil((end - first) / length)
        for cell in cells[max(low, 0) : max(high, 0)]:
            if status.RANK[state] > status.RANK[cell["state"]] or cell["state"] == "no_data":
                cell["state"] = state

    # By way of the alerts, one row a series, so that the key finds a day of verdicts however many there are; an outer
    # join with all conditions in it, because SQLite would turn an inner one round and read every verdict.
    longest = max((item.window for item in settings.triggers(policy).values()), default=0.0)
    c, a = verdicts.c, alerts.c
    same = (c.policy == a.policy) & (c.version == a.version) & (c.trigger == a.trigger) & (c.key == a.key)
    recent = (c.start > first - longest) & (c.start <= now) & (c.end > first) & c.state.in_(("ok", "fire"))
    judged = select(c.start, func.max(c.end)).select_from(alerts.outerjoin(verdicts, same & recent))
    for start, end in connection.execute(judged.where(a.policy == policy).group_by(c.start)):
        if start is not None:
            mark(start, end, "healthy")
    for begin, end, state in _episodes(connection, policy, first, now):
        mark(begin, end, state)
    for action in acted(connection, policy):
        if action["kind"] == "rollback" and action["state"] != "superseded" and (action["confirmed"] or now) >= first:
            mark(action["requested"], max(action["confirmed"] or now, action["requested"] + 1), "rollback")
    return cells


def _episodes(connection: Connection, policy: str, first: float, now: float) -> list[tuple[float, float, str]]:
    """Return from when to when alerts were pending or firing since ``first``, as (begin, end, state)."""
    c, a = transitions.c, alerts.c
    found = select(c.version, c.trigger, c.key, c.old, c.new, c.severity, c.at)
    since: dict[tuple[str, str, str], tuple[float, str | None]] = {}
    episodes = []
    for row in connection.execute(found.where(c.policy == policy, c.at >= first, ~c.dry_run).order_by(c.id)):
        where = (row.version, row.trigger, row.key)
        begin, state = since.get(where, (first, _shown(row.old, row.severity)))  # what was open before says so
        if state:
            episodes.append((begin, row.at, state))
        since[where] = (row.at, _shown(row.new, row.severity))
    held = select(a.version, a.trigger, a.key, a.state, a.severity).where(a.policy == policy, ~a.dry_run)
    for one in connection.execute(held):
        since.setdefault((one.version, one.trigger, one.key), (first, _shown(one.state, one.severity)))
    episodes += [(begin, now, state) for begin, state in since.values() if state]
    return [(begin, max(end, begin + 1), state) for begin, end, state in episodes]


def _shown(state: str, severity: str) -> str | None:
    return _FIRED[severity] if state == "firing" else "pending" if state in _OPEN else None
