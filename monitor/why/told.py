"""What was told of firings: read by the API, the pages and the command line."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from monitor.clock import stamp
from monitor.store.tables import explanations, transitions

Key = tuple[str, str, str, str]  # policy, version, trigger, key


def told(connection: Connection, policy: str | None = None, most: int = 20) -> list[dict[str, Any]]:
    """Return the newest explanations with all their numbers, newest firing first."""
    return [
        {**_short(row), **{name: row[name] for name in ("policy", "version", "trigger", "key")}, **_body(row["body"])}
        for row in _rows(connection, policy, most)
    ]


def newest(connection: Connection, policy: str | None = None, most: int = 500) -> dict[Key, list[dict[str, Any]]]:
    """Return what was told by alert, newest firing first: the sentences alone, with when it fired (``fired``)."""
    found: dict[Key, list[dict[str, Any]]] = {}
    for row in _rows(connection, policy, most):
        key = (row["policy"], row["version"], row["trigger"], row["key"])
        found.setdefault(key, []).append({**_short(row), "fired": row["at"], "body": _body(row["body"])})
    return found


def _rows(connection: Connection, policy: str | None, most: int) -> list[Any]:
    e, t = explanations.c, transitions.c
    found = select(*e, t.trigger, t.key).join(transitions, t.id == e.transition)
    if policy is not None:
        found = found.where(e.policy == policy)
    return list(connection.execute(found.order_by(e.at.desc(), e.transition.desc()).limit(most)).mappings())


def _short(row: Any) -> dict[str, Any]:
    named = ("transition", "state", "why", "help", "sha256")
    return {**{name: row[name] for name in named}, "at": stamp(row["at"]), "made": stamp(row["made"])}


def _body(text: str) -> dict[str, Any]:
    """Return the numbers behind the sentences, which stand beside them already."""
    return {name: value for name, value in json.loads(text).items() if name not in {"why", "help"}}
