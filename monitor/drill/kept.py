"""Drills as they are kept: written once, with the digest of all they say, and what of them still counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from monitor import events, playbook, runtime
from monitor.clock import Clock, stamp
from monitor.drill.steps import Steps
from monitor.events import canonical
from monitor.settings import ConfigurationError, Settings, Trigger
from monitor.store.database import Database, DatabaseUnavailableError
from monitor.store.tables import drills
from runbooks.pages import duration

KILL = "kill"  # what the drill of the kill switch is kept under
ENDED = "drill.ended"
DAY = 86400.0
EVERY = 30 * DAY  # of the kill switch, which has no page of its own


@dataclass(frozen=True)
class Begun:
    """What is known of a drill before it begins."""

    policy: str
    trigger: str
    version: str
    receiver: str
    by: str
    began: float
    real_began: float


def digest(trigger: Trigger | None) -> str:
    """Return the digest of a trigger as it is configured: a drill proves the one that was drilled, and no other."""
    plain = {} if trigger is None else trigger.model_dump(mode="json")
    return hashlib.sha256(canonical(plain).encode()).hexdigest()


def write(
    connection: Connection, settings: Settings, clock: Clock, begun: Begun, steps: Steps, *,
    to_version: str, seconds: float | None, trigger: Trigger | None,
) -> dict[str, Any]:  # fmt: skip
    """Write a drill that has ended and its event, inside the caller's transaction; return it as it is shown."""
    state = steps.state
    row: dict[str, Any] = {
        **vars(begun),
        "to_version": to_version,
        "page": _page(settings, begun.trigger),
        "ended": clock.now(),
        "real_ended": clock.real(),
        "state": state,
        "sentence": _sentence(begun, steps, to_version, seconds),
        "seconds": seconds,
        "steps": canonical(steps.found),
        "code": installed("checkrein"),
        "parameters": digest(trigger),
    }
    row["sha256"] = hashlib.sha256(canonical(row).encode()).hexdigest()
    identity = int(connection.execute(insert(drills).values(row).returning(drills.c.id)).scalar_one())
    body = {"drill": identity, "trigger": begun.trigger, "state": state, "sha256": row["sha256"]}
    events.record(connection, clock, ENDED, begun.policy, begun.by, {**body, "text": row["sentence"]})
    return shown(connection.execute(select(drills).where(drills.c.id == identity)).one())


def shown(row: Row[Any]) -> dict[str, Any]:
    """Return a row of ``drills`` as plain data, with its steps."""
    found = {**row._mapping, "steps": json.loads(row.steps)}
    return {**found, "began": stamp(row.began), "ended": stamp(row.ended)}


def intact(row: Row[Any]) -> bool:
    """Whether a stored drill is still what its digest was taken of."""
    said = {name: value for name, value in row._mapping.items() if name not in {"id", "sha256"}}
    return bool(hashlib.sha256(canonical(said).encode()).hexdigest() == row.sha256)


def newest_passed(connection: Connection, policy: str | None = None) -> dict[tuple[str, str], Row[Any]]:
    """Return the newest passed drill of each (policy, trigger) that has not failed since.

    One whose row was changed afterwards is none. One that shows nothing takes nothing back.
    """
    newest = _newest(connection, policy)
    return {where: row for where, row in newest.items() if row.state == "passed" and intact(row)}


def _newest(connection: Connection, policy: str | None) -> dict[tuple[str, str], Row[Any]]:
    """Return the newest drill of each (policy, trigger) that passed or failed."""
    shows = drills.c.state != "insufficient"
    last = select(func.max(drills.c.id)).where(shows).group_by(drills.c.policy, drills.c.trigger)
    found = select(drills).where(drills.c.id.in_(last))
    if policy is not None:
        found = found.where(drills.c.policy == policy)
    return {(row.policy, row.trigger): row for row in connection.execute(found)}


def dates(connection: Connection) -> Mapping[tuple[str, str], str]:
    """Return the day of the newest passed drill of each (policy, trigger), as pages write it."""
    return {where: stamp(row.ended)[:10] for where, row in newest_passed(connection).items()}


def dates_of(settings: Settings) -> Mapping[tuple[str, str], str]:
    """Return ``dates`` of a configuration's database, nothing where it is not there: a page is checked without one."""
    url = runtime.url_of(settings)
    database = Database(url)
    if database.sqlite and not Path(str(database.engine.url.database)).exists():
        return {}
    try:
        with database.read() as connection:
            return dates(connection)
    except (DatabaseUnavailableError, SQLAlchemyError):
        return {}  # away, or older than the table
    finally:
        database.close()


def overdue(connection: Connection, settings: Settings, clock: Clock, policy: str) -> list[dict[str, Any]]:
    """Return the drills of a policy that failed at last, or are older than their page allows; the kill switch 30 days.

    What was never drilled is no finding here: the checklist says so.
    """
    known, found = settings.triggers(policy), []
    for (_policy, trigger), row in sorted(_newest(connection, policy).items()):
        every = EVERY
        if trigger in known:
            try:
                every = duration(playbook.page_for(settings, trigger).drill_every)
            except ConfigurationError:
                every = EVERY
        elif trigger != KILL:
            continue
        age, text = clock.now() - row.ended, ""
        if row.state == "failed":
            text = f"{row.sentence} Repair it and drill it again."
        elif age > every:
            text = f"{trigger} of {policy} was last drilled {age / DAY:.0f} days ago; due every {every / DAY:g} days."
        if text:
            found.append({"trigger": trigger, "last": stamp(row.ended), "age_s": round(age, 3), "sentence": text})
    return found


def _page(settings: Settings, trigger: str) -> str:
    try:
        page = playbook.page_for(settings, trigger)
    except ConfigurationError:
        return ""
    return hashlib.sha256(canonical([page.text, page.front_matter()]).encode()).hexdigest()


def _sentence(begun: Begun, steps: Steps, to_version: str, seconds: float | None) -> str:
    what = "the kill switch" if begun.trigger == KILL else begun.trigger
    head = f"The drill of {what} for {begun.policy}"
    if steps.state == "passed":
        how = f": {begun.version} -> {to_version} confirmed after {seconds:.3g} s" if seconds is not None else ""
        return f"{head} passed{how}."
    return f"{head} {'failed' if steps.state == 'failed' else 'shows nothing'}: {steps.why()}"
