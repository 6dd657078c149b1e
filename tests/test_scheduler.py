"""The beat, the claims and the watchdog: passes happen once, go on after faults, and see silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import func, select, update

from monitor.clock import ManualClock, SpedClock
from monitor.runtime import build
from monitor.scheduler import Scheduler
from monitor.schema import TIMESTAMP
from monitor.settings import parse
from monitor.store.tables import actions, heartbeats, policies, slots, transitions
from monitor.tick import Parts
from monitor.validate import Accepted

EPOCH = 1_750_000_000.0
PATIENCE = 20.0


def policy(**more: Any) -> dict[str, Any]:
    return {"policy": {"p": {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6"], **more}}}


@pytest.fixture
def parts(tmp_path: Path, clock: ManualClock) -> Parts:
    constraint = {"melt": {"cost": "melt", "hard": True}}
    return build(parse(policy(constraint=constraint, lateness="60s"), tmp_path), clock)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Scheduler]:
    """A scheduler whose threads run, at sixty times the speed."""
    constraint = {"melt": {"cost": "melt", "hard": True}}
    scheduler = Scheduler(build(parse(policy(constraint=constraint), tmp_path), SpedClock(EPOCH, 60.0)), "one")
    scheduler.start()
    yield scheduler
    scheduler.stop()


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something that happens in another thread; give up after a while."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        pause.wait(0.02)
    raise AssertionError("it did not happen")


def count(parts: Parts, table: Any) -> int:
    with parts.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def heart(parts: Parts, part: str) -> str | None:
    with parts.database.read() as connection:
        return connection.execute(select(heartbeats.c.note).where(heartbeats.c.part == part)).scalar_one_or_none()


def heard(parts: Parts, last_ts: float, arrival: float) -> None:
    with parts.database.begin() as connection:
        connection.execute(update(policies).values(last_ts=last_ts, last_arrival=arrival))


def violation(at: float) -> Accepted:
    table = pa.table(
        {
            "decision_id": ["d1"],
            "ts": pa.array([int(at * 1e6)], TIMESTAMP),
            "policy": ["p"],
            "version": ["v7"],
            "action": ["cool"],
            "cost.melt": [1.0],
        }
    )
    return Accepted(table, (), ())


def test_a_slot_is_passed_once_however_often_the_beat_asks(parts: Parts, clock: ManualClock) -> None:
    one, other = Scheduler(parts, "one"), Scheduler(parts, "other")
    for scheduler in (one, other, one):
        scheduler.judge("p")
    assert count(parts, slots) == 1
    clock.advance(10)
    other.judge("p")
    assert count(parts, slots) == 2


def test_a_pass_waits_for_rows_that_are_on_their_way(parts: Parts, clock: ManualClock) -> None:
    scheduler = Scheduler(parts, "one")
    heard(parts, last_ts=EPOCH - 600, arrival=EPOCH - 600)
    clock.advance(30)
    assert scheduler.horizon("p") == EPOCH - 600  # the product was away; rows may follow in their order


def test_a_log_that_has_gone_quiet_is_judged_by_the_clock(parts: Parts, clock: ManualClock) -> None:
    scheduler = Scheduler(parts, "one")
    heard(parts, last_ts=EPOCH - 5, arrival=EPOCH)
    for _ in range(6):
        scheduler.judge("p")
        clock.advance(10)
    assert scheduler.horizon("p") == EPOCH - 5
    for _ in range(4):
        scheduler.judge("p")
        clock.advance(10)
    assert scheduler.horizon("p") == clock.now()


def test_a_log_that_nobody_listened_to_is_not_quiet(parts: Parts, clock: ManualClock) -> None:
    scheduler = Scheduler(parts, "one")
    heard(parts, last_ts=EPOCH - 5, arrival=EPOCH)
    for _ in range(20):
        scheduler.judge("p")
        clock.advance(10)
    clock.advance(50)  # an outage: the database was locked, say, and rows could not come
    assert scheduler.horizon("p") == EPOCH - 5
    for _ in range(9):
        scheduler.judge("p")
        clock.advance(10)
    assert scheduler.horizon("p") == clock.now()


def test_rows_from_the_future_do_not_seal_the_present(parts: Parts, clock: ManualClock) -> None:
    scheduler = Scheduler(parts, "one")
    heard(parts, last_ts=EPOCH + 200, arrival=EPOCH)
    assert scheduler.horizon("p") == clock.now()


def test_a_policy_that_nothing_was_ever_heard_of_is_judged_by_the_clock(parts: Parts, clock: ManualClock) -> None:
    assert Scheduler(parts, "one").horizon("p") == clock.now()


def test_a_job_that_fails_is_shown_and_tried_again(parts: Parts) -> None:
    scheduler = Scheduler(parts, "one")

    def fail() -> None:
        raise ZeroDivisionError("planted")

    scheduler._guarded("judge:p", fail)
    assert heart(parts, "failed:judge:p") == "ZeroDivisionError: planted"
    scheduler._guarded("judge:p", lambda: scheduler.judge("p"))
    assert heart(parts, "judge:p") == "0 rows, 0 windows"


def test_a_hard_violation_that_lands_is_acted_on_without_waiting_for_a_pass(running: Scheduler) -> None:
    parts = running.parts
    until(lambda: heart(parts, "judge:p"))  # the first pass says from when events act
    parts.landing.decisions("p", violation(parts.clock.now()), "test")
    running.wake()
    until(lambda: count(parts, actions))
    with parts.database.read() as connection:
        found = select(transitions.c.trigger, transitions.c.new, transitions.c.real_created)
        trigger, state, created = connection.execute(found).one()
        arrived = connection.execute(select(policies.c.last_arrival)).scalar_one()
    assert (trigger, state) == ("hard_constraint", "firing")
    assert isinstance(parts.clock, SpedClock)
    print(f"event to decision: {created - (parts.clock.started + (arrived - EPOCH) / 60):.3f} s")


def test_the_watchdog_starts_a_dead_beat_again(running: Scheduler) -> None:
    until(lambda: all(running.alive().values()))
    assert running._beat is not None
    running._beat.shutdown(wait=False)
    assert not running.alive()["beat"]
    until(lambda: running.alive()["beat"])


def test_all_parts_run_and_end(tmp_path: Path) -> None:
    scheduler = Scheduler(build(parse(policy(), tmp_path), SpedClock(EPOCH, 60.0)), "one")
    assert not scheduler.alive()["beat"]
    scheduler.start()
    assert set(scheduler.alive()) == {"beat", "events", "actions", "watchdog"}
    until(lambda: heart(scheduler.parts, "retain"))
    until(lambda: heart(scheduler.parts, "actions"))
    scheduler.stop()
    assert not any(scheduler.alive().values())
