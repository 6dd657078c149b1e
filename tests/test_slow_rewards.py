"""Delayed rewards: neither an immature window nor a pipeline that slows down is a fault of the policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from monitor.bucketing.baseline import freeze
from monitor.judging import slow_rewards
from monitor.log_store.schema import TIMESTAMP
from monitor.store.tables import actions, verdicts
from monitor.tick import Parts, tick
from monitor.validate import Accepted
from tests.passes import BASE, HOUR, log, parts_at, put, rows

Floats = NDArray[np.float64]
Delay = Callable[[np.random.Generator, int], Floats]
HORIZON = 3 * HOUR
BASELINE = 30  # hours
REWARD_RULES = ("reward_3sigma", "reward_slow")


def usual(rng: np.random.Generator, n: int) -> Floats:
    """An hour on average and at most the horizon: every reward has come when its window is judged."""
    return np.minimum(rng.exponential(HOUR, n), 0.98 * HORIZON)


def slower(rng: np.random.Generator, n: int) -> Floats:
    return np.asarray(rng.exponential(3 * HOUR, n))


def live(
    folder: Path,
    absent: str,
    delay: Delay = usual,
    *,
    lag: float = 0.0,
    fall: float = 0.0,
    horizon: str = "3h",
    hours: int = 6,
) -> Parts:
    """Thirty healthy hours, then hours in which delays, the lag of the pipeline or the reward itself are others.

    Rewards are events, and those that come early are low ones: the mean of what has come is not the mean.
    """
    parts = parts_at(folder, reward_horizon=horizon, reward_if_absent=absent)
    before = _decide(parts, BASE - BASELINE * HOUR, BASELINE)
    tick(parts, "p", BASE - BASELINE * HOUR)  # takes the decisions in and judges nothing yet
    parts.landing.rewards("p", Accepted(_events(before, usual, 0.0)), "baseline")
    freeze(parts, "p", BASE - BASELINE * HOUR, BASE, "test")
    come: list[pa.Table] = []
    for begin in BASE + HOUR * np.arange(hours):
        come.append(_events(_decide(parts, float(begin), 1), delay, fall))
        arrived = []
        for table in come:
            arrival = table["ts"].cast(pa.int64()).to_numpy() / 1e6 + lag
            arrived.append(table.filter(pa.array((arrival > begin) & (arrival <= begin + HOUR))))
        parts.landing.rewards("p", Accepted(pa.concat_tables(arrived)), f"from {begin}")
        tick(parts, "p", float(begin) + HOUR)
    return parts


def _decide(parts: Parts, begin: float, hours: float) -> pa.Table:
    decided = log(begin, hours, {"reward": pa.nulls(int(hours * 360), pa.float64())})
    put(parts, decided)
    return decided


def _events(decided: pa.Table, delay: Delay, fall: float) -> pa.Table:
    made = decided["ts"].cast(pa.int64()).to_numpy()
    rng = np.random.default_rng([3, int(made[0] // 1_000_000)])
    after = delay(rng, len(made))
    reward = 1 - fall + 0.3 * (after / HOUR - 1) + rng.normal(0, 0.3, len(made))
    return pa.table(
        {
            "decision_id": decided["decision_id"],
            "ts": pa.array(made + (after * 1e6).astype(np.int64)).cast(TIMESTAMP),
            "event_id": pa.nulls(len(made), pa.string()),
            "decision_ts": decided["ts"].cast(TIMESTAMP),
            "reward": pa.array(reward),
        }
    )


def judged(parts: Parts) -> dict[str, list[str]]:
    found = rows(parts, verdicts, "start", "trigger", "state")
    return {rule: [state for start, name, state in found if name == rule and start >= BASE] for rule in REWARD_RULES}


def reasons(parts: Parts) -> set[str]:
    return {
        reason for start, name, reason in rows(parts, verdicts, "start", "trigger", "reason") if name in REWARD_RULES
    }


def states_of_delay(parts: Parts) -> set[str]:
    return {
        state for _start, name, state in rows(parts, verdicts, "start", "trigger", "state") if name == "reward_late"
    }


def test_mature_windows_are_judged_by_all_of_their_rewards_and_immature_ones_not_at_all(tmp_path: Path) -> None:
    parts = live(tmp_path, "zero")
    states = judged(parts)
    assert all(set(found) == {"ok"} and len(found) >= 10 for found in states.values()), states
    assert states_of_delay(parts) == {"ok"}


@pytest.mark.full
def test_without_a_horizon_the_same_rewards_look_like_a_crash(tmp_path: Path) -> None:
    states = judged(live(tmp_path, "zero", horizon="0s", hours=4))
    assert "fire" in states["reward_3sigma"] or "insufficient" in states["reward_3sigma"]
    assert "ok" not in states["reward_3sigma"]


def still(parts: Parts) -> None:
    """No rule about the reward may fire, act, or call the windows healthy."""
    states = judged(parts)
    assert all("fire" not in found and "insufficient" in found for found in states.values()), states
    assert rows(parts, actions, "id") == []
    assert "fire" in states_of_delay(parts)
    assert any("rewards take" in reason or "did not come in time" in reason for reason in reasons(parts))


def test_a_pipeline_that_slows_down_alarms_nobody_about_the_reward(tmp_path: Path) -> None:
    still(live(tmp_path, "zero", slower))


@pytest.mark.full
def test_nor_does_it_where_absent_rewards_are_missing(tmp_path: Path) -> None:
    still(live(tmp_path, "missing", slower))


@pytest.mark.full
@pytest.mark.parametrize("absent", ["missing", "zero"])
def test_nor_does_one_that_delivers_its_events_later(tmp_path: Path, absent: str) -> None:
    still(live(tmp_path, absent, lag=2 * HOUR))


@pytest.mark.parametrize("absent", ["missing", pytest.param("zero", marks=pytest.mark.full)])
def test_a_reward_that_really_falls_is_found_among_delayed_ones(tmp_path: Path, absent: str) -> None:
    parts = live(tmp_path, absent, fall=0.3)
    assert all("fire" in found for found in judged(parts).values())
    assert len(rows(parts, actions, "id")) == 1


@pytest.mark.full
def test_without_the_cure_the_slow_pipeline_rolls_a_policy_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_rewards, "DELAYED", ())
    parts = live(tmp_path, "zero", slower)
    assert "fire" in judged(parts)["reward_3sigma"]
    assert len(rows(parts, actions, "id")) == 1
