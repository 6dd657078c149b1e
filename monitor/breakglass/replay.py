"""Telling the database what was done without it: the route, the actions and the events, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from monitor import events, rollback
from monitor.breakglass.act import action_id, alone, journal
from monitor.breakglass.copy import JOURNAL, folder
from monitor.clock import Clock
from monitor.incidents import add_version, open_incident
from monitor.settings import Settings
from monitor.store.database import Database
from monitor.store.tables import actions, routes
from runbooks.actions import ActionEvent, ActionState, accepting

Entry = dict[str, Any]


def replay(database: Database, settings: Settings, clock: Clock) -> int:
    """Replay the journal in one transaction, then put it aside; returns the rollbacks that were new to the database.

    What a receiver took is watched like any other rollback until the decision log confirms it; what nobody took is
    sent on, with the same id and bytes. Replaying twice changes nothing.

    Raises
    ------
    DatabaseUnavailableError
        If the database is locked or away; the journal stays.
    ConfigurationError
        If a line of the journal was changed.
    """
    place = folder(settings)
    if not (place / JOURNAL).exists():
        return 0
    try:
        with alone(place, wait=False):
            return _replay(database, settings, clock, place)
    except BlockingIOError:
        return 0  # somebody rolls back at this moment, or replays


def _replay(database: Database, settings: Settings, clock: Clock, place: Path) -> int:
    found = journal(place / JOURNAL)
    if not found:
        return 0
    told = {(entry["id"], entry["hook"]): entry for entry in found if entry["kind"] == "told"}
    asked = [entry for entry in found if entry["kind"] == "asked" and entry["policy"] in settings.policy]
    with database.begin() as connection:
        new = sum(_replayed(connection, settings, clock, entry, told) for entry in asked)
    path = place / JOURNAL
    path.rename(path.with_name(f"journal-{found[-1]['digest'][:16]}.replayed"))
    return new


def _replayed(
    connection: Connection, settings: Settings, clock: Clock, asked: Entry, told: dict[tuple[str, str], Entry]
) -> bool:
    policy, generation, target = asked["policy"], asked["generation"], asked["to_version"]
    rollback.ensure_route(connection, settings, clock, policy)
    hooks = asked["hooks"] or [""]
    here = select(actions.c.id).where(actions.c.id == action_id(asked["id"], hooks[0]))
    if connection.execute(here).first() is not None:
        return False
    moved = connection.execute(
        update(routes)
        .where(routes.c.policy == policy, routes.c.generation < generation)
        .values(
            serving=target,
            split=events.canonical({target: 1.0}),
            generation=generation,
            changed=asked["at"],
            reason=asked["reason"],
        )
    ).rowcount
    older = update(actions).where(actions.c.policy == policy, actions.c.generation < generation)
    older = older.where(actions.c.state.in_(accepting(ActionEvent.SUPERSEDE)))
    connection.execute(older.values(state=ActionState.SUPERSEDED.value, real_due=None, real_lease=None))
    incident = open_incident(connection, clock, policy, asked["reason"])
    add_version(connection, incident, asked["from_version"])
    rows = [_row(clock, asked, hook, told.get((asked["id"], hook)), incident.id, bool(moved)) for hook in hooks]
    connection.execute(insert(actions), rows)
    body = {name: asked[name] for name in ("from_version", "to_version", "generation", "reason", "at", "digest")}
    body |= {"actions": [row["id"] for row in rows], "states": [row["state"] for row in rows], "moved": bool(moved)}
    events.record(connection, clock, "break_glass.replayed", policy, asked["actor"], body)
    return True


def _row(clock: Clock, asked: Entry, hook: str, told: Entry | None, incident: int, moved: bool) -> dict[str, Any]:
    state = "delivered" if not hook else "pending" if told is None else told["state"]
    state = state if moved else ActionState.SUPERSEDED.value
    delivered = state == "delivered"
    return {
        "id": action_id(asked["id"], hook),
        "policy": asked["policy"],
        "kind": "rollback",
        "hook": hook,
        "state": state,
        "generation": asked["generation"],
        "from_version": asked["from_version"],
        "to_version": asked["to_version"],
        "reason": asked["reason"],
        "trigger": "break_glass",
        "incident": incident,
        "actor": asked["actor"],
        "body": asked["bodies"].get(hook, ""),
        "requested": asked["at"],
        "real_requested": asked["real_at"],
        "attempts": 0,
        "fence": 0,
        "real_due": clock.real() if state == "pending" else None,
        # From now on it is watched: nobody could confirm it while the database was away.
        "delivered": clock.now() if delivered else None,
        "real_delivered": clock.real() if delivered else None,
        "last_error": None if told is None else told["detail"],
    }
