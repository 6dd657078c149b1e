"""What becomes of one action at a real receiver: retries, refusals, lost answers, confirmation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from monitor import settings
from monitor.acting import outbox
from monitor.acting.actions import ActionLoop
from monitor.clock import ManualClock
from monitor.hooks import Answer
from monitor.store.database import Database
from monitor.store.tables import events, traffic
from tests.receivers import EPOCH, SECRET, Endpoint, Site, reference, sha256


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


def test_a_rollback_is_delivered_and_its_answer_acknowledges_it(site: Site) -> None:
    site.a.handle = lambda headers, body: (200, {"generation": 2, "serving": "v6", "artifact_sha256": "ab"})
    (action,) = site.roll_back()
    assert site.run() == 1
    row = site.row(action)
    assert (row.state, row.attempts, row.real_due, row.real_lease) == ("delivered", 1, None, None)
    assert (row.delivered, row.acknowledged, row.artifact_sha256) == (EPOCH, EPOCH, "ab")
    assert site.a.bodies == [row.body.encode()]
    assert site.run(3600) == 0


def test_a_receiver_that_is_down_is_tried_on_schedule_until_it_is_back(site: Site) -> None:
    site.a.handle = lambda headers, body: (503, {})
    (action,) = site.roll_back()
    tried = []
    while site.clock.real() < EPOCH + 600:
        assert site.run() == 1
        tried.append(site.clock.real() - EPOCH)
        site.clock.at = site.row(action).real_due
    assert tried[:7] == [0, 1, 3, 8, 18, 48, 108]
    gaps = [after - before for before, after in itertools.pairwise(tried[6:])]
    assert len(set(gaps)) > 5
    assert all(48 <= gap <= 60 for gap in gaps)
    assert site.run(-0.1) == 0
    assert site.row(action).state == "pending"
    site.a.handle = lambda headers, body: (200, {})
    assert site.run(0.1) == 1
    assert site.row(action).state == "delivered"
    assert set(site.a.ids()) == {action}
    assert len(set(site.a.bodies)) == 1
    assert site.pages() == ["undelivered"]


def test_a_person_is_paged_within_30_seconds_of_the_first_failure_and_once(site: Site) -> None:
    site.a.handle = lambda headers, body: (500, {})
    site.roll_back()
    site.run()
    site.run(29.9)
    assert site.pages() == []
    site.run(0.1)
    assert site.pages() == ["undelivered"]
    site.loop = ActionLoop(site.database, site.settings, site.clock, "restarted")
    site.run(60)
    assert site.pages() == ["undelivered"]


def test_retry_after_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.a.close()  # what answers with a header is the hook's test; here is what the loop makes of it
    (action,) = site.roll_back()
    with site.database.begin() as connection:
        claim = outbox.claim(connection, site.clock, "a", 5.0)
        assert claim is not None
        assert outbox.mark(connection, site.clock, claim, Answer("retry", "busy", retry_after=45.0))
    assert site.row(action).real_due == EPOCH + 45


def test_a_refusal_is_visible_paged_and_not_sent_again(site: Site) -> None:
    site.a.handle = lambda headers, body: (403, {"error": "wrong key"})
    (action,) = site.roll_back()
    site.run()
    row = site.row(action)
    assert (row.state, row.real_due) == ("blocked", None)
    assert "403" in row.last_error
    assert "wrong key" in row.last_error
    assert site.run(3600) == 0
    assert site.pages() == ["blocked"]


def test_a_refused_action_is_replayed_with_the_same_bytes_and_pages_again(site: Site) -> None:
    site.a.handle = lambda headers, body: (403, {})
    (action,) = site.roll_back()
    for _ in range(2):
        site.run()
        with site.database.begin() as connection:
            assert outbox.replay(connection, site.clock, action, "ada")
            assert not outbox.replay(connection, site.clock, action, "ada")
    assert site.pages() == ["blocked", "blocked"]
    site.a.handle = lambda headers, body: (200, {})
    site.run()
    assert site.row(action).state == "delivered"
    assert len(site.a.bodies) == 3
    assert len(set(site.a.bodies)) == 1


def test_a_cancelled_action_is_not_sent(site: Site) -> None:
    (action,) = site.roll_back()
    with site.database.begin() as connection:
        assert outbox.cancel(connection, site.clock, action, "ada")
        assert not outbox.cancel(connection, site.clock, action, "ada")
    assert site.run() == 0
    assert site.row(action).state == "cancelled"


def test_an_action_of_a_hook_that_left_the_configuration_is_blocked_and_says_so(site: Site) -> None:
    (action,) = site.roll_back()
    site.loop = ActionLoop(site.database, settings.parse({}), site.clock, "test")
    site.run()
    row = site.row(action)
    assert (row.state, "no hook 'a'" in row.last_error) == ("blocked", True)


def test_a_lost_answer_is_sent_again_with_the_same_id_and_applied_once(site: Site, tmp_path: Path) -> None:
    switched: list[str] = []
    receiver = reference(site, tmp_path, switched)
    answers: list[tuple[int, dict[str, Any]]] = []

    def loses_the_first_two(headers: dict[str, str], body: bytes) -> tuple[int, Any] | None:
        answers.append(receiver.receive(headers, body))
        return answers[-1] if len(answers) > 2 else None

    site.a.handle = loses_the_first_two
    (action,) = site.roll_back()
    assert [site.run(), site.run(1), site.run(2)] == [1, 1, 1]
    assert [answer[1]["applied"] for answer in answers] == [True, False, False]
    assert switched == ["v6"]
    assert site.a.ids() == [action] * 3
    row = site.row(action)
    assert (row.state, row.attempts, row.acknowledged) == ("delivered", 3, EPOCH + 3)
    assert row.artifact_sha256 == sha256("v6")


def test_a_rollback_is_confirmed_end_to_end_with_the_reference_receiver(site: Site, tmp_path: Path) -> None:
    receiver = reference(site, tmp_path, [])
    site.a.handle = receiver.receive
    (action,) = site.roll_back()
    site.run()
    rows = [{"policy": "p0", "start": EPOCH + 10 * n, "version": "v6", "rows": 20} for n in range(4)]
    with site.database.begin() as connection:
        connection.execute(insert(traffic), rows)
    site.run(40)
    assert site.row(action).state == "confirmed"
    assert receiver.state("p0")["serving"] == "v6"
    site.run(1800)
    with site.database.read() as connection:
        kinds = list(connection.execute(select(events.c.kind).order_by(events.c.id)).scalars())
    assert kinds == [
        "incident.opened",
        "rollback.requested",
        "action.delivered",
        "action.acknowledged",
        "action.confirmed",
        "incident.mitigated",
        "incident.resolved",
        "incident.closed",
    ]


def test_the_health_page_acknowledges_what_the_answer_did_not(site: Site, tmp_path: Path) -> None:
    receiver = reference(site, tmp_path, [])

    def quiet(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        return (receiver.receive(headers, body)[0], {}) if body else (200, receiver.health())

    site.a.handle = quiet
    site.configure(a={"health": site.a.url + "/health"})
    (action,) = site.roll_back()
    site.run()
    row = site.row(action)
    assert (row.state, row.acknowledged, row.artifact_sha256) == ("delivered", EPOCH, sha256("v6"))


def test_a_receiver_that_says_yes_and_does_nothing_is_paged_and_told_again_every_minute(site: Site) -> None:
    site.a.handle = lambda headers, body: (200, {"generation": 1, "serving": "v7"})
    (action,) = site.roll_back()
    site.run()
    site.run(119)
    row = site.row(action)
    assert (row.state, row.acknowledged) == ("unconfirmed", None)
    assert "serves v7, generation 1" in row.last_error
    assert site.pages() == ["unconfirmed"]
    assert site.run() == 1
    sent = sum(site.run(10.0) for _ in range(18))
    assert sent == 3
    assert set(site.a.ids()) == {action}
    assert site.row(action).state == "unconfirmed"
    assert site.pages() == ["unconfirmed"]
