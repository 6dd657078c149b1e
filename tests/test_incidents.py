"""One trouble is one incident: it opens, groups, gets worse, comes back and ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from monitor import incidents
from monitor.acting import rollback
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import actions, events, notifications
from monitor.store.tables import incidents as table
from tests.paged import judged, pages
from tests.woken import House

MINUTE = 60.0


@pytest.fixture
def house(database: Database, clock: ManualClock, tmp_path: Path) -> House:
    return House(database, clock, tmp_path)


def raise_page(house: House, text: str = "The tank leaks.", **body: object) -> int:
    with house.database.begin() as connection:
        at = (connection, house.parts.settings, house.clock, "p")
        return incidents.page(*at, why="leak", text=text, severity="page", body=body)


def test_a_firing_that_pages_opens_an_incident_in_its_transaction(house: House) -> None:
    judged(house.parts, True)
    row = house.one
    assert (row.state, row.severity, row.level, row.policy) == ("triggered", "page", 0, "p")
    assert row.real_next_escalation == house.clock.real()
    assert len(pages(house.parts)) == 1
    house.go()
    assert house.sent() == [("page", "anna_phone")]
    assert house.one.level == 1


def test_a_rollback_opens_one_too_and_a_confirmed_one_is_mitigated_by_itself(house: House) -> None:
    house.fire("grave")
    assert (house.one.severity, house.one.state) == ("rollback", "triggered")
    assert "v7 -> v6" in house.texts("page")[0]
    house.confirm()
    assert house.rows(actions)[0].state == "confirmed"
    assert house.one.state == "mitigated"
    house.go(20 * MINUTE)
    assert len(house.sent("page")) == 1, "what is mitigated wakes nobody"
    house.go(10 * MINUTE)
    assert house.one.state == "closed"
    assert house.kinds()[-2:] == ["incident.resolved", "incident.closed"]
    assert house.sent("resolved") == [("resolved", "anna_phone")]


def test_a_rollback_by_hand_belongs_to_whoever_made_it(house: House) -> None:
    with house.database.begin() as connection:
        rollback.request(
            connection, house.parts.settings, house.clock, "p", from_version=None, reason="It smells.",
            trigger="manual", actor="token:anna", mode="manual",
        )  # fmt: skip
    house.go()
    assert (house.one.state, house.one.ack_by) == ("acknowledged", "token:anna")
    assert house.sent("page") == []
    house.go(30 * MINUTE)
    assert house.one.state == "triggered", "it is unfinished, and the half hour is over"
    assert house.sent("page")


def test_pages_of_one_trouble_are_one_message_and_then_one_update(house: House) -> None:
    house.fire()
    house.ack()
    for text in ("The first pump stops.", "The second pump stops."):
        raise_page(house, text, trigger="low")
        house.go(MINUTE)
    assert [kind for kind, _ in house.sent()] == ["page", "acknowledged"]
    house.go(3 * MINUTE)
    assert house.sent("update") == [("update", "anna_phone")]
    assert house.texts("update")[0].splitlines() == ["The first pump stops.", "The second pump stops."]
    raise_page(house, "The third pump stops.", trigger="low")
    house.go(4 * MINUTE)
    assert len(house.sent("update")) == 1
    house.go(MINUTE)
    assert house.texts("update")[1:] == ["The third pump stops."]
    assert len(house.rows()) == 1
    assert len([kind for kind in house.kinds() if kind == "page"]) == 4, "the record has all of them"


def test_a_worse_trouble_wakes_people_again(house: House) -> None:
    house.fire()
    house.ack()
    house.fire("grave")
    assert (house.one.severity, house.one.state, house.one.ack_by) == ("rollback", "triggered", None)
    assert len(house.sent("page")) == 2


def test_an_acknowledged_rollback_that_is_not_confirmed_wakes_people_again(house: House) -> None:
    house.fire("grave")
    house.ack(lasts=4 * 3600.0)
    house.go(MINUTE)
    assert len(house.sent("page")) == 1
    house.go(MINUTE)
    assert house.rows(actions)[0].state == "unconfirmed"
    assert house.one.state == "triggered"
    assert "is not confirmed after 120 s" in house.texts("page")[1]


def test_a_rollback_that_comes_undone_reopens_its_incident(house: House) -> None:
    house.fire("grave")
    house.confirm()
    house.go(30 * MINUTE)
    assert house.one.state == "closed"
    (action,) = house.rows(actions)
    with house.database.begin() as connection:
        named = {"policy": "p", "why": "relapsed", "action": action.id, "text": "v7 decides again."}
        assert incidents.page_action(connection, house.clock, **named)
        assert not incidents.page_action(connection, house.clock, **named)
    house.change(actions, state="unconfirmed", acknowledged=house.clock.now())
    house.go()
    assert (house.one.state, house.one.reopened, house.one.level) == ("triggered", 1, 1)
    assert len(house.sent("page")) == 2


def test_it_is_not_resolved_while_something_is_unfinished(house: House) -> None:
    house.fire("grave")
    with pytest.raises(incidents.IncidentConflictError, match=r"1 of its rollbacks are not confirmed \(delivered\)"):
        house.resolve()
    house.change(actions, state="cancelled")
    assert house.resolve()


def test_it_is_not_resolved_while_something_fires(house: House) -> None:
    house.fire()
    with pytest.raises(incidents.IncidentConflictError, match="low fires; silence what is known, or wait"):
        house.resolve()
    assert house.one.state == "triggered"


def test_what_a_person_resolved_is_reopened_by_a_firing_within_30_minutes_and_closed_after_them(house: House) -> None:
    house.fire()
    house.fire(bad=False)
    assert house.one.state == "mitigated"
    assert house.resolve()
    assert (house.one.state, house.one.resolved_by) == ("resolved", "anna")
    house.go(20 * MINUTE)
    house.fire()  # its page is held back for 30 minutes (monitor.alerting.paging), the incident is not
    assert (house.one.state, house.one.reopened) == ("triggered", 1)
    assert len(house.sent("page")) == 2
    house.fire(bad=False)
    assert house.resolve("bo")
    house.go(30 * MINUTE)
    assert house.one.state == "closed"
    house.fire()
    assert [row.state for row in house.rows()] == ["closed", "triggered"]


@pytest.mark.parametrize(("minutes", "found"), [(29.0, ["mitigated"]), (30.0, ["closed", "mitigated"])])
def test_what_closed_by_itself_is_reopened_by_a_firing_within_30_minutes(
    house: House, minutes: float, found: list[str]
) -> None:
    house.fire("grave")
    house.confirm()
    house.go(30 * MINUTE)
    assert house.one.state == "closed"
    house.go(minutes * MINUTE)
    raise_page(house, trigger="low")
    house.go()
    assert [row.state for row in house.rows()] == found
    assert house.rows()[0].reopened == (len(found) == 1)
    assert len(house.sent("page")) == 2, "it is told, although it is over by now"


def test_an_incident_that_no_alert_ends_waits_for_a_person(house: House) -> None:
    assert raise_page(house) == 1
    house.go()
    house.go(3600.0)
    assert (house.one.state, house.one.level) == ("triggered", 2)
    house.ack()
    house.go(30 * MINUTE)
    assert house.one.state == "triggered", "acknowledged is not over"
    assert house.resolve()
    house.go(30 * MINUTE)
    assert house.one.state == "closed"


def test_what_was_over_before_anybody_was_told_is_told_once(house: House) -> None:
    judged(house.parts, True)
    house.clock.advance(MINUTE)
    judged(house.parts, False)
    house.go()
    house.go(MINUTE)
    assert house.one.state == "mitigated"
    assert len(house.sent("page")) == 1


def test_a_mitigated_trouble_that_fires_again_goes_on_at_the_pace_of_its_escalation(house: House) -> None:
    house.fire()
    for _ in range(10):  # twenty flaps within four minutes
        house.fire(bad=False)
        assert house.one.state == "mitigated"
        house.go(12.0)
        house.fire()
        assert house.one.state == "triggered"
        house.go(12.0)
    assert len(house.sent("page")) <= 2
    house.go(10 * MINUTE)
    assert len(house.sent("page")) > 1, "nobody answered, and it fires"


def test_silenced_alerts_keep_no_incident_open(house: House) -> None:
    from monitor.alerting import silences

    house.fire()
    with house.database.begin() as connection:
        silences.add(
            connection, house.parts.settings, house.clock, "p", trigger="low", version="", owner="anna",
            reason="Known.", until=house.clock.now() + 3600.0, actor="cli",
        )  # fmt: skip
    house.go()
    assert house.one.state == "mitigated"


def test_policies_over_one_limit_are_one_page(house: House) -> None:
    text = "p was not rolled back: 5 automatic rollbacks in one hour."
    with house.database.begin() as connection:
        first = incidents.open_incident(connection, house.clock, "p", text)
        row = {"id": "act_1", "policy": "p", "incident": first.id, "state": "limited", "to_version": "v6"}
        row |= {"kind": "rollback", "hook": "", "generation": 1, "from_version": "v7", "reason": "", "trigger": "grave"}
        row |= {"actor": "", "body": "", "requested": 0.0, "real_requested": 0.0}
        connection.execute(insert(actions), [row])
        incidents.page_action(connection, house.clock, "p", why="limited", action="act_1", text=text)
        for name in ("q", "r"):
            led = incidents.open_incident(connection, house.clock, name, text)
            connection.execute(insert(actions), [{**row, "id": f"act_{name}", "policy": name, "incident": led.id}])
            incidents.join(connection, led.id, "limited")
    house.go()
    assert house.sent() == [("page", "anna_phone")]
    assert "2 more wait with it: q (incident 2), r (incident 3)." in house.texts("page")[0]
    house.ack()
    assert [row.ack_by for row in house.rows()] == ["anna"] * 3
    assert house.sent("acknowledged") == [("acknowledged", "anna_phone")]
    house.go(30 * MINUTE)
    assert [row.state for row in house.rows()] == ["triggered"] * 3
    assert len(house.sent("page")) == 2, "one wakes people for all of them"
    with house.database.begin() as connection:
        connection.execute(actions.update().where(actions.c.policy == "p").values(state="cancelled"))
    house.go()
    assert [row.state for row in house.rows()] == ["closed", "triggered", "triggered"]
    assert [row.led_by for row in house.rows()[1:]] == [None, 2], "one of them speaks for the others now"
    paged = [row.policy for row in house.rows(notifications, "real_requested") if row.kind == "page"]
    assert (paged[:2], set(paged[2:])) == (["p", "p"], {"q"})


def test_what_was_held_back_and_is_over_when_its_leader_is_wakes_nobody(house: House) -> None:
    with house.database.begin() as connection:
        for name in ("p", "q", "r"):
            identity = incidents.open_incident(connection, house.clock, name, "Over the limit.").id
            if identity > 1:
                connection.execute(table.update().where(table.c.id == identity).values(led_by=1))
    house.go()
    assert [row.state for row in house.rows()] == ["mitigated"] * 3
    assert len(house.sent("page")) == 1


def test_what_happens_after_the_clock_was_set_back_is_told_too(house: House) -> None:
    house.fire()
    house.clock.at -= 86400.0
    house.go()
    house.ack()
    house.go(6 * MINUTE)
    raise_page(house, "The second pump stops.", trigger="low")
    house.go()
    assert set(house.texts("update")) == {"The second pump stops."}


def test_an_incident_never_waits_for_itself(house: House) -> None:
    with house.database.begin() as connection:
        first = incidents.open_incident(connection, house.clock, "p", "Over the limit.")
        second = incidents.open_incident(connection, house.clock, "q", "Over the limit.")
        connection.execute(table.update().where(table.c.id == second.id).values(led_by=first.id))
        incidents.page_action(connection, house.clock, "q", why="limited", action="act_1", text="Over the limit.")
        incidents.join(connection, first.id, "limited")
    assert house.rows()[0].led_by is None


def test_the_record_of_a_page_is_what_it_was(house: House) -> None:
    raise_page(house, trigger="low", version="v7", keys=[""])
    with house.database.read() as connection:
        body = connection.execute(select(events.c.body).where(events.c.kind == "page")).scalar_one()
    assert json.loads(body) == {
        "trigger": "low",
        "version": "v7",
        "keys": [""],
        "why": "leak",
        "text": "The tank leaks.",
    }
