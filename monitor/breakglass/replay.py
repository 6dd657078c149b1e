"""Telling the database what was done without it: the route, the actions and the events, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from monitor import events, incidents
from monitor.acting import rollback
from monitor.acting.confirm import acknowledge
from monitor.acting.limits import MOVED
from monitor.breakglass.act import action_id, alone, journal
from monitor.breakglass.copy import JOURNAL, folder
from monitor.clock import Clock
from monitor.rollouts import ended
from monitor.settings import Settings
from monitor.store.database import Database
from monitor.store.tables import actions, routes
from monitor.store.tables import events as happened
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
    with database.read() as connection:  # a database that hangs is waited for without the journal's lock
        connection.execute(select(1))
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
    asked = [entry for entry in found if entry["kind"] == "asked"]
    with database.begin() as connection:
        new = [entry for entry in asked if _replayed(connection, settings, clock, entry, told)]
        last = {entry["policy"]: entry for entry in new if entry["policy"] in settings.policy}
        for entry in last.values():
            _decided_since(connection, settings, clock, entry)
    path = place / JOURNAL
    path.rename(path.with_name(f"journal-{found[-1]['digest'][:16]}.replayed"))
    return len(new)


def _decided_since(connection: Connection, settings: Settings, clock: Clock, asked: Entry) -> None:
    """Ask again for what a person decided through the database after the break-glass, and before its replay.

    Receivers that obeyed the break-glass refuse that decision's lower generation, and it is the newer one.
    """
    c = happened.c
    here = (c.policy == asked["policy"], c.kind == MOVED, c.real_at > asked["real_at"])
    moves = [json.loads(body) for body in connection.execute(select(c.body).where(*here).order_by(c.id)).scalars()]
    serving = connection.execute(select(routes.c.serving).where(routes.c.policy == asked["policy"])).scalar_one()
    if all(move["mode"] != "manual" for move in moves) or moves[-1]["to_version"] == serving:
        return
    version = moves[-1]["to_version"]
    reason = f"{version} was asked for by hand after the break-glass to {asked['to_version']}, and before its replay."
    rollback.request(
        connection,
        settings,
        clock,
        asked["policy"],
        from_version=None,
        reason=reason,
        trigger="break_glass",
        actor="checkrein",
        mode="manual",
        to_version=version,
    )


def _replayed(
    connection: Connection, settings: Settings, clock: Clock, asked: Entry, told: dict[tuple[str, str], Entry]
) -> bool:
    policy, generation, target = asked["policy"], asked["generation"], asked["to_version"]
    hooks = asked["hooks"] or [""]
    here = select(actions.c.id).where(actions.c.id == action_id(asked["id"], hooks[0]))
    if connection.execute(here).first() is not None:
        return False
    if policy in settings.policy:  # else it was taken out since, and what was done is on record all the same
        rollback.ensure_route(connection, settings, clock, policy)
    split = connection.execute(select(routes.c.split).where(routes.c.policy == policy)).scalar_one_or_none()
    stops = events.canonical(sorted({asked["from_version"], *json.loads(split or "{}")} - {target}))
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
    if moved:
        ended.overtaken(connection, clock, policy, asked["from_version"], asked["reason"], asked["actor"])
    older = update(actions).where(actions.c.policy == policy, actions.c.generation < generation)
    older = older.where(actions.c.state.in_(accepting(ActionEvent.SUPERSEDE)))
    connection.execute(older.values(state=ActionState.SUPERSEDED.value, real_due=None, real_lease=None))
    incident = incidents.open_incident(connection, clock, policy, asked["reason"], by=asked["actor"])
    incidents.add_version(connection, incident, asked["from_version"])
    answers = {hook: told.get((asked["id"], hook)) for hook in hooks}
    rows = [_row(clock, asked, hook, answers[hook], incident.id, bool(moved)) | {"stops": stops} for hook in hooks]
    connection.execute(insert(actions), rows)
    body = {name: asked[name] for name in ("from_version", "to_version", "generation", "reason", "at", "digest")}
    body |= {"actions": [row["id"] for row in rows], "states": [row["state"] for row in rows], "moved": bool(moved)}
    events.record(connection, clock, "break_glass.replayed", policy, asked["actor"], body)
    incidents.acted(connection, clock, incident.id, asked["actor"])
    for row in (row for row in rows if row["state"] == ActionState.BLOCKED.value):
        text = f"The rollback of {policy} to {target} was refused and is not sent again. {row['last_error']}"
        incidents.page_action(connection, clock, policy, why="blocked", action=row["id"], text=text)
    for hook, answer in answers.items():
        if shown := (answer or {}).get("acknowledged"):
            seen = (shown["generation"], shown["version"], shown["artifact_sha256"])
            acknowledge(connection, clock, policy, *seen, f"hook {hook}", hook)
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
        "attempts": 0 if told is None or state == "pending" else 1,  # who was sent it is asked for its health
        "fence": 0,
        "real_due": clock.real() if state == "pending" else None,
        # From now on it is watched: nobody could confirm it while the database was away.
        "delivered": clock.now() if delivered else None,
        "real_delivered": clock.real() if delivered else None,
        "last_error": None if told is None else told["detail"],
    }
