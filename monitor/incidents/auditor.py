"""Who watches the watch: every alert that must wake somebody has an incident whose escalation goes on.

Only while that is so does a sign of life leave the machine (a dead-man heartbeat): whoever receives it elsewhere hears
a silence when this process, its database or its escalation has stopped.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import Connection, Row, select

from monitor import events
from monitor.clock import Clock
from monitor.hooks.exchange import exchange
from monitor.incidents.escalation import late
from monitor.incidents.firing import firing
from monitor.incidents.opening import open_incident, rise
from monitor.incidents.rows import answered, current, of
from monitor.settings import ConfigurationError, Settings, secret
from monitor.store.database import upsert
from monitor.store.tables import heartbeats, incidents, notifications
from monitor.tick import Parts
from runbooks.incidents import ACTIVE, ANSWERED, IncidentState

PAUSE = 30.0  # real seconds between two audits
PART = "auditor"  # its sign of life, with what it found
GRACE = 60.0  # real seconds after which the action loop, which looks twice a second, should have acted
_GOOD = "every alert is cared for"
_LOST = frozenset({"dead_letter", "cancelled"})

log = logging.getLogger("checkrein")


@dataclass(frozen=True)
class Finding:
    """Something that nobody is being told; ``uncovered`` is the severity of an alert without an open incident."""

    policy: str
    text: str
    uncovered: str = ""


def findings(connection: Connection, settings: Settings, clock: Clock, only: str | None = None) -> list[Finding]:
    """Return what is wrong with the escalation of what fires; a pure read, empty while all is well.

    ``only`` limits it to one policy.
    """
    found = []
    for policy in settings.policy if only is None else (only,):
        held = firing(connection, settings, clock, policy, ("firing",))
        row = current(connection, policy) if held else None
        if held and (row is None or row.state in {IncidentState.RESOLVED, IncidentState.MITIGATED}):
            names = ", ".join(dict.fromkeys(alert.trigger for alert in held))
            worst = "rollback" if any(alert.severity == "rollback" for alert in held) else "page"
            found.append(Finding(policy, f"{names} fires for {policy}, and no incident wakes anybody for it.", worst))
    c = incidents.c
    opened = select(incidents).where(c.closed.is_(None), c.state.in_(ACTIVE)).order_by(c.id)
    opened = opened if only is None else opened.where(c.policy == only)
    for row in connection.execute(opened).all():
        found += [Finding(row.policy, text) for text in _stuck(connection, settings, clock, row)]
    return found


class Auditor:
    """Audits, keeps a record of what is new, and gives the sign of life while nothing is wrong.

    Parameters
    ----------
    parts
        Configuration, state and time.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._uncovered: set[str] = set()  # policies without an incident at the last look: a pass may be under way
        self._pinged: float | None = None

    def run(self) -> list[Finding]:
        """Look once; open an incident for what has none twice in a row. Returns what is wrong."""
        parts = self._parts
        with parts.database.read() as connection:
            found = findings(connection, parts.settings, parts.clock)
        again = [one for one in found if one.uncovered and one.policy in self._uncovered]
        self._uncovered = {one.policy for one in found if one.uncovered}
        sure = [one for one in found if not one.uncovered] + again
        fault = "" if found else self._ping()
        with parts.database.begin() as connection:
            self._record(connection, sure, fault)
            for one in again:
                opened = open_incident(connection, parts.clock, one.policy, one.text, severity=one.uncovered)
                rise(connection, parts.clock, opened.id, severity=one.uncovered)
        return found

    def _record(self, connection: Connection, found: list[Finding], fault: str) -> None:
        clock, texts = self._parts.clock, [one.text for one in found]
        here = select(heartbeats.c.note).where(heartbeats.c.part == PART)
        before = connection.execute(here).scalar_one_or_none() or ""
        known = json.loads(before) if before.startswith("[") else []
        for one in found:
            if one.text not in known:
                log.error("PAGE: %s", one.text)
                events.record(connection, clock, "auditor.finding", one.policy, "checkrein", {"text": one.text})
        note = events.canonical(texts) if texts else fault or _GOOD
        row = {"part": PART, "real_at": clock.real(), "at": clock.now(), "note": note}
        upsert(connection, heartbeats, [row])

    def _ping(self) -> str:
        """Give the sign of life where one is due; return why it did not arrive, "" where it did or none is due."""
        told, real = self._parts.settings.heartbeat, self._parts.clock.real()
        if told.url is None or (self._pinged is not None and 0 <= real - self._pinged < told.every):
            return ""
        try:
            address = told.url if told.url.startswith("http") else secret(told.url, "heartbeat.url")
            status, _, _ = asyncio.run(exchange("GET", address, told.timeout))
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError, ConfigurationError) as error:
            fault = f"the heartbeat did not arrive: {type(error).__name__}"  # the address may be a secret
        else:
            if 200 <= status < 300:
                self._pinged = real
                return ""
            fault = f"the heartbeat was answered with {status}"
        log.warning(fault)
        return fault


def _stuck(connection: Connection, settings: Settings, clock: Clock, row: Row[Any]) -> list[str]:
    real, said = clock.real(), f"Incident {row.id} of {row.policy}"
    found = []
    if row.state in ANSWERED and not answered(row, real) and not answered(row, real - GRACE):
        found.append(f"{said} was acknowledged by {row.ack_by}; that ran out, and nobody else was told.")
    if row.state == IncidentState.TRIGGERED and row.led_by is not None:
        leader = of(connection, row.led_by)
        if leader is None or leader.state not in ACTIVE:
            found.append(f"{said} waits with incident {row.led_by}, which wakes nobody any more.")
    elif row.state == IncidentState.TRIGGERED and late(settings, row, real) and _long(row, real):
        found.append(f"{said} is not acknowledged, and its escalation stands still.")
    c = notifications.c
    sent = select(c.state, c.real_requested).where(c.incident == row.id, c.kind == "page")
    messages = connection.execute(sent.order_by(c.real_requested.desc())).all()
    last = {message.state for message in messages if message.real_requested == messages[0].real_requested}
    if last and last <= _LOST and row.state == IncidentState.TRIGGERED:
        found.append(f"{said} reached nobody: its last message could not be delivered.")
    return found


def _long(row: Row[Any], real: float) -> bool:
    """Whether the action loop has had time: one that was never told of, or whose time is unknown, has had it."""
    if row.real_next_escalation is None or row.real_next_escalation > real:
        return True
    return bool(real - row.real_next_escalation > GRACE)
