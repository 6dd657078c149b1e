"""Everything that happened in an incident, in order: signals, decisions, attempts, messages, people."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from monitor.clock import stamp
from monitor.store.tables import events as log
from monitor.store.tables import notifications

BEFORE = 3600.0  # event seconds before it opened in which the first signals are looked for
MOST = 500
_ABOUT = ("incident.", "action.", "rollback.", "rollout.", "kill.", "silence.", "break_glass.", "auditor.")
_PLAIN = ("page", "trigger.failed", "transition")
_SIGNALS = frozenset({"pending", "firing"})


def timeline(connection: Connection, row: Row[Any]) -> list[dict[str, Any]]:
    """Return an incident's history, oldest first; of a very long one, the newest 500 entries.

    Each has ``at`` (event time), ``kind``, ``actor``, ``text`` and ``body``.
    """
    c = log.c
    ended = row.closed if row.closed is not None else float("inf")
    about = or_(c.kind.in_(_PLAIN), *(c.kind.startswith(prefix, autoescape=True) for prefix in _ABOUT))
    # What was recorded after the opening belongs to it, also where the machine's clock was set back meanwhile.
    own = c.kind.startswith("incident.") & c.body.contains(f'"incident":{row.id},')
    opening = connection.execute(select(func.min(c.id)).where(c.policy == row.policy, own)).scalar_one()
    first = float("inf") if opening is None else opening
    later = c.at >= row.opened - BEFORE if opening is None else or_(c.at >= row.opened - BEFORE, c.id >= opening)
    mine = select(log).where(c.policy == row.policy, about, later)
    if row.closed is not None:
        mine = mine.where(or_(c.at <= ended, own))
    found = connection.execute(mine.order_by(c.id.desc()).limit(MOST)).all()
    told = [_of_event(one) for one in reversed(found) if _belongs(one, row, first)]
    n = notifications.c
    sent = select(notifications).where(n.incident == row.id).order_by(n.real_requested.desc()).limit(MOST)
    told += [_of_message(one) for one in connection.execute(sent).all()]
    told.sort(key=lambda entry: entry["seconds"])  # stable: events keep their own order
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in told][-MOST:]


def _belongs(event: Row[Any], row: Row[Any], first: float) -> bool:
    body = json.loads(event.body)
    if event.kind.startswith("incident."):
        return bool(body.get("incident") == row.id)
    if event.at < row.opened - 1.0 and event.id < first:
        return event.kind == "transition" and body["new"] in _SIGNALS
    return True


def _of_event(event: Row[Any]) -> dict[str, Any]:
    body = json.loads(event.body)
    told = {"seconds": event.at, "at": stamp(event.at), "kind": event.kind, "actor": event.actor}
    return {**told, "text": _text(event.kind, body), "body": body}


def _of_message(row: Row[Any]) -> dict[str, Any]:
    text = f"{row.kind.capitalize()} to {row.channel}: {row.state.replace('_', ' ')}"
    text += f" after {row.attempts} attempts. {row.last_error}" if row.last_error else "."
    told = {"seconds": row.requested, "at": stamp(row.requested), "kind": "notification", "actor": "checkrein"}
    body = {"id": row.id, "channel": row.channel, "kind": row.kind, "state": row.state, "attempts": row.attempts}
    body["delivered"] = None if row.real_delivered is None else stamp(row.real_delivered)
    return {**told, "text": text, "body": body}


def _text(kind: str, body: dict[str, Any]) -> str:
    if kind == "transition":
        named = f"{body['trigger']} {body['key']}".strip()
        return f"{named} [{body['version']}] {body['old']} -> {body['new']}: {body['reason']}"
    if kind == "rollback.requested":
        return f"{body['from_version']} -> {body['to_version']}, generation {body['generation']}: {body['reason']}"
    said = body.get("text") or body.get("reason") or body.get("detail")
    if said:
        return str(said)
    return f"{kind.replace('.', ' ')} {body.get('action', '')}".strip() + "."
