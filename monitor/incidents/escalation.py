"""Who is told of an incident, and who when nobody answers: judged in real time, from rows alone.

Each pass of the action loop asks ``due`` (one read while nothing is open) and lets ``care`` do what is due, so that a
process that is killed leaves nothing behind but rows that the next one reads.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from monitor.clock import Clock
from monitor.incidents import steps, telling
from monitor.incidents.firing import firing
from monitor.incidents.oncall import turn
from monitor.incidents.opening import rise
from monitor.incidents.rows import NOBODY, SET_BACK, IncidentConflictError, answered, move, of, person, unfinished
from monitor.notify.channels import channels_of
from monitor.settings import Settings
from monitor.store.tables import incidents
from runbooks.incidents import ACTIVE, ANSWERED, IncidentEvent, IncidentState

ACK_WITHIN = 300.0  # real seconds for the first answer where neither an escalation nor a page says it
REPEAT = 900.0  # and from then on, until somebody answers
_AT_ONCE = 8  # things that one incident can need in one pass


@dataclass(frozen=True)
class Rung:
    """One level of an escalation; without targets it is every channel that serves the policy."""

    notify: tuple[str, ...]
    within: float


def rungs(settings: Settings, row: Row[Any]) -> list[Rung]:
    """Return the levels of an incident's escalation; the last one repeats."""
    configured = settings.policy.get(row.policy)
    named = settings.escalation.get(configured.escalation) if configured and configured.escalation else None
    if named is None:
        return [Rung((), row.ack_within or ACK_WITHIN), Rung((), REPEAT)]
    return [Rung(level.notify, level.within) for level in named.levels]


def targets(settings: Settings, clock: Clock, policy: str, notify: Collection[str]) -> list[str]:
    """Return the channels that a level reaches now. One that reaches nobody, as in a gap of a rota, reaches all."""
    found: list[str] = []
    for target in notify:
        kind, colon, name = target.partition(":")
        if not colon:
            found.append(target)
            continue
        person: str | None = name
        if kind == "oncall":
            held = turn(settings.oncall[name], clock.now()) if name in settings.oncall else None
            person = None if held is None else held.person
        if person in settings.person:
            found += settings.person[person].notify
    return list(dict.fromkeys(found)) or list(channels_of(settings, policy))


def due(connection: Connection, settings: Settings, clock: Clock) -> list[int]:
    """Return the open incidents for which something is to be done now."""
    opened = connection.execute(select(incidents).where(incidents.c.closed.is_(None)).order_by(incidents.c.id)).all()
    return [row.id for row in opened if _next(connection, settings, clock, row) is not None]


def care(connection: Connection, settings: Settings, clock: Clock, identity: int) -> list[str]:
    """Do everything that is due for an incident, inside the caller's write transaction; return what it was."""
    done: list[str] = []
    for _ in range(_AT_ONCE):
        row = of(connection, identity, held=True)
        what = None if row is None or row.closed is not None else _next(connection, settings, clock, row)
        if row is None or what is None:
            break
        done.append(what)
        _do(connection, settings, clock, row, what)
    return done


def escalate(connection: Connection, settings: Settings, clock: Clock, identity: int, by: str) -> bool:
    """Wake the next level now, because a person says so; False if there is no such incident.

    One that somebody has taken is given back by that: whoever is woken is to take it.

    Raises
    ------
    IncidentError
        If the name is empty, or the incident is not one that wakes people.
    """
    who, row = person(by), of(connection, identity)
    if row is None:
        return False
    if row.state not in ACTIVE:
        raise IncidentConflictError(f"incident {identity} is {row.state}: it wakes nobody, so there is no next level")
    if row.state == IncidentState.TRIGGERED and row.led_by is not None:
        raise IncidentConflictError(f"incident {identity} waits with incident {row.led_by}: escalate that one")
    if row.state in ANSWERED:
        values = {**NOBODY, "real_next_escalation": clock.real()}
        text = f"{who} gives incident {identity} to the next level."
        move(connection, clock, row, IncidentEvent.UNACKNOWLEDGE, who, text, values)
        row = of(connection, identity) or row
    if not _escalate(connection, settings, clock, row, who):
        raise IncidentConflictError(f"incident {identity} moved at the same moment: look again")
    return True


def late(settings: Settings, row: Row[Any], real: float) -> bool:
    """Whether the next level is due. What lies further ahead than it can was set before the clock was set back."""
    if row.real_next_escalation is None or row.real_next_escalation <= real:
        return True
    if row.real_told is not None and real < row.real_told - SET_BACK:
        return True
    return bool(row.real_next_escalation > real + max(rung.within for rung in rungs(settings, row)) + SET_BACK)


