"""What a stage is judged by: what was not measured never passes, what is worse goes back by itself."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import insert

from monitor.clock import ManualClock
from monitor.incidents import open_incident
from monitor.rollouts import judge
from monitor.rollouts.hold import Watch
from monitor.running.scheduler import Scheduler
from monitor.store.database import Database
from monitor.store.tables import alerts, events
from tests.means_compared import Comparison
from tests.rollout_desk import BEN, CLEO, HOLD, HOUR, POLICY, RULE, Desk

REWARD = {"reward_3sigma": {"enabled": True}}
GOOD: dict[str, Any] = {"effect": 0.1, "low": 0.05, "high": 0.2, "n_candidate": 500, "n_incumbent": 500, "ratio_p": 0.5}
ALERT = {"health": "ok", "severity": "rollback", "since": 0.0, "streak": 0, "reason": "Fine.", "state": "inactive"}
Says = Callable[..., None]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Let the comparison say something: what judging makes of it is what is tested here."""

    def answer(verdict: str = "no_worse", **changes: Any) -> None:
        module = ModuleType("said")
        found = Comparison(**{**GOOD, **changes}, matured=1.0, verdict=verdict, reasons=(f"It is {verdict}.",))
        module.compare = lambda *_given: found  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "said", module)
        monkeypatch.setattr(judge, "COMPARISON", "said")

    answer()
    return answer


@pytest.fixture
def desk(database: Database, clock: ManualClock, tmp_path: Path, says: Says) -> Desk:
    """A rollout at 50% whose hold is over with the next looks."""
    return held(Desk(database, clock, tmp_path))


def held(desk: Desk) -> Desk:
    desk.approved()
    desk.look()
    desk.confirmed()
    desk.look()
    desk.look()
    desk.clock.advance(60)
    desk.decided(500)
    return desk


def alert(desk: Desk, **changes: Any) -> None:
    named = {"policy": "cooling", "version": "v7", "trigger": "reward_3sigma", "key": ""}
    row = {**ALERT, **named, "judged_until": desk.clock.now() + 2 * HOUR, **changes}
    desk.ask(lambda connection: connection.execute(insert(alerts), [row]))


def test_a_stage_that_is_no_worse_passes_and_waits_for_people(desk: Desk) -> None:
    assert desk.pass_time(HOLD + 120) == "passed"
    assert desk.pass_time(1200) == "passed"
    assert desk.route()[1] == {"v6": 0.5, "v7": 0.5}
    digest = desk.row().judgement_sha256
    desk.agree(BEN, digest)
    assert desk.agree(CLEO, digest).row.stage == 1
    assert desk.route() == ("v6", {"v7": 1.0}, 3)


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ({"verdict": "inconclusive"}, "inconclusive"),
        ({"verdict": "error"}, "error"),
        ({"n_candidate": 0}, "error"),
        ({"n_incumbent": 0}, "error"),
        ({"effect": None}, "error"),
        ({"effect": math.nan, "low": math.nan, "high": math.nan}, "error"),
        ({"low": -math.inf}, "error"),
    ],
)
def test_what_was_not_measured_is_held(desk: Desk, says: Says, said: dict[str, Any], phase: str) -> None:
    says(**said)
    assert desk.pass_time(HOLD + 120) == phase
    assert desk.refusal(BEN)[0] == "conflict"


def test_without_a_comparison_it_is_held_as_an_error(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "COMPARISON", "monitor.rollouts.there_is_no_such_file")
    assert desk.pass_time(HOLD + 120) == "error"
    assert "not installed" in desk.row().note


def test_too_few_decisions_are_held(database: Database, clock: ManualClock, tmp_path: Path, says: Says) -> None:
    desk = held(Desk(database, clock, tmp_path, {**RULE, "min_decisions": 501}))
    assert desk.pass_time(HOLD + 120) == "inconclusive"
    assert "500 mature decisions" in desk.row().note


def test_worse_goes_back_by_itself_during_the_hold(desk: Desk, says: Says) -> None:
    says("worse")
    assert desk.pass_time(120) == "rolled_back"
    assert desk.route() == ("v6", {"v6": 1.0}, 3)
    assert "It is worse." in desk.row().note


def test_what_passed_and_becomes_worse_goes_back(desk: Desk, says: Says) -> None:
    assert desk.pass_time(HOLD + 120) == "passed"
    says("worse")
    assert desk.pass_time(900) == "rolled_back"


