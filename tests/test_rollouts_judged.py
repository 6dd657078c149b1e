"""What a stage is judged by: what was not measured never passes, what is worse goes back by itself."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import insert, update

from monitor.clock import ManualClock
from monitor.incidents import open_incident
from monitor.rollouts.comparison import Comparison
from monitor.rollouts.hold import Watch
from monitor.rollouts.judge import Grounds, weigh
from monitor.running.scheduler import Scheduler
from monitor.store.database import Database
from monitor.store.tables import alerts, events, incidents
from tests.rollout_desk import BEN, CLEO, HOLD, HOUR, POLICY, RULE, Desk

REWARD = {"reward_3sigma": {"enabled": True}}
RULES: dict[str, Any] = {"comparison": {"margin": "5%"}}
MEASURED: dict[str, Any] = {
    "effect": 0.1, "low": 0.05, "high": 0.2, "n_candidate": 500, "n_incumbent": 500, "ratio_p": 0.5, "matured": 1.0,
    "reasons": ("It was compared.",),
}  # fmt: skip
ALERT = {"health": "ok", "severity": "rollback", "since": 0.0, "streak": 0, "reason": "Fine.", "state": "inactive"}


@pytest.fixture
def desk(database: Database, clock: ManualClock, tmp_path: Path) -> Desk:
    """A rollout at 50% that is no worse and whose hold is over with the next looks."""
    return held(Desk(database, clock, tmp_path, **RULES))


def held(desk: Desk, seconds: float = 3 * HOLD, share: float = 0.5, gain: Any = 0.0, **columns: Any) -> Desk:
    """Come to the hold of the stage at 50% with so many seconds of decisions landed; looks seal them as time passes."""
    desk.approved()
    desk.look()
    desk.confirmed()
    desk.look()
    desk.look()
    desk.clock.advance(60)
    desk.serves(seconds, share, gain, **columns)
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
    ("said", "verdict"),
    [
        ({}, "pass"),
        ({"verdict": "better"}, "pass"),
        ({"verdict": "inconclusive"}, "inconclusive"),
        ({"verdict": "error"}, "error"),
        ({"verdict": "worse"}, "fail"),
        ({"n_candidate": 0}, "error"),
        ({"n_incumbent": 0}, "error"),
        ({"effect": None}, "error"),
        ({"effect": math.nan, "low": math.nan, "high": math.nan}, "error"),
        ({"low": -math.inf}, "error"),
    ],
)
def test_a_comparison_without_numbers_speaks_for_nobody(said: dict[str, Any], verdict: str) -> None:
    grounds = Grounds()
    weigh(Comparison(**{**MEASURED, "verdict": "no_worse", **said}), "v7", "v6", grounds)
    assert grounds.verdict()[0] == verdict


@pytest.mark.parametrize(
    ("share", "reward", "phase", "why"),
    [
        (0.5, None, "error", "None of the"),
        (0.5, math.inf, "error", "infinite rewards"),
        (0.2, 1.0, "error", "did not get their planned shares"),
        (0.999, 1.0, "error", "did not get their planned shares"),
    ],
)
def test_what_was_not_measured_is_held(
    database: Database, clock: ManualClock, tmp_path: Path, share: float, reward: float | None, phase: str, why: str
) -> None:
    rows = int(3 * HOLD)
    desk = held(Desk(database, clock, tmp_path, **RULES), share=share, reward=pa.array([reward] * rows, pa.float64()))
    assert desk.pass_time(HOLD + 120) == phase
    assert why in desk.row().note
    assert desk.refusal(BEN)[0] == "conflict"


def test_what_cannot_be_told_is_held(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    desk = held(Desk(database, clock, tmp_path, comparison={"margin": "0"}))
    assert desk.pass_time(HOLD + 120) == "inconclusive"
    assert "cannot be told yet" in desk.row().note
    assert desk.pass_time(1200) == "inconclusive"
    assert desk.refusal(BEN)[0] == "conflict"


def test_the_approved_margin_counts_and_not_what_the_file_says_later(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    strict = held(Desk(database, clock, tmp_path, comparison={"margin": "0"}))
    loose = Desk.configured(tmp_path, comparison={"margin": "90%"})
    strict.parts = replace(strict.parts, settings=loose)
    assert strict.pass_time(HOLD + 120) == "inconclusive"
    body = json.loads(strict.row().judgement)["comparison"]["body"]
    assert (body["margin"], body["margin_used"]) == ("0", 0.0)


def test_a_stage_is_compared_since_its_share_was_shown_until_the_log_is_sealed(desk: Desk) -> None:
    assert desk.pass_time(HOLD + 120) == "passed"
    row = desk.row()
    judged = json.loads(row.judgement)
    assert (judged["begin"], judged["comparison"]["body"]["begin"]) == (row.begin, row.begin)
    assert judged["until"] <= desk.clock.now()
    assert judged["comparison"]["matured"] == 1.0, "what was not sealed yet counts against nobody"


def test_too_few_decisions_are_held(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    desk = held(Desk(database, clock, tmp_path, {**RULE, "min_decisions": 1000}, **RULES))
    assert desk.pass_time(HOLD + 120) == "inconclusive"
    assert "mature decisions" in desk.row().note


def test_worse_goes_back_by_itself_during_the_hold(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    desk = held(Desk(database, clock, tmp_path, **RULES), gain=-3.0)
    assert desk.pass_time(HOLD - 120) == "rolled_back"
    assert desk.route() == ("v6", {"v6": 1.0}, 3)
    assert "v7 earns less than v6" in desk.row().note


def test_what_passed_and_becomes_worse_goes_back(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    desk = held(Desk(database, clock, tmp_path, **RULES), HOLD + 600)
    assert desk.pass_time(HOLD + 120) == "passed"
    desk.clock.advance(600)
    desk.serves(3 * HOLD, gain=-5.0)
    assert desk.pass_time(3 * HOLD) == "rolled_back"


def test_what_passed_and_cannot_be_told_any_more_does_not_wait_for_people(desk: Desk) -> None:
    assert desk.pass_time(HOLD + 120) == "passed"
    other = desk.ask(lambda connection: open_incident(connection, desk.clock, "cooling", "Something else."))
    assert desk.pass_time(900) == "inconclusive"
    desk.ask(
        lambda connection: connection.execute(update(incidents).where(incidents.c.id == other.id).values(closed=1.0))
    )
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
    database: Database, clock: ManualClock, tmp_path: Path, changes: dict[str, Any], phase: str
) -> None:
    desk = held(Desk(database, clock, tmp_path, trigger={**POLICY["trigger"], **REWARD}, **RULES))
    alert(desk, **changes)
    assert desk.pass_time(HOLD + 120) == phase


def test_an_open_incident_holds(desk: Desk) -> None:
    desk.ask(lambda connection: open_incident(connection, desk.clock, "cooling", "Something else."))
    assert desk.pass_time(HOLD + 120) == "inconclusive"
    assert "Incident 1 is open." in desk.row().note


def test_after_an_outage_it_is_judged_anew_and_advances_by_at_most_one_stage(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = held(Desk(database, clock, tmp_path, **RULES), 3 * HOUR)  # whole hours: a month is read by them
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


def test_a_stage_that_is_held_for_a_day_is_paged_once(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    desk = held(Desk(database, clock, tmp_path, **RULES), 3 * HOUR)
    first = desk.ask(lambda connection: open_incident(connection, desk.clock, "cooling", "Something else."))
    assert desk.pass_time(HOLD + 120) == "inconclusive"
    for number in range(60):
        desk.clock.advance(HOUR)
        desk.sealed(desk.clock.now())
        if number == 40:
            closed = update(incidents).where(incidents.c.id == first.id).values(closed=1.0)
            desk.ask(lambda connection, closed=closed: connection.execute(closed))
            desk.ask(lambda connection: open_incident(connection, desk.clock, "cooling", "And another thing."))
        assert desk.look() == "inconclusive"
    pages = [row for row in desk.rows(events) if row.kind == "page" and "more than a day" in row.body]
    assert len(pages) == 1


def test_at_100_percent_nothing_passes_that_no_trigger_found_well(desk: Desk) -> None:
    desk.pass_time(HOLD + 120)
    desk.agree(BEN)
    desk.agree(CLEO)
    desk.look()
    desk.confirmed()
    desk.pass_time(120)
    desk.clock.advance(3 * HOLD)
    desk.serves(2 * HOLD, share=1.0)
    desk.look()
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
