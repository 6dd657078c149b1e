"""What was done about a trouble, in four steps: decided, delivered, acknowledged, confirmed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from monitor.store.tables import actions

UNDER_WAY = ("cooling_down", "pending", "in_flight", "delivered")
STUCK = ("unconfirmed", "blocked", "dead_letter", "limited")
_FAILED = {
    "unconfirmed": "confirmed",
    "blocked": "delivered",
    "dead_letter": "delivered",
    "limited": "decided",
}
_WORDS = {
    "cooling_down": "waits a while after the last one, and is made if its trigger still fires",
    "pending": "is waiting to be sent",
    "in_flight": "is being sent",
    "delivered": "was delivered and waits for confirmation",
    "confirmed": "is confirmed",
    "unconfirmed": "is not confirmed: a person must look",
    "blocked": "was refused: a person must decide",
    "dead_letter": "could not be delivered: a person must roll back",
    "limited": "was held back by a limit: a person must decide",
    "superseded": "was overtaken by a newer one",
    "cancelled": "was cancelled",
}


def acted(connection: Connection, policy: str | None = None, since: float = 0.0) -> list[dict[str, Any]]:
    """Return actions, newest first, each with its sentence and its steps."""
    found = select(actions).where(actions.c.requested >= since)
    if policy is not None:
        found = found.where(actions.c.policy == policy)
    ordered = found.order_by(actions.c.requested.desc(), actions.c.id)
    return [_told(dict(row._mapping)) for row in connection.execute(ordered)]


def of_identities(connection: Connection, identities: Sequence[str]) -> list[dict[str, Any]]:
    """Return the named actions; what is not there is left out."""
    found = connection.execute(select(actions).where(actions.c.id.in_(list(identities))))
    return [_told(dict(row._mapping)) for row in found]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    word = _WORDS.get(row["state"], row["state"])
    nowhere = "was" if row["state"] == "cancelled" else "is"
    wanted = "; what asked for it is over." if row["state"] == "cancelled" else ": a person must decide."
    body = json.loads(row["body"]) if row["body"] else {}
    return {
        **row,
        "manual": body.get("data", {}).get("mode") == "manual" or row["trigger"] == "manual",
        "sentence": f"The rollback {row['from_version']} → {row['to_version']} {word}."
        if row["to_version"]
        else f"No version {nowhere} left to roll {row['from_version']} back to{wanted}",
        "steps": _steps(row),
        "done": row["state"] == "confirmed",
        "stuck": row["state"] in STUCK,
    }


def _steps(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the four steps with their times; the first one without a time is under way, or has failed.

    None of them where no version was left to go to.
    """
    if not row["to_version"]:
        return []  # nothing is sent, so there is nothing to follow
    to = f"by {row['hook']}" if row["hook"] else "by the route"
    decided = row["requested"]
    steps: list[dict[str, Any]] = [
        {"name": "decided", "at": decided, "note": "by hand" if row["trigger"] == "manual" else f"by {row['trigger']}"},
        {"name": "delivered", "at": row["delivered"], "note": to},
        {"name": "acknowledged", "at": row["acknowledged"], "note": f"generation {row['generation']}"},
        {"name": "confirmed", "at": row["confirmed"], "note": "from the decision log"},
    ]
    failed = _FAILED.get(row["state"])
    waiting = row["state"] in UNDER_WAY
    for step in steps:
        if step["name"] == failed:
            step |= {"state": "failed", "note": row["last_error"] or step["note"]}
            waiting = False
        elif step["at"] is not None:
            step["state"] = "done"
        else:
            step["state"] = "now" if waiting else "todo"
            waiting = False
    return steps
