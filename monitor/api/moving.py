"""What a person asks of one row that is sent (an action, a message): replay it, cancel it, once for each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse

from monitor.api.idempotency import once
from monitor.api.problems import Problem
from monitor.running.scheduler import Scheduler


def move(
    scheduler: Scheduler,
    named: tuple[str, str],
    actor: str,
    key: str | None,
    name: str,
    act: Callable[..., bool],
    look: Callable[..., list[dict[str, Any]]],
    shown: Callable[[dict[str, Any]], dict[str, Any]],
) -> JSONResponse:
    """Move a row and answer with it: 404 where there is none, 409 where its state does not allow it.

    Parameters
    ----------
    scheduler
        Holds the database and the clock.
    named
        What it is called, and its id.
    actor, key, name
        Who asks, the request's Idempotency-Key, and the past participle of what is done.
    act, look, shown
        Moves it, reads it, and picks what is told of it.
    """
    parts, (what, identity) = scheduler.parts, named

    def moved() -> tuple[int, dict[str, Any]]:
        changed = act(connection, parts.clock, identity, actor)
        found = look(connection, [identity])
        if not found:
            raise Problem(404, f"there is no {what} {identity!r}")
        if not changed:
            raise Problem(409, f"{identity} is {found[0]['state']}: it cannot be {name}")
        return 200, shown(found[0])

    with parts.database.begin() as connection:
        return once(connection, key, f"{name} {identity}", parts.clock.now(), moved)
