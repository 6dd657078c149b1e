"""Tell a running demo: the world's own lines and the product's events, each with its times."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import func, select

from monitor.clock import SpedClock, instant
from monitor.store.database import Database, DatabaseUnavailableError
from monitor.store.tables import events

_PAUSE = 0.1
_SHOWN = {"transition", "rollback.requested", "rollback.blocked", "rollback.limited", "action.delivered",
          "action.acknowledged", "action.confirmed", "action.unconfirmed", "action.cancelled", "page",
          "incident.opened"}  # fmt: skip


class Narrator:
    """Prints one line per thing that happened and keeps them for ``--json``."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._began = time.monotonic()
        self._clock: SpedClock | None = None
        self._last_event = 0
        self._world_read = 0
        self.told: list[dict[str, Any]] = []
        self.confirmed = False

    def live(self, clock: SpedClock) -> None:
        """Say that the world's time runs from now on."""
        self._clock = clock

    def say(self, text: str, kind: str = "demo", at: float | None = None, **more: Any) -> None:
        """Print and keep one line; ``at`` is the world's time, default now."""
        wall = time.monotonic() - self._began
        world = at if at is not None else (self._clock.now() if self._clock else None)
        shown = instant(world).strftime("%a %H:%M:%S") if world is not None else "          -"
        entry = {
            "what": kind,
            "text": text,
            "wall_s": round(wall, 2),
            "world": None if world is None else instant(world).isoformat(),
        }
        self.told.append({**entry, **more})
        first, *rest = text.splitlines() or [""]
        print(f"{wall:6.1f} s  {shown:>12}  {first}", file=self._output, flush=True)
        for line in rest:
            print(f"{'':24}{line}", file=self._output, flush=True)

    def follow(
        self, database: Database, world_log: Path, patience: float, look: Callable[[], str], over: Callable[[str], bool]
    ) -> None:
        """Tell what happens until the state that ``look`` returns is ``over``, or for ``patience`` real seconds."""
        if not self._last_event:
            self._skip_history(database)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self._tell_world(world_log)
            self._tell_events(database)
            if over(look()):
                return
            time.sleep(_PAUSE)

    def close(self) -> None:
        """Say whether the rollback was confirmed."""
        if self.confirmed:
            self.say("Confirmed from the decision log: the old version takes no decisions any more.", "done")
        else:
            self.say("The rollback was not confirmed in time. This demo has failed.", "failed")

    def document(self) -> dict[str, Any]:
        """Return what happened when, for machines."""
        return {"confirmed": self.confirmed, "wall_s": round(time.monotonic() - self._began, 2), "events": self.told}

    def _skip_history(self, database: Database) -> None:
        with database.read() as connection:
            self._last_event = connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one()

    def _tell_world(self, log: Path) -> None:
        if not log.exists():
            return
        with log.open("rb") as file:
            file.seek(self._world_read)
            data = file.read()
        complete = data.rpartition(b"\n")[0]
        self._world_read += len(complete) + (1 if complete else 0)
        for line in complete.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # a library's warning; it is in the log for whoever looks
            if isinstance(entry, dict):
                rest = {key: value for key, value in entry.items() if key not in {"event", "sim", "wall", "text"}}
                said = entry.get("text") or ", ".join(f"{key} {value}" for key, value in rest.items())
                self.say(f"world: {entry.get('event')} {said}".rstrip(), f"world.{entry.get('event')}")

    def _tell_events(self, database: Database) -> None:
        try:
            with database.read() as connection:
                found = select(events).where(events.c.id > self._last_event).order_by(events.c.id)
                rows = connection.execute(found).all()
        except DatabaseUnavailableError:
            return
        if rows:
            self._last_event = rows[-1].id
        told = [(row.kind, row.at, json.loads(row.body)) for row in rows if row.kind in _SHOWN]
        for (kind, _group), group in groupby(told, lambda item: (item[0], _alike(*item))):
            items = list(group)
            self.say(_sentence(kind, [body for _kind, _at, body in items]), kind, items[0][1], body=items[0][2])
        self.confirmed = self.confirmed or any(row.kind == "action.confirmed" for row in rows)


def _alike(kind: str, at: float, body: dict[str, Any]) -> object:
    """Return what transitions share that are told in one line: a trigger that changed for several keys at once."""
    return (body["trigger"], body["version"], body["old"], body["new"]) if kind == "transition" else at


def _sentence(kind: str, bodies: list[dict[str, Any]]) -> str:
    body = bodies[0]
    if kind == "transition":
        more = f" and {len(bodies) - 1} more" if len(bodies) > 1 else ""
        named = f"{body['trigger']} {body['key']}{more}".strip()
        mark = {"firing": "■", "pending": "◐", "resolved": "●"}.get(body["new"], "·")
        return f"{mark} {named} [{body['version']}] {body['old']} -> {body['new']}: {body['reason']}"
    if kind == "rollback.requested":
        versions = f"{body['from_version']} -> {body['to_version']}"
        return f"■ ROLLBACK {versions}, generation {body['generation']}, by {body['trigger']}"
    text = body.get("text") or body.get("reason") or body.get("detail") or ""
    return f"{kind.replace('.', ' ')} {text}".rstrip()
