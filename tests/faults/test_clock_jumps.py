"""The clock jumps by an hour, either way, and its time zone changes: nothing is judged twice, early or never."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import func, select

from monitor import status
from monitor.acting import outbox, route
from monitor.bucketing import baseline
from monitor.clock import ManualClock, SystemClock, instant
from monitor.running import slots
from monitor.running.beat import EachSlot, hasten
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.settings import parse, shipped_triggers
from monitor.store.tables import quarantine, verdicts
from monitor.tick import Parts, tick
from tests.receivers import Site as Receivers

HOUR, STEP = 3600.0, 300.0
EPOCH = 1_762_059_600.0  # 2025-11-02 05:00 UTC: New York's clocks go back at 06:00
FROZEN = 18  # steps after EPOCH; each has a pass
BAD, END = 35, 46
AHEAD, BACK = range(20, 23), range(38, 41)  # what the clock shows then, it shows twice
WATCHED = ("reward_3sigma", "violation_warn", "violation_budget", "no_data")
TOML: dict[str, Any] = {
    "policy": {
        "p": {
            "incumbent": "v6",
            "serving": "v7",
            "skew": "2h",  # rows of a right clock still land while ours is an hour behind
            "source": {"kind": "jsonl", "path": "log.jsonl", "poll": "5m"},
            "constraint": {"heat": {"cost": "heat", "limit": 1.0, "budget": 0.01}},
        }
    },
    "trigger": {name: {"window": "5m"} if name in WATCHED else {"enabled": False} for name in shipped_triggers()},
}


def off(step: int) -> float:
    """How wrong the machine's clock is."""
    return HOUR if step in AHEAD else -HOUR if step in BACK else 0.0


def zone(at: float) -> timezone:
    """New York's."""
    return timezone(timedelta(hours=-4 if at < EPOCH + HOUR else -5))


def write(path: Path, begin: float, end: float, *, local: bool = False) -> None:
    """Log a decision every 4 s in [begin, end); from the 35th step on, bad ones."""
    draw = random.Random(begin)
    lines = []
    for at in range(int(begin), int(end), 4):
        bad = at >= EPOCH + BAD * STEP
        told = instant(at).astimezone(zone(at) if local else UTC).isoformat()
        row = {"decision_id": f"{at}", "ts": told, "version": "v7", "action": "a", "cost.heat": 1.5 if bad else 0.5}
        lines.append(json.dumps({**row, "reward": round(draw.gauss(1.0 - bad, 0.1), 6)}) + "\n")
    with path.open("a") as file:
        file.write("".join(lines))


