"""The beat, the claims and the watchdog: passes happen once, go on after faults, and see silence."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import func, select, update

from monitor.acting import rollback
from monitor.clock import ManualClock, SpedClock, instant
from monitor.log_store.schema import TIMESTAMP
from monitor.running.beat import SPREAD, EachSlot
from monitor.running.scheduler import THREADS, Scheduler
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import actions, checklist_runs, heartbeats, policies, slots, transitions
from monitor.tick import Parts
from monitor.validate import Accepted

EPOCH = 1_750_000_000.0
PATIENCE = 180.0


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


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_each_worker_asks_once_a_slot_and_all_take_their_share(workers: int) -> None:
    clock = ManualClock(EPOCH)
    beats = {f"host-{n}": EachSlot(clock, 10.0, f"host-{n}", "judge:p") for n in range(workers)}
    asked: dict[int, list[tuple[float, str]]] = {}
    for slot in range(1000):
        clock.at = EPOCH + 10 * slot + 3.0
        for owner, beat in beats.items():
            moment = beat.get_next_fire_time(None, instant(clock.at)).timestamp()
            asked.setdefault(int(moment // 10), []).append((moment, owner))
    assert len(asked) == 1000
    assert {len(those) for those in asked.values()} == {workers}
    shares = Counter(min(those)[1] for those in asked.values())
    assert all(abs(shares[owner] - 1000 / workers) < 5 * (1000 / workers) ** 0.5 for owner in beats), shares
    alone = [min(asked[slot])[0] for slot in sorted(asked)]
    assert max(after - before for before, after in pairwise(alone)) <= 10 * (1 + SPREAD)


def test_the_checklist_is_asked_anew_when_the_route_moves_and_when_the_log_confirms_it(
    parts: Parts, clock: ManualClock
) -> None:
    one, other, asked = Scheduler(parts, "one"), Scheduler(parts, "other"), []

    def ask() -> int:
        for scheduler in (one, other, one):
            scheduler._once("checklist:p", partial(scheduler._hour, "p"), lambda: asked.append(clock.now()))
        return len(asked)

    assert ask() == 1
    with parts.database.begin() as connection:
        outcome = rollback.request(
            connection, parts.settings, clock, "p", from_version="v7", reason="Fell.", trigger="t", actor="checkrein",
            mode="automatic",
        )  # fmt: skip
    assert ask() == 2
    with parts.database.begin() as connection:
        here = update(actions).where(actions.c.id == outcome.actions[0])
        connection.execute(here.values(state="confirmed", confirmed=clock.now()))
    assert ask() == 3
    clock.advance(3600)
    assert ask() == 4


def test_a_moved_route_is_not_kept_waiting_for_the_hour(running: Scheduler) -> None:
    parts = running.parts
    newest = select(func.max(checklist_runs.c.version)).where(checklist_runs.c.version == "v6")
    until(lambda: count(parts, checklist_runs))
    with parts.database.begin() as connection:
        rollback.request(
            connection, parts.settings, parts.clock, "p", from_version="v7", reason="Fell.", trigger="t",
            actor="checkrein", mode="automatic",
        )  # fmt: skip

    def judged() -> object:
        with parts.database.read() as connection:
            return connection.execute(newest).scalar_one()

    until(judged)


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
    dead = running._beat
    assert dead is not None
    dead.shutdown(wait=False)
    assert not dead.running
    until(lambda: running._beat is not dead and running.alive()["beat"])


def test_all_parts_run_and_end(tmp_path: Path) -> None:
    scheduler = Scheduler(build(parse(policy(), tmp_path), SpedClock(EPOCH, 60.0)), "one")
    assert not scheduler.alive()["beat"]
    scheduler.start()
    assert set(scheduler.alive()) == {"beat", "events", "actions", "notifications", "watchdog"}
    until(lambda: heart(scheduler.parts, "retain"))
    until(lambda: heart(scheduler.parts, "actions"))
    scheduler.stop()
    assert not any(scheduler.alive().values())


def test_what_still_queues_for_a_thread_is_not_begun_once_it_stops(tmp_path: Path) -> None:
    """Fifty policies due at once are minutes of work; whoever asks to stop must not wait for all of it."""
    scheduler = Scheduler(build(parse(policy(), tmp_path), SpedClock(EPOCH, 60.0)), "one")
    scheduler.start()
    gate, begun, beat = threading.Event(), list[int](), scheduler._beat
    assert beat is not None

    def pass_over(number: int) -> None:
        begun.append(number)
        gate.wait(PATIENCE)

    for number in range(50):
        due = {"executor": "passes", "next_run_time": datetime.now(UTC)}
        beat.add_job(scheduler._guarded, args=[f"pass {number}", partial(pass_over, number)], **due)
    until(lambda: len(begun) == THREADS["passes"])
    stopping = threading.Thread(target=scheduler.stop)
    stopping.start()
    until(scheduler.stopping.is_set)
    gate.set()
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert len(begun) == THREADS["passes"]


def test_a_job_that_asks_for_another_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    """A takeover in its middle while the scheduler ends: the worker hung for good."""
    scheduler = Scheduler(build(parse(policy(), tmp_path), SpedClock(EPOCH, 60.0)), "one")
    scheduler.start()
    begun, ended, beat = threading.Event(), threading.Event(), scheduler._beat
    assert beat is not None

    def take_over() -> None:
        begun.set()
        until(lambda: not beat.running)
        threading.Event().wait(0.5)  # whoever ends the beat waits for this job by now
        scheduler._take_over(beat)
        ended.set()

    beat.add_job(scheduler._guarded, args=["takeover", take_over], next_run_time=datetime.now(UTC))
    assert begun.wait(PATIENCE)
    stopping = threading.Thread(target=scheduler.stop, daemon=True)
    stopping.start()
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert ended.is_set()