def test_what_passed_and_cannot_be_told_any_more_does_not_wait_for_people(desk: Desk, says: Says) -> None:
    assert desk.pass_time(HOLD + 120) == "passed"
    says("inconclusive")
    assert desk.pass_time(900) == "inconclusive"
    says("better")
    assert desk.pass_time(900) == "passed"


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({}, "passed"),
        ({"state": "pending"}, "inconclusive"),
        ({"state": "recovering"}, "inconclusive"),
        ({"state": "firing", "severity": "page"}, "inconclusive"),
        ({"state": "firing"}, "rolled_back"),
        ({"health": "no_data"}, "inconclusive"),
        ({"health": "error"}, "inconclusive"),
        ({"health": "insufficient"}, "inconclusive"),
        ({"judged_until": 0.0}, "inconclusive"),
        ({"version": "v5"}, "inconclusive"),  # so that nothing judged v7
    ],
)
def test_a_trigger_that_fires_or_cannot_see_the_candidate_holds(
    database: Database, clock: ManualClock, tmp_path: Path, says: Says, changes: dict[str, Any], phase: str
) -> None:
    desk = held(Desk(database, clock, tmp_path, trigger={**POLICY["trigger"], **REWARD}))
    alert(desk, **changes)
    assert desk.pass_time(HOLD + 120) == phase


def test_an_open_incident_holds(desk: Desk) -> None:
    desk.ask(lambda connection: open_incident(connection, desk.clock, "cooling", "Something else."))
    assert desk.pass_time(HOLD + 120) == "inconclusive"
    assert "Incident 1 is open." in desk.row().note


def test_after_an_outage_it_is_judged_anew_and_advances_by_at_most_one_stage(desk: Desk, clock: ManualClock) -> None:
    desk.pass_time(HOLD + 120)
    old = desk.row().judgement_sha256
    desk.agree(BEN)
    clock.advance(30 * 24 * HOUR)
    desk.sealed(clock.now())
    assert desk.refusal(CLEO)[0] == "conflict"
    assert desk.look() == "passed"
    assert desk.row().judgement_sha256 != old
    assert desk.refusal(CLEO, old)[0] == "conflict"
    assert (desk.agree(CLEO).row.stage, desk.agree(BEN).row.stage) == (0, 1)


def test_a_process_that_was_started_again_judges_before_anybody_advances(desk: Desk) -> None:
    desk.pass_time(HOLD + 120)
    desk.clock.advance(60)
    desk.sealed(desk.clock.now())
    old = desk.row().judgement_sha256
    assert desk.look(Watch()) == "passed"
    assert desk.row().judgement_sha256 != old


def test_two_schedulers_take_each_step_once(desk: Desk) -> None:
    watches = [Watch(), Watch()]
    for number in range(50):
        desk.clock.advance(30)
        desk.sealed(desk.clock.now())
        desk.look(watches[number % 2])
    kinds = [row.kind for row in desk.rows(events)]
    assert desk.phase == "passed"
    assert kinds.count("rollout.stage.requested") == 1
    assert kinds.count("rollout.judging") <= 2  # one after the hold, one for the process that had not seen it pass


def test_what_another_process_moved_meanwhile_is_not_moved_again(desk: Desk) -> None:
    from monitor.rollouts.store import OvertakenError, change
    from runbooks.rollouts import RolloutEvent

    row = desk.row()
    desk.stop("pause")
    with pytest.raises(OvertakenError):
        desk.ask(lambda connection: change(connection, desk.clock, row, RolloutEvent.HELD, "Over.", "checkrein"))
    assert desk.phase == "paused"


def test_a_stage_that_is_held_for_a_day_is_paged_once(desk: Desk, says: Says) -> None:
    says("inconclusive")
    desk.pass_time(HOLD + 120)
    for number in range(60):
        desk.clock.advance(HOUR)
        desk.sealed(desk.clock.now())
        says("error" if number % 2 else "inconclusive")
        desk.look()
    pages = [row for row in desk.rows(events) if row.kind == "page"]
    assert 1 <= len(pages) <= 2  # once for each of the two reasons
    assert "more than a day" in pages[0].body


def test_at_100_percent_nothing_passes_that_no_trigger_found_well(desk: Desk) -> None:
    desk.pass_time(HOLD + 120)
    desk.agree(BEN)
    desk.agree(CLEO)
    desk.look()
    desk.confirmed()
    desk.pass_time(120)
    desk.decided(500)
    assert desk.pass_time(HOLD + 240) == "inconclusive"
    assert "found it well" in desk.row().note
    assert desk.route() == ("v6", {"v7": 1.0}, 3)


def test_a_scheduled_pass_looks_at_the_rollout_of_its_policy(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Desk(database, clock, tmp_path)
    desk.approved()
    Scheduler(desk.parts, "one").judge("cooling")
    assert (desk.phase, desk.route()[1]) == ("applying", {"v6": 0.5, "v7": 0.5})
