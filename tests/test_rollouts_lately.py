"""Harm that shows late: a candidate that was fine for hours, one in a pause, and one that has just begun."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.bucketing import sealing
from monitor.clock import ManualClock
from monitor.landing.land import Mark
from monitor.log_store.schema import TIMESTAMP
from monitor.rollouts import judge, lately
from monitor.sources import Position
from monitor.store.database import Database
from monitor.validate import Accepted
from tests.rollout_desk import HOUR, Desk

RULE = {"stages": [0.5, 1.0], "hold": "7d", "min_decisions": 1}


@pytest.fixture
def desk(database: Database, clock: ManualClock, tmp_path: Path) -> Desk:
    """A rollout that bakes at 50%."""
    desk = Desk(database, clock, tmp_path, RULE)
    clock.advance(-clock.now() % 60)
    desk.sealed(clock.now())
    desk.approved()
    desk.look()
    desk.confirmed()
    assert desk.look() == "baking"
    return desk


def serves(desk: Desk, seconds: float, gain: float = 0.0) -> None:
    """Land what is decided from now on, every 4 s, v7 with ``gain`` more reward than v6, and let it be sealed."""
    rows, begin = int(seconds / 4), desk.clock.now()
    rng = np.random.default_rng([5, int(begin)])
    new, at = rng.random(rows) < 0.5, ((begin + 4.0 * np.arange(rows)) * 1e6).astype(np.int64)
    table = {
        "decision_id": [f"d{one}" for one in at.tolist()], "ts": pa.array(at).cast(TIMESTAMP),
        "policy": ["cooling"] * rows, "version": np.where(new, "v7", "v6").tolist(), "action": ["hold"] * rows,
        "propensity": np.full(rows, 0.5), "reward": 10.0 + rng.normal(0, 1, rows) + np.where(new, gain, 0.0),
    }  # fmt: skip
    mark = Mark("cooling:csv:log.csv", "log.csv", Position(int(at[-1]), rows, rows, str(begin), False), 1)
    desk.parts.landing.decisions("cooling", Accepted(pa.table(table)), "log.csv", mark)
    desk.clock.advance(seconds)
    sealing.seal(desk.database, "cooling", desk.clock.now(), set())
    desk.sealed(desk.clock.now())


def test_a_candidate_that_was_fine_for_hours_and_collapses_is_rolled_back_by_the_last_hour(desk: Desk) -> None:
    serves(desk, 3 * HOUR)
    serves(desk, HOUR / 2, -1.0)
    with desk.database.read() as connection:
        whole = judge.judge(connection, desk.settings, desk.row(), 0.0)
        found = lately.judge(connection, desk.settings, desk.row(), 0.0)
    assert (whole.verdict, found.verdict) == ("inconclusive", "fail")
    assert found.body["lately"]["begin"] == desk.row().begin + 3 * HOUR
    assert found.digest != whole.digest
    assert desk.look() == "rolled_back"
    assert desk.route()[:2] == ("v6", {"v6": 1.0})
    assert json.loads(desk.row().judgement)["verdict"] == "fail"


def test_a_candidate_that_is_as_good_is_not_rolled_back_by_any_of_its_hours(desk: Desk) -> None:
    for _ in range(4):
        serves(desk, HOUR)
        assert desk.look() == "baking"


def test_a_pause_stops_the_clock_and_not_the_eyes(desk: Desk) -> None:
    desk.stop("pause")
    serves(desk, HOUR)
    assert desk.look() == "paused"
    serves(desk, HOUR, -3.0)
    assert desk.look() == "rolled_back"
    assert desk.row().baked == 0.0


def test_a_stage_that_is_young_is_looked_at_each_minute(desk: Desk) -> None:
    serves(desk, 60.0)
    assert desk.look() == "baking"
    assert desk.row().judged == desk.clock.now()
    serves(desk, 120.0)
    desk.look()
    assert desk.row().judged == desk.clock.now()
    serves(desk, 10 * HOUR)
    desk.look()
    serves(desk, 120.0)
    desk.look()
    assert desk.row().judged == desk.clock.now() - 120.0