def _next(connection: Connection, settings: Settings, clock: Clock, row: Row[Any]) -> str | None:
    real, untold = clock.real(), row.state == IncidentState.TRIGGERED and row.level == 0
    fires = bool(firing(connection, settings, clock, row.policy))
    if row.state == IncidentState.RESOLVED:
        return "reopen" if fires else None
    over = not fires and not row.asks and not unfinished(connection, row.id)
    if row.state == IncidentState.MITIGATED:
        if not over:
            return "back"
    elif row.state in ANSWERED and not answered(row, real):
        return "expire"
    elif row.state == IncidentState.TRIGGERED and row.led_by is not None:
        if over:
            return "mitigate"  # also when its leader is over: nobody is woken for what was over before they were told
        leader = of(connection, row.led_by)
        return "detach" if leader is None or leader.state not in ACTIVE else None
    elif row.state in ACTIVE and over and not untold:
        return "mitigate"
    elif row.state == IncidentState.TRIGGERED and late(settings, row, real):
        return "escalate"
    if row.state in ACTIVE and steps.late(connection, clock, row.id) is not None:
        return "step"
    recent = row.real_told is not None and -SET_BACK <= real - row.real_told < telling.EVERY
    return "update" if not recent and not untold and telling.anything(connection, row) else None


def _do(connection: Connection, settings: Settings, clock: Clock, row: Row[Any], what: str) -> None:
    real = clock.real()
    if what == "escalate":
        _escalate(connection, settings, clock, row)
    elif what == "expire":
        text = f"The acknowledgement of {row.ack_by} ran out, and the incident is not over."
        values = {**NOBODY, "level": 0, "real_next_escalation": real}
        move(connection, clock, row, IncidentEvent.EXPIRE, "checkrein", text, values)
    elif what == "mitigate":
        text = f"Nothing fires any more and every rollback of incident {row.id} is confirmed."
        values = {"mitigated": clock.now(), "real_next_escalation": None, "led_by": None}
        move(connection, clock, row, IncidentEvent.CONFIRM_MITIGATION, "checkrein", text, values)
    elif what == "back":
        _back(connection, settings, clock, row)
    elif what == "reopen":
        values = {"resolved": None, "resolved_by": None, "mitigated": None, "reopened": row.reopened + 1, **NOBODY}
        values |= {"level": 0, "real_next_escalation": real}
        move(connection, clock, row, IncidentEvent.REOPEN, "checkrein", "It fires again after it was resolved.", values)
    elif what == "detach":
        # It speaks for the others from now on: that their leader is over is one message, not nineteen.
        here = update(incidents).where(incidents.c.led_by == row.led_by, incidents.c.closed.is_(None))
        connection.execute(here.where(incidents.c.id != row.id).values(led_by=row.id))
        connection.execute(here.where(incidents.c.id == row.id).values(led_by=None, real_next_escalation=real))
    elif what == "step":
        step = steps.late(connection, clock, row.id)
        if step is not None:
            steps.time_out(connection, clock, row.policy, step)
    else:
        first = rungs(settings, row)[0].notify
        known = telling.told(connection, row.id) or targets(settings, clock, row.policy, first)
        telling.tell(connection, clock, row, "update", channels=known)


def _escalate(connection: Connection, settings: Settings, clock: Clock, row: Row[Any], by: str = "") -> bool:
    """Wake the next level, by the clock or ``by`` somebody; False if the incident moved meanwhile."""
    levels, real = rungs(settings, row), clock.real()
    level = min(row.level + 1, len(levels))
    rung = levels[level - 1]
    reached = targets(settings, clock, row.policy, rung.notify)
    who = ", ".join(reached) or "nobody, because no [notify.NAME] serves the policy"
    why = f"{by} asks for help" if by else "Nobody has acknowledged in time" if row.level else ""
    named = f"level {level} of {len(levels)}"
    text = f"{why}: {named}, to {who}." if why else f"Level {level} of {len(levels)}, to {who}."
    values = {"level": level, "real_next_escalation": real + rung.within, "real_told": real}
    if not move(connection, clock, row, IncidentEvent.ESCALATE, by or "checkrein", text, values):
        return False
    said = f"{why}: {named}." if why else ""
    telling.tell(connection, clock, row, "page", said, channels=reached, level=level, levels=len(levels))
    return True


def _back(connection: Connection, settings: Settings, clock: Clock, row: Row[Any]) -> None:
    """Go on with a mitigated incident that fires again without a page: at the pace of its escalation, not anew.

    What paged lately and flaps wakes nobody by flapping (``monitor.alerting.paging``), and nobody forgets it either.
    """
    real = clock.real()
    if answered(row, real) or row.level == 0 or row.real_told is None:
        rise(connection, clock, row.id, severity=row.severity)
        return
    levels = rungs(settings, row)
    within = levels[min(row.level, len(levels)) - 1].within
    begun = min(row.real_told, real)
    values = {**NOBODY, "mitigated": None, "real_next_escalation": max(real, begun + within)}
    move(connection, clock, row, IncidentEvent.TRIGGER, "checkrein", "It fires again.", values)
