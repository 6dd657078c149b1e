"""Nobody who answers is waited for: levels, rotas, expiring acknowledgements, in real time and from rows alone."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from monitor import incidents
from monitor.acting.actions import ActionLoop
from monitor.clock import ManualClock
from monitor.notify.channels import channels_of
from monitor.store.database import Database
from monitor.store.tables import incidents as table
from monitor.store.tables import notifications
from runbooks.incidents import ANSWERED, IncidentState
from tests.paged import judged
from tests.woken import House, channel

MINUTE = 60.0


@pytest.fixture
def house(database: Database, clock: ManualClock, tmp_path: Path) -> House:
    return House(database, clock, tmp_path)


def test_nobody_answers_so_the_next_level_is_told_and_the_last_one_repeats(house: House) -> None:
    house.fire()
    assert house.sent() == [("page", "anna_phone")]
    house.go(5 * MINUTE - 1.0)
    assert len(house.sent()) == 1
    house.go(1.0)
    assert house.sent()[1:] == [("page", "anna_phone"), ("page", "cleo_phone")]
    assert "Nobody has acknowledged in time: level 2 of 3." in house.texts("page")[1]
    house.go(10 * MINUTE)
    assert house.sent()[3:] == [("page", "room")]
    for _ in range(3):
        house.go(15 * MINUTE)
    assert house.sent()[4:] == [("page", "room")] * 3
    assert house.one.level == 3


def test_without_an_escalation_every_channel_is_told_after_5_minutes_again_and_then_every_15(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    house = House(database, clock, tmp_path, named=False)
    everybody = [("page", name) for name in ("anna_phone", "bo_phone", "cleo_phone", "room")]
    house.fire()
    assert house.sent() == everybody
    for minutes, messages in ((5, 2), (14, 2), (1, 3), (15, 4)):
        house.go(minutes * MINUTE)
        assert house.sent() == everybody * messages


def test_the_first_answer_is_waited_for_as_long_as_the_runbook_says(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[1] / "runbooks/alerts/reward_3sigma.md").read_text("utf-8")
    folder = tmp_path / "runbooks/alerts"
    folder.mkdir(parents=True)
    (folder / "low.md").write_text(page.replace("ack_within: 5m", "ack_within: 2m"), "utf-8")
    house = House(database, clock, tmp_path, named=False)
    house.fire()
    house.go(2 * MINUTE)
    assert house.one.level == 2


def test_an_acknowledgement_ends_the_escalation_until_it_expires(house: House) -> None:
    house.fire()
    assert house.ack()
    assert house.sent("acknowledged") == [("acknowledged", "anna_phone")]
    house.go(30 * MINUTE - 1.0)
    assert (house.one.state, house.one.ack_by, len(house.sent("page"))) == ("acknowledged", "anna", 1)
    house.go(1.0)
    assert (house.one.state, house.one.level, house.one.ack_by) == ("triggered", 1, None)
    assert len(house.sent("page")) == 2
    assert "incident.expired" in house.kinds()


def test_an_acknowledgement_can_be_renewed_and_given_back(house: House) -> None:
    house.fire()
    house.ack()
    house.go(20 * MINUTE)
    house.ack()
    assert len(house.sent("acknowledged")) == 1, "renewing is no news"
    house.go(29 * MINUTE)
    assert house.one.state == "acknowledged"
    with house.database.begin() as connection:
        assert incidents.unacknowledge(connection, house.clock, 1, "anna")
    house.go()
    assert (house.one.state, len(house.sent("page"))) == ("triggered", 2)


@pytest.mark.parametrize("lasts", [59.0, 4 * 3600.0 + 1.0, float("nan")])
def test_an_acknowledgement_lasts_a_minute_to_four_hours(house: House, lasts: float) -> None:
    house.fire()
    with pytest.raises(incidents.IncidentError, match="1m to 4h"):
        house.ack(lasts=lasts)


def test_what_is_over_cannot_be_acknowledged_and_nobody_cannot_either(house: House) -> None:
    house.fire()
    assert not house.ack(number=2)
    with pytest.raises(incidents.IncidentError, match="say who"):
        house.ack(by=" ")
    house.fire(bad=False)
    with pytest.raises(incidents.IncidentConflictError, match="incident 1 is mitigated: it cannot be acknowledged"):
        house.ack()


def test_a_clock_that_is_set_back_silences_nobody(house: House) -> None:
    house.fire()
    house.go(-3600.0)
    assert (house.one.level, len(house.sent("page"))) == (2, 3), "told at once instead of in an hour and five minutes"
    house.ack()
    house.go(-3600.0)
    assert house.one.state == "triggered", "how long it has been acknowledged is unknown"
    assert house.one.real_next_escalation == house.clock.real() + 5 * MINUTE


def test_what_a_killed_process_left_is_gone_on_with_by_the_next_one(house: House) -> None:
    judged(house.parts, True)  # and killed before any pass of the loop
    house.loop.close()
    again = ActionLoop(house.database, house.parts.settings, house.clock, "two")
    again.run_due()
    assert house.sent() == [("page", "anna_phone")]
    house.clock.advance(5 * MINUTE)
    for loop in (ActionLoop(house.database, house.parts.settings, house.clock, name) for name in ("three", "four")):
        loop.run_due()
    assert len(house.sent()) == 3, "two loops tell once"


def test_two_loops_at_the_same_moment_tell_once(house: House) -> None:
    judged(house.parts, True)

    def other() -> None:
        with house.database.begin() as connection:
            incidents.care(connection, house.parts.settings, house.clock, 1)

    second = threading.Thread(target=other)
    with house.database.begin() as connection:
        assert incidents.care(connection, house.parts.settings, house.clock, 1) == ["escalate"]
        second.start()
        second.join(0.2)  # it waits in the database; where it is slower than that, it begins after this one
    second.join()
    assert house.sent() == [("page", "anna_phone")]
    assert house.one.level == 1


def test_a_page_while_its_incident_closes_is_not_lost(house: House) -> None:
    house.fire()
    house.fire(bad=False)
    house.clock.advance(30 * MINUTE)

    def page() -> None:
        with house.database.begin() as connection:
            incidents.page_person(connection, house.clock, "p", why="verdict", text="An exploit.", body={})

    second = threading.Thread(target=page)
    with house.database.begin() as connection:
        assert incidents.close_quiet(connection, house.clock) == [1]
        second.start()
        second.join(0.2)
    second.join()
    house.go()
    assert (house.one.state, house.one.reopened) == ("triggered", 1)
    assert "An exploit." in house.texts("page")[-1]


def test_a_gap_of_the_rota_reaches_everybody(house: House) -> None:
    house.clock.at -= 14 * 86400.0  # before the rota begins
    house.fire()
    assert len(house.sent("page")) == 4


def test_an_override_is_who_is_told(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    change = {"person": "bo", "from": "2025-06-15T00:00:00Z", "until": "2025-06-16T00:00:00Z"}
    rota = {"people": ["anna"], "start": "2025-06-09T09:00:00Z", "override": [change]}
    house = House(database, clock, tmp_path, oncall={"first": rota})
    house.fire()
    assert house.sent() == [("page", "bo_phone")]


def test_a_channel_serves_its_policies_alone(house: House) -> None:
    serving = {"ours": ("p",), "theirs": ("q",), "all": ()}
    notify = {name: channel(policies=policies) for name, policies in serving.items()}
    object.__setattr__(house.parts.settings, "notify", notify)
    assert sorted(channels_of(house.parts.settings, "p")) == ["all", "ours"]


def test_nothing_is_open_is_one_read_and_no_write(house: House) -> None:
    with house.database.read() as connection:
        assert incidents.due(connection, house.parts.settings, house.clock) == []
        assert not incidents.anything_open(connection)


def test_an_incident_from_before_there_was_an_escalation_is_told(house: House) -> None:
    house.fire()
    house.change(table, real_next_escalation=None, level=0, real_told=None, told=0)
    house.go()
    assert house.one.level == 1
    assert house.one.real_next_escalation == house.clock.real() + 5 * MINUTE


@pytest.mark.parametrize("seed", range(4))
def test_no_history_leaves_an_open_incident_that_nobody_answers_for_without_an_escalation(
    house: House, seed: int
) -> None:
    rng = random.Random(seed)
    moves = ("fire", "clear", "grave", "ack", "unack", "resolve", "mitigate", "page", "back", *["wait"] * 6)
    longest = 15 * MINUTE  # of the configured levels
    for number in range(30):
        move = rng.choice(moves)
        with_person = {"ack", "unack", "resolve", "mitigate"}
        if move in {"fire", "clear", "grave"}:
            judged(house.parts, move != "clear", "grave" if move == "grave" else "low")
        elif move in with_person and house.rows():
            _by_hand(house, move, rng)
        elif move == "page":
            with house.database.begin() as connection:
                at = (connection, house.parts.settings, house.clock, "p")
                incidents.page(*at, why="leak", text=f"Leak {number}.", severity="page", body={})
        elif move == "back":
            house.clock.advance(-rng.choice((30.0, 600.0, 7200.0)))
        house.go(rng.choice((0.0, 1.0, 45.0, 400.0, 2000.0)) if move == "wait" else 1.0)
        real = house.clock.real()
        for row in house.rows():
            if row.state == IncidentState.TRIGGERED:
                assert row.led_by is not None or real < row.real_next_escalation <= real + longest, (move, row)
                assert row.level >= 1
            if row.state in ANSWERED:
                assert real < row.real_ack_expires <= row.real_acked + 4 * 3600.0
                assert row.real_acked <= real + 60.0
        assert sum(row.closed is None for row in house.rows()) <= 1
    with house.database.read() as connection:
        assert connection.execute(select(notifications.c.id).limit(1)).first() is not None


def _by_hand(house: House, move: str, rng: random.Random) -> None:
    number = house.rows()[-1].id
    try:
        with house.database.begin() as connection:
            at = (connection, house.parts.settings, house.clock)
            if move == "ack":
                incidents.acknowledge(*at, number, "anna", rng.choice((60.0, 1800.0, 14400.0)))
            elif move == "resolve":
                incidents.resolve(*at, number, "anna")
            elif move == "mitigate":
                incidents.mitigate(connection, house.clock, number, "bo")
            else:
                incidents.unacknowledge(connection, house.clock, number, "anna")
    except incidents.IncidentConflictError:
        pass
