"""The sign of life leaves the machine only while every alert that must wake somebody has an escalation that goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from monitor import status
from monitor.clock import ManualClock
from monitor.incidents import auditor
from monitor.incidents.auditor import Auditor
from monitor.report import report
from monitor.store.database import Database
from monitor.store.tables import heartbeats, notifications
from monitor.store.tables import incidents as table
from tests.paged import judged
from tests.receivers import Endpoint
from tests.woken import House


@pytest.fixture
def outside() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def house(database: Database, clock: ManualClock, tmp_path: Path, outside: Endpoint) -> House:
    return House(database, clock, tmp_path, heartbeat={"url": outside.url, "every": "60s", "timeout": "5s"})


def pings(outside: Endpoint) -> int:
    count = 0
    while outside.got.acquire(blocking=False):
        count += 1
    return count


def audit(house: House, seconds: float = 60.0) -> list[str]:
    house.clock.advance(seconds)
    return [one.text for one in house.watch.run()]


def test_while_all_is_well_it_pings_every_minute(house: House, outside: Endpoint) -> None:
    assert audit(house) == []
    assert audit(house, 30.0) == []
    assert pings(outside) == 1
    assert audit(house, 30.0) == []
    assert pings(outside) == 1


def test_the_sign_of_life_goes_to_nobody_else(house: House, outside: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Endpoint()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    outside.handle = lambda headers, body: (302, {})
    audit(house)
    assert (pings(outside), pings(proxy)) == (1, 0)
    assert auditor_note(house) == "the heartbeat was answered with 302"
    proxy.close()


def auditor_note(house: House) -> str:
    with house.database.read() as connection:
        note = connection.execute(select(heartbeats.c.note).where(heartbeats.c.part == auditor.PART)).scalar_one()
    return str(note)


def test_an_alert_that_is_cared_for_is_well(house: House, outside: Endpoint) -> None:
    house.fire()
    assert audit(house) == []
    house.ack()
    assert audit(house) == []
    assert pings(outside) == 2


def test_an_escalation_that_was_broken_by_hand_is_found_and_nothing_leaves(
    house: House, outside: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    house.fire()
    house.change(table, real_next_escalation=None)
    with caplog.at_level(logging.ERROR, "checkrein"):
        found = audit(house)
    assert found == ["Incident 1 of p is not acknowledged, and its escalation stands still."]
    assert [record.getMessage() for record in caplog.records] == [f"PAGE: {found[0]}"]
    assert pings(outside) == 0
    audit(house)
    assert house.kinds().count("auditor.finding") == 1, "it is said once"
    with house.database.read() as connection:
        shown = status.of(connection, house.parts.settings, house.clock, "p")
    assert shown["findings"] == found
    assert f"▲ {found[0]}" in report({**shown, "candidates": []})
    house.go()
    assert audit(house, 1.0) == []
    assert pings(outside) == 1


@pytest.mark.parametrize("ahead", [-61.0, 7200.0])
def test_an_escalation_that_is_late_or_far_ahead_stands_still(house: House, ahead: float) -> None:
    house.fire()
    house.change(table, real_next_escalation=house.clock.real() + 60.0 + ahead)
    assert len(audit(house)) == 1


def test_an_acknowledgement_that_ran_out_long_ago_is_found(house: House) -> None:
    house.fire()
    house.ack()
    assert audit(house, 1830.0) == [], "the action loop has a minute"
    assert audit(house, 60.0) == ["Incident 1 of p was acknowledged by anna; that ran out, and nobody else was told."]


def test_a_message_that_nobody_can_get_is_found(house: House) -> None:
    house.fire()
    house.change(notifications, state="dead_letter")
    assert audit(house) == ["Incident 1 of p reached nobody: its last message could not be delivered."]


def test_a_firing_alert_without_an_incident_gets_one_when_it_is_seen_twice(house: House, outside: Endpoint) -> None:
    judged(house.parts, True)
    with house.database.begin() as connection:
        connection.execute(delete(table))
    (said,) = audit(house)
    assert said == "low fires for p, and no incident wakes anybody for it."
    assert house.rows() == []
    assert "auditor.finding" not in house.kinds(), "a pass may be about to open it"
    audit(house)
    assert pings(outside) == 0
    house.go()
    assert house.one.state == "triggered"
    assert len(house.sent("page")) == 1
    assert audit(house, 30.0) == []


def test_silenced_and_foreign_alerts_need_no_incident(house: House) -> None:
    judged(house.parts, True, "mild")
    assert audit(house) == []


def test_a_heartbeat_that_does_not_arrive_is_said(house: House, outside: Endpoint) -> None:
    outside.handle = lambda headers, body: (503, {})
    assert audit(house) == []
    with house.database.read() as connection:
        here = select(heartbeats.c.note).where(heartbeats.c.part == auditor.PART)
        assert connection.execute(here).scalar_one() == "the heartbeat was answered with 503"
    outside.handle = lambda headers, body: (200, {})
    pings(outside)
    audit(house, 30.0)
    assert pings(outside) == 1, "it is tried again at the next look"


def test_findings_are_kept_where_the_next_process_reads_them(house: House) -> None:
    house.fire()
    house.change(table, real_next_escalation=None)
    audit(house)
    house.watch = Auditor(house.parts)
    audit(house)
    assert house.kinds().count("auditor.finding") == 1
    with house.database.read() as connection:
        note = connection.execute(select(heartbeats.c.note).where(heartbeats.c.part == auditor.PART)).scalar_one()
    assert len(json.loads(note)) == 1
