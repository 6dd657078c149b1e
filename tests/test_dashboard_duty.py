"""What whoever is on call reads and does on the pages: every state of an incident, every act, every refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dash.development.base_component import Component
from sqlalchemy import insert

from dashboard import history, shell
from dashboard.asked import Refused
from dashboard.data import Data
from dashboard.dialog import ASKS, ask
from dashboard.duty import ACTS
from dashboard.findings import finding, grouped
from dashboard.pages import alerts, incident, incidents
from dashboard.troubles import line
from monitor import incidents as acts
from monitor import tokens
from monitor.clock import ManualClock
from monitor.incidents import IncidentConflictError
from monitor.store.database import Database
from monitor.store.tables import incident_steps, notifications
from monitor.store.tables import incidents as table
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


def text_of(component: Any) -> str:
    """All words of a component, in order, with one space between them."""
    if isinstance(component, Component):
        return text_of(component.children) if hasattr(component, "children") else ""
    if isinstance(component, list | tuple):
        return " ".join(" ".join(text_of(part) for part in component).split())
    return "" if component is None else str(component)


def page(data: Data, number: int = 1) -> str:
    """All words of an incident's page."""
    one, now, real = data.duty.incident(number), data.now(), data.duty.real()
    assert one is not None
    parts = [incident.head(one, now, real), incident.did(one, now), history.runbook(one, now, real)]
    parts += [history.notes(one, now), history.follow_ups(one, now), history.timeline(one, now)]
    return text_of([*parts, history.messages(one, now)])


def asks(component: Any) -> list[str]:
    """Return what its buttons ask for; a button that cannot be pressed is in brackets."""
    if isinstance(component, list | tuple):
        return [name for part in component for name in asks(part)]
    if not isinstance(component, Component):
        return []
    props = component.to_plotly_json()["props"]
    own = [f"({props['data-ask']})" if props.get("disabled") else props["data-ask"]] if "data-ask" in props else []
    return own + asks(props.get("children"))


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
