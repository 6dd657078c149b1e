"""What whoever is on call reads on the pages, in every state of an incident."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboard import shell
from dashboard.data import Data
from dashboard.findings import grouped
from dashboard.pages import incident, incidents
from dashboard.troubles import line
from monitor import tokens
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import notifications
from tests.shown import asks, page, text_of
from tests.woken import House


@pytest.fixture
def house(database: Database, clock: ManualClock, tmp_path: Path) -> House:
    return House(database, clock, tmp_path)


@pytest.fixture
def data(house: House) -> Data:
    return Data(house.parts, lambda: None)


@pytest.fixture
def anna(house: House) -> str:
    with house.database.begin() as connection:
        return tokens.create(connection, house.clock, "anna-laptop", "anna", ["act"], 86400.0, "test")


def head(data: Data) -> tuple[str, list[str]]:
    """Return what the top of the page says, and what it lets do."""
    one = data.duty.incident(1)
    assert one is not None
    made = incident.head(one, data.now(), data.duty.real())
    return text_of(made), asks(made)


def test_where_nothing_is_open_it_says_what_is_watched(data: Data) -> None:
    said = text_of(incidents.listed([], data.now(), data.duty.real(), empty="No incident is open. 1 policy watched."))
    assert said == "No incident is open. 1 policy watched."
    assert data.duty.held() == {}
    assert data.duty.incident(1) is None
    assert data.duty.wrong("a") == []
    assert shell.banners({"stale": {}, "wrong": []}) == []


def test_one_that_nobody_has_says_who_is_woken_next_and_when(house: House, data: Data) -> None:
    house.fire()
    said, can = head(data)
    assert "Nobody has it. anna_phone, cleo_phone: level 2 of 3 is woken in 5 min ." in said
    assert can == ["ack", "escalate", "mitigate", "(resolve)"]
    assert "Incident 1 cannot be resolved: low fires; silence what is known, or wait." in said
    house.go(120.0)
    assert "level 2 of 3 is woken in 3 min ." in head(data)[0]
    (held,) = data.duty.held().values()
    row = line(held, data.now(), data.duty.real())
    assert "■" not in text_of(row), "a page is no rollback"
    assert asks(row) == ["ack"]
    house.go(200.0)
    assert "room: level 3 of 3 is woken in 10 min ." in head(data)[0]
    house.go(700.0)
    assert "room: level 3 of 3 is woken again" in head(data)[0]


def test_one_that_somebody_has_says_until_when_and_that_it_comes_back(house: House, data: Data) -> None:
    house.fire()
    house.ack("anna", 600.0)
    said, can = head(data)
    assert "anna has it; that runs out in 10 min ." in said
    assert "If it is not over then, it wakes level 1 again." in said
    assert can == ["ack", "escalate", "mitigate", "(resolve)"]
    (held,) = data.duty.held().values()
    assert asks(line(held, data.now(), data.duty.real())) == [], "somebody has it already"


def test_an_acknowledgement_that_ran_out_looks_like_none(house: House, data: Data) -> None:
    house.fire()
    house.ack("anna", 600.0)
    house.clock.advance(660.0)
    said, can = head(data)
    assert "The acknowledgement of anna ran out 1 min ago ." in said
    assert "ack" in can
    assert data.duty.held()["p"]["expired"]
    house.go()
    assert "Nobody has it." in head(data)[0]


def test_one_that_is_over_says_by_whom_and_can_still_be_written_about(house: House, data: Data, anna: str) -> None:
    house.fire()
    house.fire(bad=False)
    house.fire(bad=False)
    assert house.one.state == "mitigated"
    assert "every rollback of it is confirmed" in head(data)[0]
    assert data.duty.act("resolve", [1], {}, anna).startswith("anna has resolved incident 1.")
    said, can = head(data)
    assert "Over by anna" in said
    assert can == []
    data.duty.act("note", [1], {"text": "The probe was wet."}, anna)
    assert "The probe was wet." in page(data)
    house.go(1900.0)
    assert house.one.state == "closed"
    (over,) = data.duty.incidents()
    assert over["closed"] is not None
    shown = text_of(incidents.listed([over], data.now(), data.duty.real(), empty=""))
    assert "Incident 1" in shown
    house.clock.advance(31 * 86400.0)
    assert data.duty.incidents() == []


def test_pages_that_reach_nobody_are_said_on_every_page(house: House, data: Data) -> None:
    house.serve(())
    house.fire()
    wrong = data.overview()["wrong"]
    assert wrong == ["Pages of p reach nobody: configure a channel, [notify.NAME], and test it."]
    assert "Pages of p reach nobody" in text_of(shell.banners({"stale": {}, "wrong": wrong}))
    many = text_of(shell.banners({"stale": {}, "wrong": ["One.", "Two.", "Three."]}))
    assert "One. Two." in many
    assert "And 1 more." in many
    assert "Three." in text_of(incidents.findings(["One.", "Two.", "Three."]))


def test_who_is_on_call_who_is_next_and_when_nobody_is(data: Data) -> None:
    said = text_of(incidents.rotas(data.duty.oncall(), data.now()))
    assert "is on call" in said
    assert "Next:" in said
    assert "No rota is configured" in text_of(incidents.rotas([], data.now()))
    gap = {"from": "2025-06-20T07:00:00Z", "until": "2025-06-21T07:00:00Z"}
    none = {"rota": "plant", "now": None, "next": None, "gaps": [gap]}
    said = text_of(incidents.rotas([none], data.now()))
    assert "nobody now" in said
    assert "for 1.0 d: write an override." in said


def test_why_is_said_once_of_a_policy_and_the_others_are_folded_or_left_out(house: House, data: Data) -> None:
    house.fire()
    (low,) = data.alerts("p")["open"]
    told = {"why": "It pays less.", "help": "It will help.", "parts": [], "features": [], "segments": [], "back": []}
    items = [{**low, "trigger": name, "why": {**told, "why": f"{told['why']} {name}"}} for name in ("a", "b", "c")]
    brief = text_of(grouped(items, data.now(), empty="", most=3))
    assert brief.count("It will help.") == 1
    full = text_of(grouped(items, data.now(), empty=""))
    assert full.count("Why this one fired") == 2


def test_an_incident_says_where_its_page_is_and_messages_link_to_it(house: House, data: Data) -> None:
    house.fire()
    one = data.duty.incident(1)
    assert one is not None
    assert one["page"] == "/incident/1"
    assert {json.loads(row.body)["link"] for row in house.rows(notifications)} == {"/incident/1"}
    assert incidents.listed([one], data.now(), data.duty.real(), empty="").children[0].children[1].children[0].href == (
        "/incident/1"
    )
