"""Comparing a candidate with the incumbent over landed rows: verdicts, and why each rule holds one back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.bucketing import sealing
from monitor.landing.land import Landing
from monitor.log_store.schema import TIMESTAMP
from monitor.validate import Accepted
from tests.landings import START
from tests.rollout_stages import ROWS, SHARES, columns, compared, said, stage


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """Return a stage whose candidate earns more; tests only read it."""
    return stage(tmp_path_factory.mktemp("better"), columns(gain=0.5))


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """Return a stage whose candidate earns the same; tests only read it."""
    return stage(tmp_path_factory.mktemp("even"), columns())


def test_a_better_candidate_is_better(better: Landing) -> None:
    found = compared(better)
    assert found.verdict == "better"
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < 0.5 < found.high
    assert (found.n_candidate + found.n_incumbent, found.matured) == (ROWS, 1.0)
    said(found, "v2 earns more than v1", "not checked")


def test_a_worse_candidate_is_worse(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, columns(gain=-0.7)))
    assert found.verdict == "worse"
    said(found, "v2 earns less than v1", "0.199 less is accepted")


def test_an_equal_candidate_is_no_worse_within_the_margin_and_undecided_without_one(even: Landing) -> None:
    assert compared(even).verdict == "no_worse"
    found = compared(even, margin="0")
    assert found.verdict == "inconclusive"
    said(found, "It cannot be told yet whether v2 earns less than v1")


def test_the_evidence_names_everything_and_is_json(better: Landing) -> None:
    body = json.loads(json.dumps(compared(better).body, allow_nan=False))
    assert (body["begin"], body["until"], body["shares"]) == (START, START + ROWS, SHARES)
    assert body["alpha"] == 0.05
    assert "Waudby-Smith" in body["method"]
    arms = body["arms"]
    assert arms["v2"]["n"] + arms["v1"]["n"] == ROWS
    difference = arms["v2"]["sum"] / arms["v2"]["n"] - arms["v1"]["sum"] / arms["v1"]["n"]
    assert body["effect"]["value"] == pytest.approx(difference)
    assert compared(better).body == compared(better).body


def test_rows_that_are_not_sealed_do_not_count_and_hold_a_pass_back(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, columns(gain=0.5), sealed=5400))
    assert (found.verdict, found.matured) == ("inconclusive", 0.75)
    assert found.n_candidate + found.n_incumbent == 5400
    said(found, "75% of the decisions are mature; 95% are asked for")


@pytest.mark.full
def test_harm_is_told_before_the_rewards_are_mature(tmp_path: Path) -> None:
    assert compared(stage(tmp_path, columns(gain=-0.7), sealed=5400)).verdict == "worse"


def test_a_stage_shorter_than_three_horizons_is_held(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, columns(gain=0.5), reward_horizon="1h"))
    assert found.verdict == "inconclusive"
    said(found, "The stage lasts 2h; 3h are asked for, three times the reward horizon")


@pytest.mark.parametrize(("begin", "until"), [(ROWS, ROWS + 60), (100, 100), (0, 0)])
def test_no_rows_are_an_error(even: Landing, begin: float, until: float) -> None:
    found = compared(even, begin, until)
    assert found.verdict == "error"
    assert found.effect is None


def test_a_candidate_without_rows_is_an_error(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, {**columns(), "version": ["v1"] * ROWS}))
    assert found.verdict == "error"
    said(found, "v2 has no mature decision", "nothing measured never passes")


@pytest.mark.parametrize("value", [pytest.param(float("nan"), marks=pytest.mark.full), None])
def test_rewards_that_are_no_numbers_are_an_error(tmp_path: Path, value: Any) -> None:
    made = columns()
    own = [version == "v2" for version in made["version"]]
    rewards = [value if mine else 1.0 for mine in own]
    found = compared(stage(tmp_path, {**made, "reward": pa.array(rewards, pa.float64())}))
    assert found.verdict == "error"
    said(found, "None of the", "decisions of v2 has a reward")


def test_infinite_rewards_are_an_error(tmp_path: Path) -> None:
    made = columns()
    made["reward"][made["version"].index("v2")] = np.inf
    found = compared(stage(tmp_path, made))
    assert found.verdict == "error"
    said(found, "v2 has 1 infinite reward")


def test_a_broken_assignment_is_an_error_whatever_the_effect(better: Landing) -> None:
    found = compared(better, shares={"v2": 0.15, "v1": 0.85})
    assert found.verdict == "error"
    assert found.ratio_p is not None
    assert found.ratio_p < 0.001
    said(found, "The comparison cannot be trusted: v2 and v1 did not get their planned shares")


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ({"v2": 0.0, "v1": 1.0}, "although its share is 0"),
        ({"v2": 0.7, "v1": 0.7}, "no shares of one whole"),
        ({"v2": float("nan"), "v1": 0.5}, "no shares of one whole"),
    ],
)
def test_impossible_shares_are_an_error(even: Landing, shares: dict[str, float], why: str) -> None:
    found = compared(even, shares=shares)
    assert found.verdict == "error"
    said(found, why)


def test_shares_must_name_both_versions(even: Landing) -> None:
    with pytest.raises(ValueError, match="one share each to v2 and v1"):
        compared(even, shares={"v2": 0.2})


def test_only_buckets_in_which_both_acted_are_compared(tmp_path: Path) -> None:
    """Before the stage the world paid 5 less; a comparison with those rows would call the candidate better."""
    made = columns(gain=0.0)
    made["version"][:3600] = ["v1"] * 3600
    made["reward"][:3600] -= 5.0
    found = compared(stage(tmp_path, made), begin=3000)
    assert found.n_candidate + found.n_incumbent == 3600
    assert found.effect is not None
    assert abs(found.effect) < 0.2


def test_few_decisions_are_inconclusive(better: Landing) -> None:
    found = compared(better, until=600)
    assert found.verdict == "inconclusive"
    said(found, "decisions with a reward; 200 are asked for")


def test_other_states_make_it_inconclusive_even_where_it_looks_worse(tmp_path: Path) -> None:
    made = columns(gain=-0.7)
    own = np.array([version == "v2" for version in made["version"]])
    made["state.load"] = made["state.load"] + np.where(own, 0.5, 0.0)
    found = compared(stage(tmp_path, made, baseline=True))
    assert found.verdict == "inconclusive"
    said(found, "The versions were given different states", "load (0.")


def test_alike_states_are_no_reason(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, columns(gain=0.5), baseline=True))
    assert found.verdict == "better"
    assert "states" not in " ".join(found.reasons)
    assert found.body["balance"][0]["smd"] < 0.1


def test_rewards_that_one_version_lacks_more_often_make_it_inconclusive(tmp_path: Path) -> None:
    made = columns(gain=0.5)
    lost = np.random.default_rng(2).random(ROWS) < 0.3
    made["reward"] = pa.array(
        [
            None if version == "v2" and gone else x
            for version, gone, x in zip(made["version"], lost, made["reward"], strict=True)
        ]
    )
    found = compared(stage(tmp_path, made))
    assert found.verdict == "inconclusive"
    said(found, "v2 lacks more rewards than v1")


HEAT = {"heat": {"cost": "heat", "limit": 1.0, "slack": 0.01}}


def costs(made: dict[str, Any], rate: float) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    chance = np.array([rate if version == "v2" else 0.01 for version in made["version"]])
    return {**made, "cost.heat": np.where(rng.random(ROWS) < chance, 2.0, 0.5)}


def test_more_violations_are_worse_however_good_the_reward(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, costs(columns(gain=0.5), 0.15), constraint=HEAT))
    assert found.verdict == "worse"
    said(found, "The violation rate of heat is 0.1", "under v2")


@pytest.mark.full
def test_as_many_violations_are_not(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, costs(columns(gain=0.5), 0.01), constraint=HEAT))
    assert found.verdict == "better"
    assert [guard["worse"] for guard in found.body["guards"]] == [False, False]


def test_a_cost_that_is_not_logged_holds_a_pass_back(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, columns(gain=0.5), constraint=HEAT))
    assert found.verdict == "inconclusive"
    said(found, "The violation rate of heat of v2 is not known")


@pytest.mark.full
def test_a_slower_candidate_is_worse(tmp_path: Path) -> None:
    made = columns(gain=0.5)
    own = np.array([version == "v2" for version in made["version"]])
    made["latency_ms"] = np.random.default_rng(4).lognormal(3.0, 0.3, ROWS) * np.where(own, 1.5, 1.0)
    found = compared(stage(tmp_path, made, metrics={"track": ["latency_ms"]}))
    assert found.verdict == "worse"
    said(found, "The mean latency is")


def test_a_stage_of_days_is_read_by_whole_hours(tmp_path: Path) -> None:
    """7,200 decisions, one every 40 s: 80 hours. The stage begins half an hour after one of them."""
    found = compared(stage(tmp_path, columns(gain=0.5), every=40.0, sealed=80 * 3600), 1800, 80 * 3600)
    assert (found.verdict, found.body["resolution"], found.body["buckets_together"]) == ("better", 3600, 79)
    assert found.n_candidate + found.n_incumbent == 79 * 90
    assert found.matured == 1.0


def test_rewards_that_came_as_events_are_compared(tmp_path: Path) -> None:
    made = columns(gain=0.5)
    rewards = made["reward"]
    landing = stage(tmp_path, {**made, "reward": pa.nulls(ROWS, pa.float64())}, sealed=0)
    at = pa.array((START + np.arange(ROWS)) * 1_000_000).cast(TIMESTAMP)
    ids = [f"d{i}" for i in range(ROWS)]
    events = pa.table({"decision_id": ids, "ts": at, "event_id": ids, "decision_ts": at, "reward": rewards})
    landing.rewards("bids", Accepted(events), "rewards")
    assert compared(landing).verdict == "error"  # nothing is sealed: nothing is mature
    sealing.seal(landing.database, "bids", START + ROWS, set())
    assert compared(landing).verdict == "better"
