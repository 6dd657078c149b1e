"""What whoever is on call does on the pages, and what is refused: everything is checked again behind the dialog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from dashboard.asked import Refused
from dashboard.data import Data
from dashboard.dialog import ASKS, ask
from dashboard.duty import ACTS
from dashboard.findings import finding
from dashboard.pages import alerts
from monitor import incidents as acts
from monitor import tokens
from monitor.clock import ManualClock
from monitor.incidents import IncidentConflictError
from monitor.store.database import Database
from monitor.store.tables import incident_steps
from monitor.store.tables import incidents as table
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


def test_a_person_takes_it_works_through_the_page_and_cannot_end_what_is_not_over(
    house: House, data: Data, anna: str
) -> None:
    house.fire()
    assert "anna has acknowledged incident 1" in data.duty.act("ack", [1], {"lasts": "1800"}, anna)
    assert house.one.ack_by == "anna", "the person, not the name of a token"
    data.duty.act("follow_up", [1], {"text": "Seal the probe.", "lasts": "86400", "owner": "bo"}, anna)
    words = page(data)
    assert "Seal the probe." in words
    assert "bo , due in 1.0 d" in words
    data.duty.act("followed", [1, 1], {}, anna)
    with pytest.raises(Refused, match="was done before"):
        data.duty.act("followed", [1, 1], {}, anna)
    with pytest.raises(Refused, match=r"Incident 1 cannot be resolved: low fires; silence what is known, or wait\."):
        data.duty.act("resolve", [1], {}, anna)
    assert "is acting" in data.duty.act("mitigate", [1], {}, anna)
    assert house.one.state == "mitigating"


def test_steps_of_the_frozen_page_have_clocks_and_are_answered_once(house: House, data: Data, anna: str) -> None:
    house.fire()
    real = house.clock.real()
    common = {"incident": 1, "trigger": "low", "page_sha256": "ab" * 32, "expect": "it moves", "on_timeout": "call bo"}
    common |= {"kind": "check", "within": 300.0, "state": "pending", "evidence": None}
    rows = [
        {**common, "number": 1, "text": "Look.", "real_started": real, "real_deadline": real + 300.0},
        {**common, "number": 2, "text": "Decide.", "real_started": None, "real_deadline": None},
    ]
    with house.database.begin() as connection:
        connection.execute(insert(incident_steps), rows)
    words = page(data)
    assert "to do due in 5 min" in words
    assert "within 5 min of the one before" in words
    house.clock.advance(360.0)
    assert "overdue since 1 min ago" in page(data)
    assert data.duty.act("step", [1, 1], {}, anna) == "Step 1 is done."
    with pytest.raises(Refused, match="Somebody has answered step 1 before"):
        data.duty.act("skip", [1, 1], {}, anna)
    assert data.duty.act("skip", [1, 2, "Decide."], {}, anna) == "Step 2 is skipped."
    words = page(data)
    assert "by anna" in words
    assert "skipped" in words


def test_the_next_level_is_woken_at_once_when_a_person_asks(house: House, data: Data, anna: str) -> None:
    house.fire()
    house.ack("bo")
    assert "being woken" in data.duty.act("escalate", [1], {}, anna)
    assert (house.one.state, house.one.level, house.one.ack_by) == ("triggered", 2, None)
    assert house.sent("page")[-2:] == [("page", "anna_phone"), ("page", "cleo_phone")]
    assert "anna asks for help: level 2 of 3." in house.texts("page")[-1]
    data.duty.act("escalate", [1], {}, anna)
    data.duty.act("escalate", [1], {}, anna)
    assert house.one.level == 3, "the last one repeats"
    house.change(table, led_by=7)
    with pytest.raises(Refused, match="waits with incident 7"):
        data.duty.act("escalate", [1], {}, anna)
    house.change(table, led_by=None, state="resolved")
    with pytest.raises(IncidentConflictError, match="wakes nobody"), house.database.begin() as connection:
        acts.escalate(connection, house.parts.settings, house.clock, 1, "anna")
    with house.database.begin() as connection:
        assert not acts.escalate(connection, house.parts.settings, house.clock, 9, "anna")


def test_an_alert_is_silenced_from_the_page_and_a_rollback_never(house: House, data: Data, anna: str) -> None:
    house.fire()
    (low,) = data.alerts("p")["open"]
    assert asks(finding(low, data.now(), acts=True)) == ["silence"]
    said = {"lasts": "3600", "text": "The probe is replaced."}
    assert "Rollbacks and their pages go on." in data.duty.act("silence", ["p", "low", "v7"], said, anna)
    (low,) = data.alerts("p")["open"]
    words = text_of(finding(low, data.now(), acts=True))
    assert "◇ silenced" in words
    assert "ends in 1.0 h . anna: The probe is replaced." in words
    (held,) = data.duty.silences()
    muted = alerts.muted([held], data.now())
    assert "a rollback is never muted" in text_of(muted)
    assert asks(muted) == ["speak"]
    assert data.duty.act("speak", [held["id"]], {}, anna).startswith("Silence 1 is over")
    with pytest.raises(Refused, match="over already"):
        data.duty.act("speak", [held["id"]], {}, anna)
    assert "mutes nothing" in data.duty.act("silence", ["p", "grave", ""], said, anna)
    house.fire("grave")
    (grave,) = [item for item in data.alerts("p")["open"] if item["trigger"] == "grave"]
    assert asks(finding(grave, data.now(), acts=True)) == []
    assert "A rollback" in text_of(finding(grave, data.now(), acts=True))


@pytest.mark.parametrize(
    ("what", "on", "said", "field", "sentence"),
    [
        ("nothing", [1], {}, "", "no such thing"),
        ("ack", [9], {"lasts": "600"}, "", "There is no such incident"),
        ("ack", ["1"], {"lasts": "600"}, "", "load the page again"),
        ("ack", [True], {"lasts": "600"}, "", "load the page again"),
        ("ack", [10**12], {"lasts": "600"}, "", "load the page again"),
        ("ack", [], {"lasts": "600"}, "", "load the page again"),
        ("ack", [1], {"lasts": "for ever"}, "lasts", "Choose how long"),
        ("ack", [1], {"lasts": "86400"}, "", "lasts 1m to 4h"),
        ("note", [1], {"text": "  "}, "text", "Write what"),
        ("note", [1], {"text": "a\x00bc"}, "text", "NUL"),
        ("note", [1], {"text": "x" * 10_001}, "text", "at most 10,000"),
        ("follow_up", [1], {"text": "Seal it.", "lasts": "0", "owner": "x" * 201}, "owner", "at most 200"),
        ("follow_up", [1], {"text": "Seal it.", "lasts": "-5"}, "", "due in the future"),
        ("step", [1, 99], {}, "", "has no step 99"),
        ("silence", ["q", "low", ""], {"lasts": "600", "text": "Known."}, "", "load the page again"),
        ("silence", ["p", "", ""], {"lasts": "600", "text": "Known."}, "", "load the page again"),
        ("silence", ["p", "lov", ""], {"lasts": "600", "text": "Known."}, "", "no enabled trigger"),
        ("silence", ["p", "low", ""], {"lasts": "999999", "text": "Known."}, "", "at most 7 days"),
        ("silence", ["p", "low", ""], {"lasts": "600", "text": ""}, "text", "Say why"),
    ],
)
def test_what_a_form_would_not_have_sent_is_refused(
    house: House, data: Data, anna: str, what: str, on: list[Any], said: dict[str, str], field: str, sentence: str
) -> None:
    house.fire()
    before = house.one
    with pytest.raises(Refused, match=sentence) as refused:
        data.duty.act(what, on, said, anna)
    assert refused.value.field == field
    assert house.one == before


def test_a_token_is_asked_for_and_its_scope_is_kept(house: House, data: Data) -> None:
    house.fire()
    with house.database.begin() as connection:
        take = tokens.create(connection, house.clock, "pager", "bo", ["ack"], 86400.0, "test")
    for token in ("", "a guess that is long enough"):
        with pytest.raises(Refused, match="not known"):
            data.duty.act("ack", [1], {"lasts": "600"}, token)
    with pytest.raises(Refused, match="needs the scope act"):
        data.duty.act("resolve", [1], {}, take)
    assert "bo has acknowledged" in data.duty.act("ack", [1], {"lasts": "600"}, take)


def test_every_button_has_an_act_and_every_act_a_button() -> None:
    assert set(ASKS) == set(ACTS)
    made = ask("ack", 4, quiet="incident 4")
    assert made.to_plotly_json()["props"]["data-on"] == "[4]"
    assert text_of(made) == "Acknowledge incident 4"


def test_everything_that_people_do_makes_the_pages_read_again(house: House, data: Data, anna: str) -> None:
    def judged() -> str:
        return str(data.overview()["tokens"].judged)

    seen = [judged()]

    def moved(do: Callable[[], Any]) -> None:
        do()
        seen.append(judged())
        assert seen[-1] != seen[-2]

    moved(house.fire)
    moved(lambda: data.duty.act("ack", [1], {"lasts": "600"}, anna))
    moved(lambda: data.duty.act("note", [1], {"text": "The probe is wet."}, anna))
    moved(lambda: data.duty.act("follow_up", [1], {"text": "Seal it.", "lasts": "0"}, anna))
    moved(lambda: data.duty.act("followed", [1, 1], {}, anna))
    moved(lambda: data.duty.act("silence", ["p", "low", ""], {"lasts": "600", "text": "Known."}, anna))
    moved(lambda: data.duty.act("speak", [1], {}, anna))
    assert judged() == seen[-1], "nothing moved meanwhile"
