"""What holds automatic rollbacks back: how many a day and an hour, and how soon after the last one.

A person, a hard limit, an irreversible action and a failed stage of a rollout are never held back: stopping must
always be possible.
"""

from __future__ import annotations

import json

from sqlalchemy import Connection

from monitor import events
from monitor.clock import Clock, stamp
from monitor.settings import Settings

DAY, HOUR = 86400.0, 3600.0
LIMIT_PER_HOUR = 5  # automatic rollbacks of all policies together
NEVER_LIMITED = frozenset({"hard_constraint", "irreversible_action", "rollout"})  # a failed stage goes back
MOVED = "rollback.requested"
AHEAD = 300.0  # a rollback further in the future was made before the clock was set back: it holds nothing back


def used_up(connection: Connection, settings: Settings, clock: Clock, policy: str) -> str | None:
    """Say which limit of automatic rollbacks is used up; None while both have room."""
    moved = _automatic(connection, clock, DAY)
    today = sum(name == policy for name, _at in moved)
    per_day = settings.policy[policy].limit_per_day
    if today >= per_day:
        return f"{today} automatic rollbacks in 24 hours, and limit_per_day is {per_day}"
    lately = sum(at > clock.now() - HOUR for _name, at in moved)
    if lately >= LIMIT_PER_HOUR:
        return f"{lately} automatic rollbacks of all policies in one hour, and {LIMIT_PER_HOUR} are allowed"
    return None


def cooling_until(connection: Connection, settings: Settings, clock: Clock, policy: str) -> float | None:
    """Return the event time until which the policy's next automatic rollback waits; None where it need not."""
    cooldown = settings.policy[policy].cooldown
    made = [at for name, at in _automatic(connection, clock, cooldown) if name == policy]
    until = max(made, default=0.0) + cooldown
    return until if until > clock.now() else None


def why_cooling(settings: Settings, policy: str, until: float) -> str:
    """Say it to a person."""
    cooldown = settings.policy[policy].cooldown
    return f"the last one was less than {cooldown:g} s ago; it is made at {stamp(until)} if the trigger still fires"


def _automatic(connection: Connection, clock: Clock, span: float) -> list[tuple[str, float]]:
    """Return (policy, time) of the automatic rollbacks of a span that count towards its limits."""
    now = clock.now()
    found = [(row.policy, row.at, json.loads(row.body)) for row in events.since(connection, MOVED, now - span)]
    return [
        (policy, at)
        for policy, at, body in found
        if body["mode"] == "automatic" and body["trigger"] not in NEVER_LIMITED and at <= now + AHEAD
    ]
