"""Rolling back and stopping by hand: one person, one step, the path of the automatic rollbacks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from monitor import events
from monitor.acting import rollback
from monitor.acting.actions import ActionLoop
from monitor.acting.rollback import Outcome
from monitor.landing.pull import pull
from monitor.rollouts import ended
from monitor.runtime import worker_name
from monitor.settings import Settings
from monitor.store.tables import actions
from monitor.tick import Parts
from runbooks.actions import UNFINISHED

_PAUSE = 0.2
_OPEN = ("pending", "in_flight", "delivered", "unconfirmed")  # may still become confirmed by itself


def request(
    connection: Connection,
    parts: Parts,
    policy: str,
    to: str | None,
    reason: str,
    actor: str,
    *,
    from_version: str | None = None,
    trigger: str = "manual",
) -> Outcome:
    """Ask for a rollback of the version that serves now, inside the caller's write transaction."""
    return rollback.request(
        connection,
        parts.settings,
        parts.clock,
        policy,
        from_version=from_version,
        reason=reason,
        trigger=trigger,
        actor=actor,
        mode="drill" if parts.mode == "drill" else "manual",
        to_version=to,
    )


def safe_version(settings: Settings, policy: str) -> str:
    """Return where the kill switch goes: the last of the fallbacks, the one that needs least."""
    configured = settings.policy[policy]
    return configured.fallbacks[-1] if configured.fallbacks else configured.incumbent


def stop(connection: Connection, parts: Parts, policy: str, reason: str, actor: str) -> Outcome:
    """Throw the kill switch inside the caller's write transaction: the safest version takes all traffic.

    Unlike a rollback it skips the fallbacks in between, whatever is under way and whoever serves.
    """
    safe = safe_version(parts.settings, policy)
    row = rollback.locked_route(connection, parts.settings, parts.clock, policy)  # whoever moves it meanwhile waits
    others = [name for name, share in json.loads(row.split).items() if name != safe and share > 0]
    old = row.serving if row.serving != safe else next(iter(others), None)
    if old is None:
        sentence = f"{policy} is served by {safe} alone already, generation {row.generation}."
        body = {"to_version": safe, "generation": row.generation, "reason": reason}
        events.record(connection, parts.clock, "kill.unneeded", policy, actor, body)
        ended.overtaken(connection, parts.clock, policy, safe, reason, actor)  # a rollout that has no traffic yet
        c = actions.c
        mine = (c.policy == policy, c.generation == row.generation, c.to_version == safe)
        left = connection.execute(select(c.id, c.state).where(*mine, c.state.in_(UNFINISHED)).order_by(c.hook)).all()
        if left:  # the route is no proof: whoever asks again learns what came of the first time
            sentence += f" That is not confirmed yet: {', '.join(one.state for one in left)}."
        return Outcome("unneeded", sentence, safe, safe, row.generation, None, tuple(one.id for one in left))
    return request(connection, parts, policy, safe, reason, actor, from_version=old, trigger="kill")


def roll_back(
    parts: Parts,
    policy: str,
    to: str | None,
    reason: str,
    actor: str,
    wait: float,
    *,
    kill: bool = False,
    say: Callable[[str], object] = str,
) -> dict[str, Any]:
    """Request a rollback and make its first attempts here, so that it works with no server running.

    While it waits, new rows of the policy's source are read too: the confirmation comes from the decision log.

    Parameters
    ----------
    parts, policy
        Where, and whose version.
    to, reason, actor
        The version to go to (None: the policy's fallbacks), why, and who asks.
    wait
        Real seconds to wait for the confirmation from the decision log; 0 returns after the first attempts.
    kill
        Throw the kill switch instead; ``to`` has no part in it.
    say
        Called with what was decided, once it is: a receiver that hangs keeps the first attempt for its whole timeout.
    """
    with parts.database.begin() as connection:
        if kill:
            outcome = stop(connection, parts, policy, reason, actor)
        else:
            outcome = request(connection, parts, policy, to, reason, actor)
    say(outcome.sentence)
    loop = ActionLoop(parts.database, parts.settings, parts.clock, worker_name())
    deadline = time.monotonic() + wait
    found: list[tuple[str, str | None]] = []
    while outcome.actions:
        loop.run_due()
        with parts.database.read() as connection:
            rows = select(actions.c.state, actions.c.last_error).where(actions.c.id.in_(outcome.actions))
            found = [(row.state, row.last_error) for row in connection.execute(rows.order_by(actions.c.hook))]
        if time.monotonic() >= deadline or not any(state in _OPEN for state, _error in found):
            break
        pull(parts.settings, parts.database, parts.landing, policy)
        time.sleep(_PAUSE)
    loop.close()
    states, details = [state for state, _error in found], _told(outcome, found)
    return {
        **asdict(outcome),
        "actions": list(outcome.actions),
        "states": states,
        "confirmed": bool(states) and set(states) == {"confirmed"},
        "sentence": " ".join([outcome.sentence, *details]),
        "details": details,
    }


def _told(outcome: Outcome, found: list[tuple[str, str | None]]) -> list[str]:
    """Say where the actions of what was asked for, now or before, stand, and who goes on with them."""
    if outcome.state not in ("requested", "unneeded") or not found:
        return []
    told = [f"Now: {', '.join(state for state, _error in found)}."]
    told += [error for _state, error in found if error]
    if any(state == "pending" for state, _error in found):
        told.append("`checkrein serve` or `checkrein worker` sends it again until it is delivered.")
    return told
