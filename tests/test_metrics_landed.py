"""What landing adds for metrics that need more than a row: errors of a world model, and the age of rewards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.bucketing import buckets
from monitor.bucketing.plans import current_plan
from monitor.landing.land import Landing
from monitor.metrics import METRICS
from monitor.summaries import BucketSummary
from monitor.validate import decisions as check
from monitor.validate import rewards as check_rewards
from tests.landings import START, open_landing


def landed(landing: Landing, table: pa.Table) -> None:
    known, actions = ["bids"], ("low", "high")
    accepted = check(
        table,
        columns={},
        policy=None,
        version=None,
        known=known,
        zone="UTC",
        latest=4e9,
        actions=actions,
        origin="test",
        origin_digest="test",
        first_row=1,
    )
    assert accepted.rejects == ()
    landing.decisions("bids", accepted, "test")


def test_a_model_gap_pairs_rows_of_one_batch_and_is_the_same_when_counted_again(tmp_path: Path) -> None:
    landing = open_landing(tmp_path, metrics={"track": ["gap.load"]})
    n = 40
    state = np.random.default_rng(1).normal(size=n)
    table = pa.table(
        {
            "decision_id": [f"d{i}" for i in range(n)],
            "ts": pa.array((START + np.arange(n)) * 1_000_000, pa.timestamp("us", "UTC")),
            "policy": ["bids"] * n,
            "version": ["v1"] * n,
            "action": ["low"] * n,
            "episode_id": [f"e{i % 4}" for i in range(n)],  # four episodes, their rows interleaved
            "step": np.arange(n) // 4,
            "state.load": state,
            "predicted_next_state.load": state + 0.25,
        }
    )
    landed(landing, table.slice(0, 20))
    landed(landing, table.slice(20))
    expected = [state[i - 4] + 0.25 - state[i] for i in range(4, n) if i < 20 or i >= 24]

    def gaps() -> tuple[int, float]:
        with landing.database.read() as connection:
            plan, _ = current_plan(connection, landing.settings, "bids")
            found = buckets.load(connection, "bids", "v1", "", 60, START, START + 60, plan)
            moments = sum((one for _, one in found), start=BucketSummary())["tracked"]["model_gap/load"]
        return moments.n, moments.mean

    first = gaps()
    assert first[0] == len(expected)
    assert first[1] == pytest.approx(np.mean(expected), rel=1e-12)
    landing.rebuild("bids", START, START + 60)
    assert gaps() == first


def test_the_delay_of_a_reward_is_from_its_decision_to_its_last_event(tmp_path: Path) -> None:
    landing = open_landing(
        tmp_path, reward_events="additive", reward_horizon="1h", metrics={"track": ["delay.reward", "reward"]}
    )
    at = START + np.arange(4)
    stamps = pa.array(at * 1_000_000, pa.timestamp("us", "UTC"))
    ids = [f"d{i}" for i in range(4)]
    table = pa.table(
        {"decision_id": ids, "ts": stamps, "policy": ["bids"] * 4, "version": ["v1"] * 4, "action": ["low"] * 4}
    )
    landed(landing, table)
    later = [(0, 10), (0, 40), (2, 5)]
    events = pa.table(
        {
            "decision_id": [ids[i] for i, _ in later],
            "ts": pa.array([int(at[i] + age) * 1_000_000 for i, age in later], pa.timestamp("us", "UTC")),
            "reward": [1.0, 2.0, 3.0],
        }
    )
    landing.rewards("bids", check_rewards(events, latest=4e9, origin="t", first_row=1), "test")
    with landing.database.read() as connection:
        plan, _ = current_plan(connection, landing.settings, "bids")
        ((_, bucket),) = buckets.load(connection, "bids", "v1", "", 60, START, START + 60, plan)
    delay = bucket["tracked"]["reward_delay"]
    assert (delay.n, delay.missing, delay.mean) == (2, 2, 22.5)
    assert bucket["tracked"].counts("reward_delay").sum() == 4
    shown, ages = METRICS["reward_delay"].point(bucket, plan, ""), METRICS["reward_delay"].labels(plan, "")
    assert shown.counts is not None
    assert [ages[i] for i in np.flatnonzero(shown.counts)] == ["4.467s..5.012s", "39.81s..44.67s"]
    assert METRICS["missing_share"].point(bucket, plan, "reward").value == 0.5
