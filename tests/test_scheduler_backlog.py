"""After months without a worker: judged in pieces that let others in, and judged alike."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from monitor.clock import ManualClock
from monitor.running import slots
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import policies, verdicts
from monitor.store.tables import slots as table
from monitor.tick import Parts, tick

EPOCH, DAY = 1_750_000_000.0, 86400.0
CONFIGURED = {
    "incumbent": "v6",
    "serving": "v7",
    "fallbacks": ["v6"],
    "lateness": "60s",
    "constraint": {"melt": {"cost": "melt", "hard": True}},
}


def built(root: Path, clock: ManualClock) -> Parts:
    root.mkdir()
    return build(parse({"policy": {"p": CONFIGURED}}, root), clock)


def judged(parts: Parts) -> set[tuple[Any, ...]]:
    """Return what was judged, and how."""
    c = verdicts.c
    with parts.database.read() as connection:
        return set(connection.execute(select(c.trigger, c.version, c.key, c.end, c.state, c.value)).all())


def test_months_are_judged_a_week_at_a_time_and_as_in_one_pass(tmp_path: Path) -> None:
    """In one pass they keep its thread, and with their verdicts the writers' lock, from everybody for minutes."""
    parts, clock = built(tmp_path / "pieces", ManualClock(EPOCH)), ManualClock(EPOCH)
    assert isinstance(parts.clock, ManualClock)
    parts.clock.advance(30 * DAY)
    scheduler, ends, done = Scheduler(parts, "one"), list[float](), False
    while not done:
        scheduler.judge("p")
        with parts.database.read() as connection:
            ends.append(connection.execute(select(policies.c.sealed_until)).scalar_one())
            left = slots.abandoned(connection, parts.clock)
        done = ends[-1] > parts.clock.now() - 121
        assert left == ([] if done else ["judge:p"])  # whoever is free takes it over at once
    assert len(ends) == 5
    assert max(after - before for before, after in pairwise([EPOCH, *ends])) <= 7 * DAY + 60
    whole = built(tmp_path / "whole", clock)
    tick(whole, "p", parts.clock.now())
    assert judged(parts) == judged(whole)


def test_slots_that_were_given_back_show_that_somebody_listened(tmp_path: Path) -> None:
    """Else a log that was quiet for a year is judged by the clock for twenty weeks, and then waits for its lateness."""
    clock = ManualClock(EPOCH)
    parts = built(tmp_path / "quiet", clock)
    scheduler = Scheduler(parts, "one")
    scheduler.judge("p")
    with parts.database.begin() as connection:
        connection.execute(update(policies).values(last_ts=EPOCH, last_arrival=EPOCH))
    clock.advance(400 * DAY)
    assert scheduler.horizon("p") == EPOCH  # nobody listened
    for _ in range(12):
        held = slots.claim(parts.database, clock, "judge:p", int(clock.now() // 10), "one")
        assert held is not None
        with parts.database.begin() as connection:
            slots.finish(connection, clock, held)
        slots.reopen(parts.database, held)
        with parts.database.begin() as connection:
            slots.forget(connection, clock)
        clock.advance(10)
    assert scheduler.horizon("p") == clock.now()
    clock.advance(DAY + 1)
    with parts.database.begin() as connection:
        slots.forget(connection, clock)
        assert connection.execute(select(table.c.slot)).all() == []
