"""Messages to people are sent until they are delivered, in their order, and what cannot be is seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.acting.queued import MARGIN
from monitor.clock import ManualClock
from monitor.hooks.answer import Answer
from monitor.notify import Message, enqueue, outbox
from monitor.notify.channels import send
from monitor.store.database import Database
from runbooks.machine import UnknownTransitionError
from runbooks.messages import TABLE, MessageEvent, MessageState, accepting, step
from tests.receivers import Endpoint
from tests.tellings import Told, message


@pytest.fixture
def a() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def b() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def told(database: Database, clock: ManualClock, a: Endpoint) -> Iterator[Told]:
    made = Told(database, clock, a)
    yield made
    made.loop.close()


def test_every_pair_of_state_and_event_leads_somewhere_or_is_refused() -> None:
    for state in MessageState:
        for event in MessageEvent:
            if (state, event) in TABLE:
                assert step(state, event) == accepting(event)[state]
            else:
                with pytest.raises(UnknownTransitionError, match=f"'{state}' cannot '{event}'"):
                    step(state, event)
    assert {state for (state, _), _new in TABLE.items()} == set(MessageState) - {"delivered", "cancelled"}
    with pytest.raises(UnknownTransitionError):
        step("sent", "deliver")


def test_a_message_is_delivered_once_and_says_so(told: Told) -> None:
    page = told.tell()
    assert told.run() == 1
    row = told.row(page)
    assert (row.state, row.attempts, row.last_error, row.real_delivered) == ("delivered", 1, None, told.clock.real())
    assert told.run(3600.0) == 0
    assert told.kinds() == ["page"]
    assert told.events() == ["notification.delivered"]


def test_a_receiver_that_fails_is_tried_on_the_schedule_until_it_is_back(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (503, {})
    page = told.tell()
    assert told.run() == 1
    assert [told.run(pause) for pause in (0.9, 0.1, 1.9, 0.1, 5.0, 10.0, 30.0)] == [0, 1, 0, 1, 1, 1, 1]
    assert "answered 503" in told.row(page).last_error
    a.handle = lambda headers, body: (200, {})
    assert told.run(60.0) == 1
    assert told.state(page) == "delivered"
    assert told.events() == ["notification.failing", "notification.delivered"]


def test_what_was_refused_is_a_dead_letter_until_a_person_sends_it_again(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (404, {"error": "no such team"})
    page = told.tell()
    assert (told.run(), told.run(86400.0)) == (1, 0)
    assert told.state(page) == "dead_letter"
    assert "no such team" in told.row(page).last_error
    a.handle = lambda headers, body: (200, {})
    with told.database.begin() as connection:
        assert outbox.replay(connection, told.clock, page, "ada")
        assert not outbox.replay(connection, told.clock, page, "ada")
    assert told.run() == 1
    assert (told.state(page), told.row(page).attempts) == ("delivered", 1)
    with told.database.begin() as connection:
        assert not outbox.cancel(connection, told.clock, page, "ada")


def test_a_page_is_given_up_after_a_day_of_attempts_and_never_before(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (503, {})
    page = told.tell()
    told.run()
    told.run(2 * 86400.0)  # the clock jumps, or nobody ran: two attempts are no day of them
    assert told.state(page) == "pending"
    for _ in range(outbox.LEAST - 2):
        assert told.state(page) == "pending"
        told.run(60.0)
    assert told.state(page) == "dead_letter"
    assert told.events() == ["notification.failing", "notification.dead_letter"]


@pytest.mark.full
def test_a_test_is_given_up_sooner(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (503, {})
    test = told.tell(kind="test", dedup="test:1")
    for _ in range(outbox.LEAST):
        assert told.state(test) == "pending"
        told.run(70.0)
    assert told.state(test) == "dead_letter"


def test_a_clock_set_back_fires_what_waits_and_gives_nothing_up(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (503, {})
    page = told.tell()
    told.run()
    told.clock.at -= 7200.0
    assert told.run() == 1  # due in two hours from now: that was written before
    a.handle = lambda headers, body: (200, {})
    assert told.run(60.0) == 1
    assert told.state(page) == "delivered"


def test_nothing_is_resolved_before_its_page_was_told_or_is_dead(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (503, {})
    page, over = told.tell(), told.tell(kind="resolved")
    other = told.tell(dedup="incident:8", incident=8)
    told.run()
    assert (told.row(page).attempts, told.row(over).attempts, told.row(other).attempts) == (1, 0, 1)
    a.handle = lambda headers, body: (200, {})
    told.run(60.0)
    assert {told.state(one) for one in (page, over, other)} == {"delivered"}
    assert told.kinds("incident:7")[-2:] == ["page", "resolved"]  # other troubles are told meanwhile, in any order
    a.handle = lambda headers, body: (404, {})
    dead, after = told.tell(dedup="incident:9"), told.tell(kind="resolved", dedup="incident:9")
    a.handle = lambda headers, body: (404, {}) if b'"kind":"page"' in body else (200, {})
    told.run()
    assert (told.state(dead), told.state(after)) == ("dead_letter", "delivered")


def test_the_order_holds_also_for_what_was_queued_after_the_clock_was_set_back(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (503, {})
    told.tell()
    told.run()
    told.clock.at -= 100.0
    over = told.tell(kind="resolved")
    told.run()
    assert told.row(over).attempts == 0


def test_what_was_repeated_while_the_channel_was_down_wakes_nobody_twenty_times(told: Told, a: Endpoint) -> None:
    a.handle = lambda headers, body: (503, {})
    first = told.tell()
    told.run()
    later = [told.tell(level=level) for level in (1, 2, 2)]
    over, other = told.tell(kind="resolved"), told.tell(dedup="incident:8")
    a.handle = lambda headers, body: (200, {})
    told.run(60.0)
    assert [told.state(one) for one in (first, *later)] == ["delivered", "cancelled", "cancelled", "delivered"]
    assert "newer page" in told.row(later[0]).last_error
    assert (told.state(over), told.state(other)) == ("delivered", "delivered")
    assert told.kinds().count("page") == 4  # the one that failed, twice; the newest; another trouble


def test_pages_go_before_digests(told: Told) -> None:
    for number in range(3):
        told.tell(kind="digest", dedup=f"digest:{number}")
    told.clock.advance(1.0)
    told.tell()
    with told.database.begin() as connection:
        first = outbox.claim(connection, told.clock, "duty", 100.0)
    assert first is not None
    assert first.message.kind == "page"


def test_a_worker_that_dies_between_sending_and_marking_tells_twice_under_one_id(told: Told, a: Endpoint) -> None:
    keys: list[str] = []

    def handle(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        keys.append(headers["idempotency-key"])
        return 200, {}

    a.handle = handle
    page = told.tell()
    with told.database.begin() as connection:
        held = outbox.claim(connection, told.clock, "duty", 100.0)
    assert held is not None
    answer, reached = send(told.settings.notify["duty"], held.id, held.message, told.clock.real())  # and it dies
    assert told.run() == 0
    assert told.run(100.0 + MARGIN + 0.1) == 1
    assert (keys, told.state(page)) == ([page, page], "delivered")
    with told.database.begin() as connection:
        late = outbox.mark(connection, told.clock, held, Answer("blocked", "late news"), reached)
    assert (late, answer.outcome, told.state(page)) == (False, "delivered", "delivered")


def test_a_channel_that_hangs_delays_no_other(database: Database, clock: ManualClock, a: Endpoint, b: Endpoint) -> None:
    release = threading.Event()
    told = Told(database, clock, a, slow={"kind": "alertmanager", "urls": [b.url], "timeout": "200s"})
    b.handle = lambda headers, body: (release.wait(300), (200, {}))[1]
    slow, page = told.tell("slow"), told.tell()
    stop = threading.Event()
    thread = threading.Thread(target=told.loop.run_forever, args=[stop], daemon=True)
    thread.start()
    assert a.got.acquire(timeout=300)  # while the other one hangs
    states = {told.state(slow)}
    release.set()
    assert b.got.acquire(timeout=300)
    stop.set()
    told.loop.wake()
    thread.join(300)
    assert states <= {"pending", "in_flight"}
    assert told.state(page) == "delivered"


def test_receivers_that_have_it_are_not_told_again_while_another_is_down(
    database: Database, clock: ManualClock, a: Endpoint, b: Endpoint
) -> None:
    told = Told(database, clock, a, duty={"kind": "alertmanager", "urls": [a.url, b.url], "timeout": "100s"})
    b.handle = lambda headers, body: (500, {})
    page = told.tell()
    told.run()
    told.run(60.0)
    b.handle = lambda headers, body: (200, {})
    told.run(60.0)
    assert (told.state(page), len(a.bodies), len(b.bodies)) == ("delivered", 1, 3)
    told.loop.close()


def test_a_channel_that_is_not_configured_any_more_is_said(told: Told) -> None:
    gone = told.tell("gone")
    told.run()
    assert told.state(gone) == "dead_letter"
    assert "no [notify.gone]" in told.row(gone).last_error


def test_several_loops_send_each_message_once(told: Told, a: Endpoint) -> None:
    for number in range(6):
        told.tell(dedup=f"incident:{number}")
    loops = [told.another() for _ in range(3)]
    threads = [threading.Thread(target=loop.run_due) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for loop in loops:
        loop.close()
    assert len(a.bodies) == 6


def test_a_message_is_queued_exactly_when_what_it_is_about_is(told: Told) -> None:
    with pytest.raises(RuntimeError), told.database.begin() as connection:
        enqueue(connection, told.clock, ["duty"], message())
        raise RuntimeError
    assert told.run() == 0
    assert isinstance(message(), Message)
