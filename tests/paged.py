"""A policy with one trigger of severity page, moved by hand through what every pass writes, and what people got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from detectors import State, Verdict
from monitor import events, tick
from monitor.acting.rollback import ensure_policy, ensure_route
from monitor.clock import ManualClock
from monitor.judging import decide
from monitor.judging.decide import Alert, Change
from monitor.judging.judge import Judgement
from monitor.landing.land import Landing
from monitor.settings import parse, shipped_triggers
from monitor.store.database import Database
from monitor.store.tables import events as log
from monitor.tick import Parts

RULE = {"metric": "reward", "detector": "limit", "window": "1m", "for": "1 window", "clear": "1 window"}
LIMIT = {"threshold": 0.5, "side": "below", "min_n": 2}


def parts_of(
    database: Database, clock: ManualClock, root: Path, tables: Mapping[str, Any] | None = None, **policy: Any
) -> Parts:
    """Build a policy p that has the triggers low (page), mild (warn) and grave (rollback), and no other."""
    triggers: dict[str, Any] = {name: {"enabled": False} for name in shipped_triggers()}
    for name, severity in (("low", "page"), ("mild", "warn"), ("grave", "rollback")):
        triggers[name] = {**RULE, **LIMIT, "severity": severity}
    table = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6"], **policy}
    policies = {"store": {"lake": "lake"}, "policy": {"p": table}, "trigger": triggers}
    settings = parse({**policies, **(tables or {})}, root)
    with database.begin() as connection:
        ensure_policy(connection, settings, "p")
        ensure_route(connection, settings, clock, "p")
    return Parts(settings, database, clock, Landing(database, settings, clock))


def judged(parts: Parts, bad: bool | None, trigger: str = "low", keys: tuple[str, ...] = ("",)) -> None:
    """Judge one window that ends now for one trigger, and write it as a pass does; None: a pass without a window."""
    verdict = Verdict(State.FIRE if bad else State.OK, 0.1, None, 0.5, 9, "The reward fell.")
    with parts.database.begin() as connection:
        decide.hold(connection, "p")
        stored = decide.load(connection, "p")
        found = Judgement(alerts=dict(stored))
        for key in keys if bad is not None else ():
            rule = parts.settings.triggers("p")[trigger]
            where = ("v7", trigger, key)
            old = stored.get(where) or Alert("p", *where, rule.severity)
            alert, change = decide.step(old, verdict, parts.clock.now(), rule, {})
            found.alerts[where] = alert
            found.changes += [change] if isinstance(change, Change) else []
        tick._write(connection, parts, "p", found, decide.changed(connection, "p", stored, found.alerts.values()))


def pages(parts: Parts) -> list[Mapping[str, Any]]:
    """Return what people were paged about alerts, oldest first."""
    with parts.database.read() as connection:
        rows = connection.execute(select(log.c.body).where(log.c.kind == events.PAGE).order_by(log.c.id)).scalars()
        return [json.loads(body) for body in rows]
