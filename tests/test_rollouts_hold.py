"""A hold ends by the data and by a clock that nobody can set; never sooner, and never without decisions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.clock import ManualClock
from monitor.rollouts.hold import Watch
from monitor.settings import ConfigurationError
from monitor.store.database import Database
from tests.rollout_desk import HOUR, RULE, Desk


@pytest.fixture
def desk(database: Database, clock: ManualClock, tmp_path: Path) -> Desk:
    """A rollout that has just begun its hold of an hour at 50%, with decisions of the candidate."""
    one = Desk(database, clock, tmp_path, {**RULE, "hold": "1h"})
    baking(one)
    return one


def baking(desk: Desk) -> None:
    desk.approved()
    assert desk.look() == "applying"
    desk.confirmed()
    assert desk.look() == "baking"
    desk.look()
    desk.clock.advance(60)
    desk.decided(500)


def test_a_hold_ends_after_its_time_and_not_a_minute_before(desk: Desk) -> None:
    assert desk.pass_time(HOUR - 120) == "baking"
    assert desk.pass_time(240) == "error"  # its bucket was put there, so that no comparison can read it
    assert desk.row().judgement


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 24 * HOUR])
def test_setting_the_clock_shortens_no_hold(desk: Desk, jump: float) -> None:
    desk.pass_time(600)
    desk.clock.at += jump
    assert desk.pass_time(HOUR - 900) == "baking"
    assert desk.row().baked <= HOUR


@pytest.mark.full
@pytest.mark.parametrize("night", ["2025-03-30T00:30", "2025-10-26T00:30"])
def test_the_nights_of_daylight_saving_are_as_long_as_others(
    database: Database, clock: ManualClock, tmp_path: Path, night: str
) -> None:
    clock.at = datetime.fromisoformat(night).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    desk = Desk(database, clock, tmp_path, {**RULE, "hold": "3h"})
    baking(desk)
    assert desk.pass_time(3 * HOUR - 120, every=100) == "baking"
    assert desk.pass_time(360) != "baking"


def test_data_that_stands_still_ends_no_hold(desk: Desk) -> None:
    desk.pass_time(600)
    for _ in range(120):
        desk.clock.advance(60)
        desk.look()
    assert (desk.phase, desk.row().baked >= HOUR) == ("baking", True)


def test_time_in_which_no_process_looked_is_none_of_the_hold(desk: Desk) -> None:
    desk.pass_time(600)
    baked = desk.row().baked
    desk.clock.advance(24 * HOUR)
    desk.sealed(desk.clock.now())
    assert desk.look() == "baking"
    assert desk.row().baked == baked
    desk.watch = Watch()  # and a process that was started again has seen nothing yet
    desk.clock.advance(60)
    assert (desk.look(), desk.row().baked) == ("baking", baked)


def test_two_processes_that_look_in_turn_do_not_count_a_second_twice(desk: Desk) -> None:
    one, other = Watch(), Watch()
    desk.look(one)
    begun, since = desk.row().baked, desk.clock.monotonic()
    for turn in range(40):
        desk.clock.advance(30)
        desk.look(one if turn % 2 else other)
    passed = desk.clock.monotonic() - since
    assert passed - 60 <= desk.row().baked - begun <= passed


def test_no_hold_ends_without_a_decision_of_the_candidate(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Desk(database, clock, tmp_path, {**RULE, "hold": "1h"})
    desk.approved()
    desk.look()
    desk.confirmed()
    desk.decided(500, "v6")
    assert desk.pass_time(HOUR + 1200) == "baking"


def test_a_pause_stops_both_clocks_and_is_followed_by_another_look_at_the_share(desk: Desk) -> None:
    desk.pass_time(1200)
    desk.stop("pause")
    baked = desk.row().baked
    assert desk.pass_time(5 * HOUR, every=HOUR) == "paused"
    assert desk.stop("resume").phase == "applying"
    assert desk.pass_time(60) == "baking"
    assert desk.row().baked <= baked + 120
    assert desk.pass_time(HOUR - 1200 - 240) == "baking"
    assert desk.pass_time(600) != "baking"


def test_a_hold_is_never_shorter_than_the_reward_horizon(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="shorter than reward_horizon, 2h"):
        Desk(database, clock, tmp_path, {**RULE, "hold": "1h"}, reward_horizon="2h")


@pytest.mark.parametrize("stages", [[], [0.5], [0.5, 0.5, 1.0], [-0.1, 1.0], [1.0, 0.5], [0.2, 2.0]])
def test_stages_grow_to_all_of_the_traffic(
    database: Database, clock: ManualClock, tmp_path: Path, stages: list[float]
) -> None:
    with pytest.raises(ConfigurationError, match="stages"):
        Desk(database, clock, tmp_path, {**RULE, "stages": stages})
