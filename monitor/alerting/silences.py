"""Silences: a person mutes the pages about some alerts for a while, with a name and a reason.

A silence is a row, so that it outlives any process, and it is never deleted: who muted what stays readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from monitor import events
from monitor.clock import Clock, stamp
from monitor.settings import Settings
from monitor.settings.model import nearest
from monitor.store.tables import silences

LONGEST = 7 * 86400.0  # a silence that nobody renews must not outlive the week of the person who made it
_TIMES = ("created", "until", "ended")


class SilenceError(ValueError):
    """The silence cannot be made; the message says what to change."""


def add(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    policy: str,
    *,
    trigger: str,
    version: str,
    owner: str,
    reason: str,
    until: float,
    actor: str,
    key: str | None = None,
) -> dict[str, Any]:
    """Mute pages about matching alerts until a time, inside the caller's write transaction.

    Parameters
    ----------
    connection, settings, clock, policy
        The open write transaction, the configuration, the time, and whose alerts.
    trigger, version
        Which of them; "" is all.
    owner, reason
        Who answers for it, and why; both are shown on the alert.
    until
        When it ends by itself, seconds since 1970: at most 7 days ahead.
    actor
        Who asks, for the record.
    key
        One series of the trigger; None is all.

    Raises
    ------
    SilenceError
        If the time is past or further ahead than that, the trigger is unknown, or the owner or reason is missing.
    """
    now = clock.now()
    known = settings.triggers(policy)
    if trigger and trigger not in known:
        raise SilenceError(f"{policy} has no enabled trigger {trigger!r}{nearest(trigger, known)}")
    if not until > now:
        raise SilenceError("a silence ends in the future: choose a later time")
    if until > now + LONGEST:
        raise SilenceError(
            f"a silence lasts at most 7 days, here until {stamp(now + LONGEST)} at the latest: renew it if need be"
        )
    if not owner.strip() or len(reason.strip()) < 3:
        raise SilenceError("a silence needs an owner, and a reason of at least three characters")
    row: dict[str, Any] = {
        "policy": policy,
        "trigger": trigger,
        "version": version,
        "owner": owner.strip(),
        "reason": reason.strip(),
    }
    row |= {} if key is None else {"key": key}
    made = insert(silences).values(**row, created=now, until=until).returning(*silences.c)
    stored = connection.execute(made).one()._mapping
    events.record(connection, clock, "silence.added", policy, actor, {"silence": stored["id"], **row, "until": until})
    return {**_shown(stored, now), "sentence": _sentence(row, until, known)}


def end(connection: Connection, clock: Clock, identity: int, actor: str) -> bool:
    """End a silence before its time; False if there is none that still holds. A firing alert pages at the next pass."""
    now = clock.now()
    c = silences.c
    held = (c.id == identity) & c.ended.is_(None) & (c.until > now)
    ending = update(silences).where(held).values(ended=now, ended_by=actor).returning(c.policy)
    policy = connection.execute(ending).scalar_one_or_none()
    if policy is None:
        return False
    events.record(connection, clock, "silence.ended", policy, actor, {"silence": identity})
    return True


def listed(connection: Connection, clock: Clock, policy: str | None = None, *, every: bool = False) -> list[Any]:
    """Return silences, newest first: those that hold, or ``every`` one that was ever made."""
    found = select(silences).order_by(silences.c.id.desc())
    if policy is not None:
        found = found.where(silences.c.policy == policy)
    if not every:
        found = found.where(silences.c.ended.is_(None), silences.c.until > clock.now())
    return [_shown(row._mapping, clock.now()) for row in connection.execute(found)]


def shown(connection: Connection, clock: Clock, identity: int) -> dict[str, Any] | None:
    """Return one silence as people and machines read it; None if there is no such."""
    row = connection.execute(select(silences).where(silences.c.id == identity)).one_or_none()
    return None if row is None else _shown(row._mapping, clock.now())


def _shown(row: Mapping[Any, Any], now: float) -> dict[str, Any]:
    state = "ended" if row["ended"] is not None else "expired" if row["until"] <= now else "active"
    times = {name: None if row[name] is None else stamp(row[name]) for name in _TIMES}
    return {**row, **times, "state": state}


def _sentence(row: Mapping[str, str], until: float, known: Mapping[str, Any]) -> str:
    about = row["trigger"] or "all alerts"
    about += f" {row['key']}" if row.get("key") else ""
    version = f" of version {row['version']}" if row["version"] else ""
    text = f"Nobody is paged about {about}{version} of {row['policy']} until {stamp(until)}."
    if row["trigger"] and known[row["trigger"]].severity == "rollback":
        return f"{row['trigger']} has severity rollback: this silence mutes nothing, rollbacks and their pages go on."
    if row["trigger"] and known[row["trigger"]].severity != "page":
        return f"{text} Its severity is {known[row['trigger']].severity}: it pages nobody anyway."
    return f"{text} Rollbacks and their pages go on."
