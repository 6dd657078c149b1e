"""Each slot is done once, whoever tries, and a dead worker's claim is taken over within 15 seconds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from monitor.clock import ManualClock
from monitor.running import slots
from monitor.running.scheduler import TAKEOVER_PAUSE
from monitor.store.database import Database
from monitor.store.tables import slots as table


def test_a_slot_is_claimed_by_one_of_many_workers(database: Database, clock: ManualClock) -> None:
    with ThreadPoolExecutor(5) as pool:
        claims = list(pool.map(lambda worker: slots.claim(database, clock, "judge:p", 7, f"w{worker}"), range(5)))
    assert sum(claim is not None for claim in claims) == 1


def test_a_finished_slot_is_never_claimed_again(database: Database, clock: ManualClock) -> None:
    held = slots.claim(database, clock, "judge:p", 7, "a")
    assert held is not None
    with database.begin() as connection:
        slots.finish(connection, clock, held)
    clock.advance(1000)
    assert slots.claim(database, clock, "judge:p", 7, "b") is None


def test_a_dead_workers_claim_is_taken_over_within_15_seconds(database: Database, clock: ManualClock) -> None:
    assert slots.claim(database, clock, "judge:p", 7, "dead") is not None
    assert slots.claim(database, clock, "judge:p", 7, "alive") is None
    clock.advance(15 - TAKEOVER_PAUSE)  # the others look every so often for what was left
    with database.read() as connection:
        assert slots.abandoned(connection, clock) == ["judge:p"]
    assert slots.claim(database, clock, "judge:p", 7, "alive") is not None


def test_a_worker_that_comes_back_cannot_finish_what_was_taken_from_it(database: Database, clock: ManualClock) -> None:
    slow = slots.claim(database, clock, "judge:p", 7, "slow")
    assert slow is not None
    clock.advance(15)
    assert slots.claim(database, clock, "judge:p", 7, "other") is not None
    assert not slots.renew(database, clock, slow)
    with pytest.raises(slots.LostClaimError, match="slot 7 of judge:p was taken over"), database.begin() as connection:
        slots.finish(connection, clock, slow)


def test_a_renewed_claim_outlives_its_first_lease(database: Database, clock: ManualClock) -> None:
    held = slots.claim(database, clock, "judge:p", 7, "a")
    assert held is not None
    for _ in range(5):
        clock.advance(slots.LEASE / 2)
        assert slots.renew(database, clock, held)
        assert slots.claim(database, clock, "judge:p", 7, "b") is None


def test_a_later_slot_waits_while_an_earlier_pass_of_the_job_still_runs(database: Database, clock: ManualClock) -> None:
    long = slots.claim(database, clock, "judge:p", 7, "a")
    assert long is not None
    assert slots.claim(database, clock, "judge:p", 8, "b") is None
    assert slots.claim(database, clock, "judge:q", 8, "b") is not None
    with database.begin() as connection:
        slots.finish(connection, clock, long)
    assert slots.claim(database, clock, "judge:p", 8, "b") is not None


def test_a_slot_that_a_dead_worker_left_is_named_until_someone_goes_on(database: Database, clock: ManualClock) -> None:
    slots.claim(database, clock, "judge:p", 7, "dead")
    with database.read() as connection:
        assert slots.abandoned(connection, clock) == []
    clock.advance(slots.LEASE + 1)
    with database.read() as connection:
        assert slots.abandoned(connection, clock) == ["judge:p"]
    assert slots.claim(database, clock, "judge:p", 8, "alive") is not None
    with database.read() as connection:
        assert slots.abandoned(connection, clock) == []


def test_slots_are_forgotten_a_day_after_they_ended(database: Database, clock: ManualClock) -> None:
    done = slots.claim(database, clock, "j", 1, "a")
    assert done is not None
    with database.begin() as connection:
        slots.finish(connection, clock, done)
    assert slots.claim(database, clock, "j", 2, "dead") is not None
    clock.advance(86_401)
    held = slots.claim(database, clock, "j", 3, "a")
    assert held is not None
    clock.advance(100)
    with database.begin() as connection:
        slots.forget(connection, clock)
    with database.read() as connection:
        assert connection.execute(select(table.c.slot)).scalars().all() == [3]
