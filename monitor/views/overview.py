"""All policies in one look, worst first, each with its last day as a strip of states."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, func, select

from monitor import status
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import policies, transitions, verdicts
from monitor.views.acting import acted
from monitor.views.readiness import readiness

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
        "reward": _newest(found, "reward"),
        "violations": _newest(found, "violation_rate"),
        "drift": _newest(found, "state_drift"),
        "entropy": _newest(found, "action_entropy"),
        "best": max(best, key=lambda item: item["value"], default=None),
        "readiness": checklist.get("summary") if checklist["ran"] else None,
        "action": newest[0] if newest else None,
        "strip": strip(connection, policy, clock.now()),
    }


def _newest(found: dict[str, Any], metric: str) -> dict[str, Any] | None:
    """Return the worst of a metric's newest judged points: what fired, else the greatest statistic."""
    points = [item for item in found["metrics"] if item["metric"] == metric and item["n"]]
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
    relevant = [item for item in found["alerts"] if item["version"] in {found["serving"], "*"}]
    if relevant:
        return str(relevant[0]["reason"])
    judged = sum(item["state"] == "ok" for item in found["metrics"])
    return f"{judged} series judged healthy." if judged else "Nothing has been judged yet."


def strip(connection: Connection, policy: str, now: float) -> list[dict[str, Any]]:
    """Return the last 24 hours in half hours: the worst state of each; what was not judged is no data."""
    length = DAY / CELLS
    first = math.floor(now / length) * length - DAY + length
    cells: list[dict[str, Any]] = [
        {"start": first + i * length, "end": first + (i + 1) * length, "state": "no_data"} for i in range(CELLS)
    ]

    def mark(begin: float, end: float, state: str) -> None:
        for cell in cells:
            worse = status.RANK[state] > status.RANK[cell["state"]] or cell["state"] == "no_data"
            if cell["start"] < end and cell["end"] > begin and worse:
                cell["state"] = state

    c = verdicts.c
    judged = select(c.start, func.max(c.end)).where(
        c.policy == policy, c.state.in_(("ok", "fire")), c.end > first, c.start <= now
    )
    for start, end in connection.execute(judged.group_by(c.start)):
        mark(start, end, "healthy")
    for begin, end, state in _episodes(connection, policy, first, now):
        mark(begin, end, state)
    for action in acted(connection, policy):
        if action["state"] != "superseded" and (action["confirmed"] or now) >= first:
            mark(action["requested"], max(action["confirmed"] or now, action["requested"] + 1), "rollback")
    return cells


def _episodes(connection: Connection, policy: str, first: float, now: float) -> list[tuple[float, float, str]]:
    """Return from when to when alerts were pending or firing, as (begin, end, state)."""
    c = transitions.c
    found = select(c.version, c.trigger, c.key, c.new, c.severity, c.at).where(c.policy == policy).order_by(c.id)
    since: dict[tuple[str, str, str], tuple[float, str]] = {}
    episodes = []
    for row in connection.execute(found):
        where = (row.version, row.trigger, row.key)
        if where in since:
            begin, state = since.pop(where)
            episodes.append((begin, row.at, state))
        if row.new == "firing":
            since[where] = (row.at, _FIRED[row.severity])
        elif row.new in _OPEN:
            since[where] = (row.at, "pending")
    episodes += [(begin, now, state) for begin, state in since.values()]
    return [(begin, max(end, begin + 1), state) for begin, end, state in episodes if end >= first]