class Watched:
    """A policy that is passed over every five minutes by a scheduler whose clock is ``wrong``."""

    def __init__(self, folder: Path, migrated: Path, wrong: Callable[[int], float], *, local: bool = False) -> None:
        folder.mkdir()
        shutil.copyfile(migrated, folder / "checkrein.db")
        self.clock, self.wrong, self.local = ManualClock(EPOCH + FROZEN * STEP), wrong, local
        self.log = folder / "log.jsonl"
        self.parts: Parts = build(parse(TOML, folder), self.clock)
        write(self.log, EPOCH, self.clock.at, local=local)
        tick(self.parts, "p", EPOCH)
        baseline.freeze(self.parts, "p", EPOCH, self.clock.at, "test")
        self.scheduler = Scheduler(self.parts, "one")
        self.passes = 0

    def run(self) -> list[tuple[Any, ...]]:
        """Go on to the end, and return all verdicts without the time at which each was written.

        No window may be judged before it has ended by a clock that is right.
        """
        for step in range(FROZEN + 1, END):
            true = EPOCH + step * STEP
            write(self.log, true - STEP, true, local=self.local)
            self.clock.at = true + self.wrong(step)
            self.scheduler.judge("p")
            with self.parts.database.read() as connection:
                latest = connection.execute(select(func.max(verdicts.c.end))).scalar_one()
                shown = route.current(connection, self.parts.settings, self.clock, "p")
                self.passes += status.stale_jobs(connection, self.parts.settings, self.clock) == {}
            assert latest is None or latest <= true, f"step {step}: judged before it was over"
            assert shown.valid_until == self.clock.real() + route.VALID_FOR
        with self.parts.database.read() as connection:
            rows = connection.execute(select(verdicts).order_by(*verdicts.primary_key.columns)).all()
            refused = connection.execute(select(func.count()).select_from(quarantine)).scalar_one()
        assert refused == 0
        self.parts.database.close()
        return [tuple(value for key, value in row._mapping.items() if key != "judged") for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> list[tuple[Any, ...]]:
    """What a scheduler whose clock is right judges."""
    site = Watched(tmp_path_factory.mktemp("clocks") / "right", migrated_file, lambda step: 0.0)
    return site.run()


@pytest.mark.fault(8)
def test_a_clock_that_jumps_an_hour_ahead_and_back_changes_no_verdict(
    tmp_path: Path, migrated_file: Path, undisturbed: list[tuple[Any, ...]], say: Callable[[str], None]
) -> None:
    site = Watched(tmp_path / "jumps", migrated_file, off)
    found = site.run()
    assert len(set(found)) == len(found)
    assert found == undisturbed, "a window was judged twice, early, differently or never"
    left_out = END - FROZEN - 1 - site.passes
    assert left_out <= 1, "only the slot in which the clock was set back may look done"
    say(f"+1 h and -1 h, 15 minutes each: {len(found)} verdicts, equal to a right clock's; {left_out} pass left out")


@contextmanager
def local_time(name: str) -> Iterator[None]:
    """Let this process live in a time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        os.environ.update({} if before is None else {"TZ": before})
        time.tzset()


@pytest.mark.fault(8)
@pytest.mark.full
def test_the_hour_that_a_local_clock_shows_twice_is_two_hours(
    tmp_path: Path, migrated_file: Path, undisturbed: list[tuple[Any, ...]], say: Callable[[str], None]
) -> None:
    """The log is written in local time with its offset, across the end of New York's summer time, and so live we."""
    with local_time("EST5EDT,M3.2.0,M11.1.0"):
        assert time.localtime(EPOCH).tm_hour == time.localtime(EPOCH + HOUR).tm_hour == 1
        site = Watched(tmp_path / "local", migrated_file, lambda step: 0.0, local=True)
        found = site.run()
    assert found == undisturbed
    say(f"{len(found)} verdicts across the end of summer time, equal to those in UTC")


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_what_is_due_is_sent_at_once_after_a_jump_and_its_failure_is_paged(receivers: Receivers, jump: float) -> None:
    site = receivers
    site.a.handle = lambda headers, body: (503, {})
    (action,) = site.roll_back()
    for pause in (0, 1, 2, 5, 10):  # the next one is due in 30 s, and the page in 12 s
        assert site.run(pause) == 1
    assert (site.run(), site.pages()) == (0, [])
    assert (site.run(jump), site.pages()) == (1, ["undelivered"])
    site.a.handle = lambda headers, body: (200, {})
    assert site.run(60) == 1
    assert site.row(action).state == "delivered"
    assert set(site.a.ids()) == {action}


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_what_a_dead_worker_held_is_free_after_a_jump(receivers: Receivers, jump: float) -> None:
    site = receivers
    (action,) = site.roll_back()
    with site.database.begin() as connection:
        assert outbox.claim(connection, site.clock, "a", 250.0) is not None
    assert slots.claim(site.database, site.clock, "judge:p0", 7, "dead") is not None
    assert (site.run(), slots.claim(site.database, site.clock, "judge:p0", 8, "alive")) == (0, None)
    assert site.run(jump) == 1
    assert site.row(action).state == "delivered"
    assert slots.claim(site.database, site.clock, "judge:p0", 7, "alive") is not None


def test_a_sign_of_life_from_the_future_is_none(tmp_path: Path, migrated_file: Path) -> None:
    site = Watched(tmp_path / "site", migrated_file, off)
    site.scheduler.judge("p")

    def stale() -> dict[str, float | None]:
        with site.parts.database.read() as connection:
            return status.stale_jobs(connection, site.parts.settings, site.clock)

    assert stale() == {}
    site.clock.advance(-HOUR)
    assert stale() == {"judge:p": -HOUR}
    site.scheduler.judge("p")
    assert stale() == {}


def test_jobs_that_wait_for_an_hour_that_is_over_are_asked_at_once() -> None:
    """APScheduler has computed the next times by a clock that was set back since."""
    beat = BackgroundScheduler(timezone=UTC)
    now = datetime.now(UTC)
    when = EachSlot(SystemClock(), 60.0, "one", "slots")
    beat.add_job(print, when, id="slots", next_run_time=now + timedelta(hours=1))
    beat.add_job(print, IntervalTrigger(seconds=2, timezone=UTC), id="pauses", next_run_time=now + timedelta(hours=1))
    beat.add_job(print, IntervalTrigger(hours=1, timezone=UTC), id="waits", next_run_time=now + timedelta(hours=1))
    beat.start(paused=True)
    try:
        assert sorted(hasten(beat)) == ["pauses", "slots"]
        assert hasten(beat) == []
    finally:
        beat.shutdown()


@pytest.mark.fault(8)
@pytest.mark.full
def test_a_running_scheduler_goes_on_after_its_clock_was_set_back(tmp_path: Path, say: Callable[[str], None]) -> None:
    """What a clock that is set back does to a beat: all that it waits for is an hour further away."""
    settings = parse({"policy": {"p": {"incumbent": "v6"}}}, tmp_path)
    scheduler = Scheduler(build(settings, SystemClock()), "one")
    scheduler.start()
    try:
        beat, pause = scheduler._beat, threading.Event()
        assert beat is not None
        far = datetime.now(UTC) + timedelta(minutes=59)
        for job in beat.get_jobs():
            beat.modify_job(job.id, next_run_time=far + timedelta(minutes=1))
        begun = time.monotonic()
        while any(job.next_run_time > far for job in beat.get_jobs()):
            assert time.monotonic() - begun < 300, "the beat stands still"
            pause.wait(0.05)
        say(f"the beat goes on {time.monotonic() - begun:.1f} s after the clock was set back by an hour")
    finally:
        scheduler.stop()
