"""Rows of ``incidents``: found, and moved by compare-and-swap along the table of ``runbooks.incidents``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from monitor import events
from monitor.clock import Clock
from monitor.store.tables import actions, incidents
from monitor.store.tables import events as log
from runbooks.actions import UNFINISHED
from runbooks.incidents import IncidentEvent, step
from runbooks.machine import UnknownTransitionError

QUIET = 1800.0  # what fires within 30 minutes of an end, a person's word or a last confirmation is the same incident
SET_BACK = 60.0  # real seconds: what was written further in the future was, before the machine's clock was set back
RANK = {"info": 0, "warn": 1, "page": 2, "rollback": 3}
NOBODY: dict[str, Any] = {"ack_by": None, "real_acked": None, "real_ack_expires": None}


class IncidentError(ValueError):
    """It cannot be done to this incident; the message says why, and what to do."""


class IncidentConflictError(IncidentError):
    """It cannot be done in the state in which the incident is; in another one it could."""


@dataclass(frozen=True)
class Incident:
    """An open incident; the versions rolled back in it are never a target again."""

    id: int
    policy: str
    rolled_back: tuple[str, ...]


def of(connection: Connection, identity: int, *, held: bool = False) -> Row[Any] | None:
    """Return an incident's row, None if there is no such.

    ``held``: nobody moves it before the caller's write transaction ends. PostgreSQL lets several write at once: what no
    state tells, such as the level, would be decided twice from the same reading.
    """
    found = select(incidents).where(incidents.c.id == identity)
    return connection.execute(found.with_for_update() if held else found).one_or_none()


def current(connection: Connection, policy: str, *, held: bool = False) -> Row[Any] | None:
    """Return the policy's newest incident that is not closed; ``held`` as in ``of``."""
    c = incidents.c
    opened = select(incidents).where(c.policy == policy, c.closed.is_(None)).order_by(c.id.desc()).limit(1)
    return connection.execute(opened.with_for_update() if held else opened).one_or_none()


def lately_over(connection: Connection, clock: Clock, policy: str) -> Row[Any] | None:
    """Return the policy's newest incident if it ended less than 30 minutes ago: what fires now is the same trouble."""
    c = incidents.c
    newest = select(incidents).where(c.policy == policy).order_by(c.id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return row if row is not None and row.resolved is not None and row.resolved > clock.now() - QUIET else None


def spent(connection: Connection, clock: Clock, policy: str) -> tuple[str, ...]:
    """Return the versions that a rollback would not go to now: rolled back in the incident that it would belong to."""
    row = current(connection, policy) or lately_over(connection, clock, policy)
    return () if row is None else tuple(json.loads(row.rolled_back))


def unanswered_since(connection: Connection, row: Row[Any]) -> float:
    """Return the event time since when nobody has an incident that wakes people: its last beginning, not its page."""
    c = log.c
    mine = (c.policy == row.policy, c.id >= _calm(connection, row.policy))
    begun = select(func.min(c.at)).where(*mine, c.kind.in_([f"incident.{kind}" for kind in _BEGINS]))
    found: float | None = connection.execute(begun).scalar_one()
    return row.opened if found is None else found


def _calm(connection: Connection, policy: str) -> int:
    kinds = [f"incident.{kind}" for kind in {*_KIND.values()} - _BEGINS - {"escalated"}]
    last = select(func.max(log.c.id)).where(log.c.policy == policy, log.c.kind.in_(kinds))
    return connection.execute(last).scalar_one() or 0


def anything_open(connection: Connection) -> bool:
    """Whether any incident is not closed: a cheap read that saves the write transaction of a pass."""
    return connection.execute(select(incidents.c.id).where(incidents.c.closed.is_(None)).limit(1)).first() is not None


def move(
    connection: Connection,
    clock: Clock,
    row: Row[Any],
    event: IncidentEvent,
    actor: str,
    text: str,
    values: Mapping[str, Any],
) -> bool:
    """Take one step, with its event, inside the caller's write transaction; False if the incident moved meanwhile.

    Raises
    ------
    UnknownTransitionError
        If the event cannot happen in the state of ``row``.
    """
    new = step(row.state, event)
    here = update(incidents).where(incidents.c.id == row.id, incidents.c.state == row.state)
    if connection.execute(here.values(state=new.value, **values)).rowcount != 1:
        return False
    note(connection, clock, row.id, row.policy, _KIND[event], actor, text)
    return True


def possible(row: Row[Any], event: IncidentEvent) -> None:
    """Refuse what cannot happen to this incident now.

    Raises
    ------
    IncidentConflictError
        If it cannot: says in which state it is.
    """
    try:
        step(row.state, event)
    except UnknownTransitionError:
        done = {"acknowledge": "acknowledged", "unacknowledge": "given back", "resolve": "resolved"}
        what = done.get(event.value, "mitigated")
        raise IncidentConflictError(f"incident {row.id} is {row.state}: it cannot be {what}") from None


def note(
    connection: Connection,
    clock: Clock,
    identity: int,
    policy: str,
    kind: str,
    actor: str,
    text: str,
    **more: Any,
) -> None:
    """Append an event that is about an incident."""
    events.record(connection, clock, f"incident.{kind}", policy, actor, {"incident": identity, "text": text, **more})


def answered(row: Row[Any], real: float) -> bool:
    """Whether somebody's acknowledgement holds now; one from the future was given before the clock was set back."""
    if row.real_ack_expires is None:
        return False
    return bool(row.real_acked - SET_BACK <= real < row.real_ack_expires)


def unfinished(connection: Connection, identity: int) -> list[str]:
    """Return the states of the incident's actions that are not finished; while there is one it cannot be over."""
    c = actions.c
    found = select(c.state).where(c.incident == identity, c.state.in_(UNFINISHED)).order_by(c.state)
    return list(connection.execute(found).scalars())


def person(by: str) -> str:
    """Return a person's name, trimmed.

    Raises
    ------
    IncidentError
        If it is empty.
    """
    if not by.strip():
        raise IncidentError("say who: a name that the others know")
    return by.strip()


_KIND = {
    IncidentEvent.TRIGGER: "triggered",
    IncidentEvent.ESCALATE: "escalated",
    IncidentEvent.ACKNOWLEDGE: "acknowledged",
    IncidentEvent.UNACKNOWLEDGE: "unacknowledged",
    IncidentEvent.EXPIRE: "expired",
    IncidentEvent.START_MITIGATION: "mitigating",
    IncidentEvent.CONFIRM_MITIGATION: "mitigated",
    IncidentEvent.RESUME: "resumed",
    IncidentEvent.RESOLVE: "resolved",
    IncidentEvent.CLOSE: "closed",
    IncidentEvent.REOPEN: "reopened",
}
_BEGINS = frozenset({"opened", "triggered", "unacknowledged", "expired", "reopened"})  # then somebody is waited for
