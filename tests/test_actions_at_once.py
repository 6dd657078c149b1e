"""Several workers, threads and generations at once: leases, fences, hangs, a locked database."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from monitor.acting import outbox
from monitor.acting.actions import ActionLoop
from monitor.acting.queued import MARGIN
from monitor.clock import ManualClock
from monitor.hooks import Answer
from monitor.store.database import Database, DatabaseUnavailableError
from monitor.store.tables import actions, heartbeats
from tests.receivers import EPOCH, SECRET, Endpoint, Site


@pytest.fixture
def site(database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    a, b = Endpoint(), Endpoint()
    made = Site(database, clock, a, b)
    yield made
    for loop in {*made.loops, made.loop}:
        loop.close()
    a.close()
    b.close()


@pytest.fixture
def forever(site: Site) -> Iterator[Callable[[ActionLoop], None]]:
    """Run a loop in a thread until the test ends."""
    stop = threading.Event()
    threads = []

    def start(loop: ActionLoop) -> None:
        threads.append(threading.Thread(target=loop.run_forever, args=(stop,)))
        threads[-1].start()
        site.loops.append(loop)

    yield start
    stop.set()
    for loop in site.loops:
        loop.wake()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()


def test_a_hung_receiver_slows_no_other_one(site: Site, forever: Callable[[ActionLoop], None]) -> None:
    release, hanging = threading.Event(), threading.Semaphore(0)

    def hangs(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        hanging.release()
        release.wait(600)
        return 200, {}

    site.a.handle = hangs
    policies = [f"p{number}" for number in range(6)]
    site.configure(a={"policies": policies}, b={"url": site.b.url, "policies": ["p6", "p7"]})
    for policy in policies:  # more than one hook has senders
        site.roll_back(policy)
    forever(site.loop)
    for _ in range(4):
        assert hanging.acquire(timeout=300)
    for policy in ("p6", "p7"):
        (action,) = site.roll_back(policy)
        site.loop.wake()
        assert site.b.got.acquire(timeout=300)
        assert site.b.ids()[-1] == action
    assert len(site.a.bodies) == 4  # all of its senders still hang
    release.set()
    for _ in policies:
        assert site.a.got.acquire(timeout=300)


def test_loops_that_run_at_once_send_each_attempt_once(site: Site) -> None:
    sent = {action for number in range(12) for action in site.roll_back(f"p{number}")}
    loops = [ActionLoop(site.database, site.settings, site.clock, f"loop {number}") for number in range(3)]
    site.loops += loops
    barrier = threading.Barrier(len(loops))
    made: list[int] = []

    def work(loop: ActionLoop) -> None:
        barrier.wait()
        made.append(loop.run_due())

    threads = [threading.Thread(target=work, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == 12
    assert Counter(site.a.ids()) == dict.fromkeys(sent, 1)
    assert {(row.state, row.attempts, row.fence) for row in site.rows()} == {("delivered", 1, 1)}


def test_the_mark_of_a_worker_that_lost_its_lease_is_refused(site: Site) -> None:
    (action,) = site.roll_back()
    with site.database.begin() as connection:
        slow = outbox.claim(connection, site.clock, "a", 5.0)
        assert outbox.claim(connection, site.clock, "a", 5.0) is None
    site.clock.advance(5.0 + MARGIN)
    with site.database.begin() as connection:
        assert outbox.claim(connection, site.clock, "a", 5.0) is None
    site.clock.advance(0.1)
    with site.database.begin() as connection:
        quick = outbox.claim(connection, site.clock, "a", 5.0)
        assert slow is not None
        assert quick is not None
        assert (slow.fence, quick.fence, quick.body) == (1, 2, slow.body)
        assert not outbox.mark(connection, site.clock, slow, Answer("blocked", "late news"))
        assert outbox.mark(connection, site.clock, quick, Answer("delivered", "OK"))
    assert site.row(action).state == "delivered"


def test_a_worker_that_dies_after_sending_repeats_the_same_id(site: Site) -> None:
    (action,) = site.roll_back()
    with site.database.begin() as connection:
        assert outbox.claim(connection, site.clock, "a", 5.0)  # and nobody ever marks it
    assert site.run() == 0
    assert site.run(16) == 1
    assert site.a.ids() == [action]


def test_a_higher_generation_overtakes_an_attempt_in_flight(site: Site) -> None:
    (old,) = site.roll_back()
    with site.database.begin() as connection:
        claim = outbox.claim(connection, site.clock, "a", 5.0)
    (new,) = site.roll_back()
    assert claim is not None
    with site.database.begin() as connection:
        assert not outbox.mark(connection, site.clock, claim, Answer("retry", "503"))
    site.run()
    assert site.a.ids() == [new]
    assert [site.row(action).state for action in (old, new)] == ["superseded", "delivered"]
    assert json.loads(site.a.bodies[0])["data"]["generation"] == 3


def test_a_clock_that_was_set_back_an_hour_delays_no_retry_and_no_takeover(site: Site) -> None:
    site.a.handle = lambda headers, body: (503, {})
    (action,) = site.roll_back()
    site.run()
    assert site.run(-3600) == 1
    with site.database.begin() as connection:
        connection.execute(update(actions).values(state="in_flight", real_lease=site.clock.real() + 3600))
    site.a.handle = lambda headers, body: (200, {})
    assert site.run(3) == 1
    assert site.row(action).state == "delivered"


def test_the_loop_survives_a_locked_database_says_so_once_and_goes_on(
    tmp_path: Path, migrated_file: Path, site: Site, forever: Callable[[ActionLoop], None]
) -> None:
    path = tmp_path / "locked.db"
    path.write_bytes(migrated_file.read_bytes())
    site.database = Database(f"sqlite:///{path}", busy=0.05)
    site.configure()
    (action,) = site.roll_back()
    said: list[str] = []
    heard = threading.Semaphore(0)

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())
            heard.release()

    log, listener = logging.getLogger("monitor.acting.actions"), Listener()
    log.addHandler(listener)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(DatabaseUnavailableError):
            site.loop.run_due()
        forever(site.loop)
        assert heard.acquire(timeout=300)
        lock.execute("ROLLBACK")
        assert site.a.got.acquire(timeout=300)
    finally:
        lock.close()
        log.removeHandler(listener)
    assert site.a.ids() == [action]


def test_a_new_action_is_sent_when_the_loop_is_woken(site: Site, forever: Callable[[ActionLoop], None]) -> None:
    forever(site.loop)
    for policy in ("p0", "p1", "p2"):
        (action,) = site.roll_back(policy)
        site.loop.wake()
        assert site.a.got.acquire(timeout=300)
        assert site.a.ids()[-1] == action


def test_a_loop_leaves_a_sign_of_life(site: Site) -> None:
    stop = threading.Event()

    def last(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        stop.set()
        return 200, {}

    site.a.handle = last
    site.roll_back()
    site.loop.run_forever(stop)
    with site.database.read() as connection:
        (row,) = connection.execute(select(heartbeats)).all()
    assert (row.part, row.real_at, row.at, row.note) == ("actions", EPOCH, EPOCH, "test")
