"""Rotas: who is on call at a time, who comes next, and when nobody is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitor.clock import stamp
from monitor.settings import Settings
from monitor.settings.oncall import Oncall

DAY = 86400.0
AHEAD = 168 * 3600.0  # a gap is said a week before it is there
_MOST = 400  # turns looked through


@dataclass(frozen=True)
class Turn:
    """One person's time on call."""

    person: str
    begin: float
    end: float
    override: bool = False


def turn(rota: Oncall, at: float) -> Turn | None:
    """Return who is on call at a time, None if nobody is. Of overrides that overlap the last one counts.

    Turns of whole days hand over at the same local time, through every change of summer time.

    Examples
    --------
    >>> from datetime import datetime
    >>> rota = Oncall(people=("anna", "bo"), start=datetime(2026, 11, 2, 9), zone="Europe/Berlin")
    >>> turn(rota, datetime.fromisoformat("2026-11-09T08:00:00+00:00").timestamp()).person
    'bo'
    """
    for change in reversed(rota.override):
        begin, end = change.from_.timestamp(), change.until.timestamp()
        if begin <= at < end:
            return Turn(change.person, begin, end, True)
    ends = math.inf if rota.until is None else rota.until.timestamp()
    first = _handover(rota, 0)
    if not first <= at < ends:
        return None
    number = max(0, math.floor((at - first) / rota.every))
    while number > 0 and _handover(rota, number) > at:
        number -= 1
    while _handover(rota, number + 1) <= at:
        number += 1
    end = min([_handover(rota, number + 1), ends, *(begin for begin in _begins(rota) if begin > at)])
    return Turn(rota.people[number % len(rota.people)], _handover(rota, number), end)


def gaps(rota: Oncall, begin: float, end: float) -> list[tuple[float, float]]:
    """Return the spans in which nobody is on call."""
    found: list[tuple[float, float]] = []
    at = begin
    for _ in range(_MOST):
        if at >= end:
            break
        held = turn(rota, at)
        if held is not None:
            at = held.end
            continue
        until = min([end, *(edge for edge in (_handover(rota, 0), *_begins(rota)) if edge > at)])
        found.append((at, until))
        at = until
    return found


def missing(settings: Settings, now: float, policy: str) -> list[str]:
    """Return a sentence for each time in the coming 168 hours in which a rota that a policy needs has nobody."""
    named = settings.escalation.get(settings.policy[policy].escalation or "")
    wanted = {target for level in named.levels for target in level.notify} if named else set()
    return [
        f"Nobody is on call in the rota {name} from {stamp(begin)} until {stamp(end)}: every channel is told then. "
        f"Add an [[oncall.{name}.override]]."
        for name, rota in sorted(settings.oncall.items())
        if f"oncall:{name}" in wanted
        for begin, end in gaps(rota, now, now + AHEAD)
    ]


def shown(settings: Settings, at: float) -> list[dict[str, Any]]:
    """Return every rota with who is on call at a time, and who is next."""
    return [_shown(settings, name, rota, at) for name, rota in sorted(settings.oncall.items())]


def _shown(settings: Settings, name: str, rota: Oncall, at: float) -> dict[str, Any]:
    now = turn(rota, at)
    after = turn(rota, now.end) if now is not None else None
    if now is None:
        later = [edge for edge in (_handover(rota, 0), *_begins(rota)) if edge > at]
        after = turn(rota, min(later)) if later else None
    empty = [{"from": stamp(begin), "until": stamp(end)} for begin, end in gaps(rota, at, at + AHEAD)]
    return {"rota": name, "at": stamp(at), "now": _turn(settings, now), "next": _turn(settings, after), "gaps": empty}


def _turn(settings: Settings, held: Turn | None) -> dict[str, Any] | None:
    if held is None:
        return None
    notify = list(settings.person[held.person].notify) if held.person in settings.person else []
    until = None if math.isinf(held.end) else stamp(held.end)
    told = {"person": held.person, "from": stamp(held.begin), "until": until}
    return {**told, "override": held.override, "notify": notify}


def _begins(rota: Oncall) -> list[float]:
    return [change.from_.timestamp() for change in rota.override]


def _handover(rota: Oncall, number: int) -> float:
    """Return when a turn begins: by the wall clock of its zone where turns are whole days, else by plain seconds."""
    zone = ZoneInfo(rota.zone)
    local = rota.start if rota.start.tzinfo is None else rota.start.astimezone(zone).replace(tzinfo=None)
    if rota.every % DAY == 0:
        return (local + timedelta(seconds=number * rota.every)).replace(tzinfo=zone).timestamp()
    return local.replace(tzinfo=zone).timestamp() + number * rota.every
