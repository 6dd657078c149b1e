"""A second automatic rollback waits for the first to show its effect; people and hard limits do not."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update

from monitor.acting.actions import ActionLoop
from monitor.acting.held import let_go
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import actions, alerts, events, routes
from tests.test_rollback import Desk, configured


@pytest.fixture
def desk(database: Database, clock: ManualClock) -> Desk:
    desk = Desk(database, clock, configured(hooks={}, cooldown="10m"))
    assert desk.ask("v7").state == "requested"
    fires(desk, "v6")
    return desk


def fires(desk: Desk, version: str, trigger: str = "reward_3sigma") -> None:
    row: dict[str, Any] = {"policy": "cooling", "version": version, "trigger": trigger, "key": ""}
    row |= {"state": "firing", "health": "ok", "severity": "rollback", "since": 0.0, "streak": 0, "judged_until": 0.0}
    with desk.database.begin() as connection:
        connection.execute(insert(alerts), [row | {"reason": "Reward fell."}])


def turn(desk: Desk, state: str, trigger: str = "reward_3sigma") -> None:
    with desk.database.begin() as connection:
        connection.execute(update(alerts).where(alerts.c.trigger == trigger).values(state=state))
        let_go(connection, desk.clock, "cooling", "v6")


def passes(desk: Desk, seconds: float) -> None:
    desk.clock.advance(seconds)
    loop = ActionLoop(desk.database, desk.settings, desk.clock, "worker")
    loop.run_due()
    loop.close()


def states(desk: Desk) -> list[tuple[str, str]]:
    return sorted((row.from_version, row.state) for row in desk.rows() if row.from_version == "v6")


def test_it_waits_says_until_when_and_is_made_when_its_trigger_still_fires(desk: Desk) -> None:
    desk.clock.advance(60)
    outcome = desk.ask("v6")
    assert outcome.state == "cooling_down"
    assert "yet: the last one was less than 600 s ago; it is made at 2025-06-15T15:16:40Z" in outcome.sentence
    assert (desk.route().serving, "page" in desk.kinds()) == ("v6", False)
    passes(desk, 539)
    assert states(desk) == [("v6", "cooling_down")]
    passes(desk, 1)
    assert (desk.route().serving, desk.route().generation) == ("rules", 3)
    assert states(desk) == [("v6", "delivered"), ("v6", "superseded")]


def test_one_that_fires_again_and_again_waits_once(desk: Desk) -> None:
    assert [desk.ask("v6").state for _ in range(3)] == ["cooling_down"] * 3
    assert states(desk) == [("v6", "cooling_down")]


def test_it_is_not_made_while_the_alert_recovers_and_is_cancelled_once_that_is_over(desk: Desk) -> None:
    desk.ask("v6")
    turn(desk, "recovering")
    passes(desk, 600)
    assert states(desk) == [("v6", "cooling_down")]
    turn(desk, "resolved")
    assert states(desk) == [("v6", "cancelled")]
    passes(desk, 600)
    assert desk.route().serving == "v6"


@pytest.mark.parametrize("changes", [{"mode": "manual"}, {"trigger": "hard_constraint"}])
def test_people_and_hard_limits_do_not_wait_and_end_the_wait(desk: Desk, changes: dict[str, str]) -> None:
    desk.ask("v6")
    assert desk.ask("v6", **changes).state == "requested"
    assert ("v6", "superseded") in states(desk)
    assert desk.route().serving == "rules"


def test_a_rollback_by_hand_or_of_a_hard_limit_starts_no_wait(database: Database, clock: ManualClock) -> None:
    for changes in ({"mode": "manual"}, {"trigger": "hard_constraint"}):
        desk = Desk(database, clock, configured(hooks={}, cooldown="10m"))
        desk.serve({"v7": 1.0}, "v7")
        assert desk.ask("v7", **changes).state == "requested"
        with database.begin() as connection:
            connection.execute(update(routes).values(serving="v7", split='{"v7": 1.0}'))
        assert desk.ask("v7").state == "requested"
        with database.begin() as connection:
            for table in (events, actions, routes):
                connection.execute(table.delete())


def test_a_clock_that_was_set_back_an_hour_holds_nothing_back(desk: Desk) -> None:
    desk.clock.offset = -3600.0
    assert desk.ask("v6").state == "requested"


def test_another_trigger_that_still_fires_gets_the_rollback_that_the_first_one_asked_for(desk: Desk) -> None:
    desk.ask("v6")
    fires(desk, "v6", trigger="violation_budget")
    assert desk.ask("v6", trigger="violation_budget").state == "cooling_down"  # waits as the one that is there
    turn(desk, "resolved", "reward_3sigma")
    passes(desk, 600)
    assert desk.route().serving == "rules"
    assert {row.trigger for row in desk.rows() if row.state == "delivered" and row.from_version == "v6"} == {
        "violation_budget"
    }


def test_a_trigger_that_was_put_to_dry_run_meanwhile_moves_nothing(desk: Desk) -> None:
    desk.ask("v6")
    with desk.database.begin() as connection:
        connection.execute(update(alerts).values(dry_run=True))
    passes(desk, 600)
    assert desk.route().serving == "v6"
