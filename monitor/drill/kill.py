"""Perform a drill of the kill switch: once as it is thrown every day, and once with the database stopped."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import select

from monitor import breakglass
from monitor.acting import by_hand
from monitor.drill import kept, telling
from monitor.drill.ground import GroundError
from monitor.drill.network import Wait, follow
from monitor.drill.prepare import begun_by, hooks_of
from monitor.drill.receiver import Loopback
from monitor.drill.site import Site, opened, settings_of, workspace
from monitor.drill.steps import CannotDrillError, Steps
from monitor.drill.stream import Stream
from monitor.log_store.schema import TIMESTAMP
from monitor.settings import Hook
from monitor.store.database import Database, DatabaseUnavailableError
from monitor.store.tables import routes
from monitor.tick import Parts

_ROWS = 20
_PATIENCE = 0.5  # real seconds until a database that does not answer is given up


def drill_kill(
    parts: Parts,
    policy: str,
    *,
    by: str,
    receiver: str = "builtin",
    serving: Loopback | None = None,
    wait: Wait = time.sleep,
) -> dict[str, Any]:
    """Drill the kill switch of a policy and return what was kept of it; parameters and errors as for ``drill``.

    The second half always goes to the drill's own serving side: what is sent without the database carries no word that
    it is a drill.
    """
    more = hooks_of(parts.settings, policy, receiver)
    begun = begun_by(parts, policy, kept.KILL, receiver, by)
    steps, took = Steps(), [0.0]
    safe = by_hand.safe_version(parts.settings, policy)
    try:
        if begun.version == safe:
            raise CannotDrillError(f"{safe} serves {policy} already: there is nothing that the kill switch would stop.")
        for dark in (False, True):
            side = serving or Loopback(parts.clock)
            with workspace() as home, side.listening() as url, _site(
                parts, begun, home, url, {} if dark else more, side
            ) as site:  # fmt: skip
                seconds = (_in_the_dark if dark else _thrown)(site, side, begun, safe, steps, wait, parts)
            if seconds is None:
                break
            took.append(seconds)
    except (CannotDrillError, GroundError) as error:
        steps.add("prepared", "insufficient", str(error))
    title = f"The kill switch of {policy}: {steps.state}"
    telling.tell(parts, begun, "update", "rollback", title, steps.why())
    with parts.database.begin() as connection:
        return kept.write(
            connection, parts.settings, parts.clock, begun, steps,
            to_version=safe, seconds=max(took) if steps.state == "passed" else None, trigger=None,
        )  # fmt: skip


@contextmanager
def _site(
    parts: Parts, begun: kept.Begun, home: Path, url: str, more: dict[str, Hook], side: Loopback
) -> Iterator[Site]:
    made = settings_of(parts.settings, begun.policy, begun.version, {}, home, url, more)
    with parts.database.read() as connection:
        found = select(routes.c.generation).where(routes.c.policy == begun.policy)
        generation = int(connection.execute(found).scalar_one_or_none() or 1)
    with opened(parts, begun.policy, made, home, begun.began, generation, None, side) as site:
        yield site


def _thrown(
    site: Site, side: Loopback, begun: kept.Begun, safe: str, steps: Steps, wait: Wait, parts: Parts
) -> float | None:
    """Throw the switch and follow it."""
    with site.parts.database.begin() as connection:
        outcome = by_hand.stop(connection, site.parts, begun.policy, "A drill of the kill switch.", begun.by)
    if outcome.to_version != safe:
        steps.add("requested", "failed", f"The kill switch does not go to {safe}: {outcome.sentence}")
        return None
    stream = Stream(parts, site, None, begun.policy, begun.version, 60)
    return follow(site, stream, side, _rows(site, begun), steps, parts.settings.drill.rollback_within, wait)


def _in_the_dark(
    site: Site, side: Loopback, begun: kept.Begun, safe: str, steps: Steps, wait: Wait, parts: Parts
) -> float | None:
    """Stop the drill's database, see that nothing goes through it, roll back by the local copy, then replay."""
    inner, limit = site.parts, parts.settings.drill.rollback_within
    with inner.database.read() as connection:
        breakglass.refresh(connection, inner.settings, inner.clock)
    since = parts.clock.real()
    with _stopped(site.home / "drill.db"):
        impatient = Database(inner.database.url, busy=_PATIENCE)
        try:
            with impatient.begin() as connection:
                by_hand.stop(connection, inner, begun.policy, "A drill without the database.", begun.by)
        except DatabaseUnavailableError:
            steps.add("database_stopped", "passed", "The drill's database is stopped: nothing can be written to it.")
        else:
            steps.add("database_stopped", "insufficient", "The drill's database could not be stopped.")
            return None
        finally:
            impatient.close()
        reason = f"A drill of {begun.by} without the database."
        done = breakglass.roll_back(inner.settings, inner.clock, begun.policy, safe, reason)
        now = parts.clock.real()
        if set(done.states.values()) != {"delivered"} or side.serving != safe:
            told = " ".join(done.details)
            steps.add("break_glass", "failed", f"Without the database {safe} does not serve: {told}", real=now)
            return None
        what = f"Without the database the serving side shows {safe}"
        steps.within("break_glass", now - since, limit, what, now)
    replayed = breakglass.replay(inner.database, inner.settings, inner.clock)
    with inner.database.read() as connection:
        shown = connection.execute(select(routes.c.serving).where(routes.c.policy == begun.policy)).scalar_one()
    if shown != safe:
        steps.add("replayed", "failed", f"The journal was replayed ({replayed}) and the route still names {shown}.")
        return None
    text = f"The journal was replayed when the database was back, and the route names {safe}."
    steps.add("replayed", "passed", text, real=parts.clock.real())
    return float(now - since)


@contextmanager
def _stopped(path: Path) -> Iterator[None]:
    """Hold the file's write lock, as a database that does not answer does."""
    held = sqlite3.connect(path, isolation_level=None)
    try:
        held.execute("BEGIN EXCLUSIVE")
        yield
        held.execute("ROLLBACK")
    finally:
        held.close()


def _rows(site: Site, begun: kept.Begun) -> pa.Table:
    """Return the least that a log can have: the kill switch is confirmed by versions alone."""
    action = next(iter(site.parts.settings.policy[begun.policy].actions), "drill")
    texts = {"decision_id": "drill", "policy": begun.policy, "version": begun.version, "action": action}
    table = {name: pa.array([value] * _ROWS, pa.string()) for name, value in texts.items()}
    return pa.table({**table, "ts": pa.array([0] * _ROWS).cast(TIMESTAMP)})
