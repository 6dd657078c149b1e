"""`checkrein estimate` of trajectories: whole episodes beside single decisions, and broken ones refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.estimate import estimate
from monitor.settings import ConfigurationError
from ope import ESTIMATORS
from ope.estimator import EPISODES
from tests.test_estimate import SPEC, answer, parquet

SEQUENTIAL = [name for name, item in ESTIMATORS.items() if item.log == EPISODES]
EPISODE = 3  # steps
GAMMA = 0.5


def walk(count: int = 1500, seed: int = 0) -> dict[str, Any]:
    """Going right pays 1 where the step before was to the right, too: an action changes what the next one pays."""
    rng = np.random.default_rng(seed)
    action = (rng.random((count, EPISODE)) < 0.5).astype(int)
    before = np.concatenate([np.ones((count, 1), int), action[:, :-1]], axis=1)
    reward = action * before + rng.normal(0, 0.1, action.shape)
    right = 0.7
    return {
        "episode_id": np.repeat([f"e{i}" for i in range(count)], EPISODE).tolist(),
        "step": np.tile(np.arange(EPISODE), count).tolist(),
        "state.before": before.ravel().astype(float).tolist(),
        "action": action.ravel().tolist(),
        "propensity": [0.5] * (count * EPISODE),
        "reward": reward.ravel().tolist(),
        "candidate_probs.c": [[1 - right, right]] * (count * EPISODE),
    }


def truth(right: float = 0.7) -> float:
    """Discounted value of going right with a probability, by hand: r, then r times r."""
    return right + (GAMMA + GAMMA**2) * right * right


def test_every_estimator_of_trajectories_is_near_the_truth_by_default(tmp_path: Path) -> None:
    found = estimate(parquet(tmp_path, walk()), [SPEC], gamma=GAMMA)
    assert found["log"]["episodes"] == 1500
    for name in SEQUENTIAL:
        one = answer(found, name)
        assert abs(one["value"] - truth()) < 4 * max(one["stderr"], 0.02), name
        assert one["n"] == 1500
    assert answer(found, "wpdis")["trust"] == found["candidates"][0]["verdict"] == "trusted"
    assert answer(found, "snips")["trust"] == "weak"
    assert "Episodes have several steps" in " ".join(answer(found, "snips")["reasons"])
    assert found["candidates"][0]["difference"]["estimator"] == "wpdis"


def test_single_decisions_of_an_episode_are_one_unit(tmp_path: Path) -> None:
    log = walk()
    together = answer(estimate(parquet(tmp_path, log), [SPEC], estimators=["ips"]), "ips")
    apart = {name: values for name, values in log.items() if name not in ("episode_id", "step")}
    alone = answer(estimate(parquet(tmp_path, apart), [SPEC], estimators=["ips"]), "ips")
    assert together["value"] == pytest.approx(alone["value"], rel=1e-12)
    assert (together["n"], alone["n"]) == (1500, 4500)


def test_rows_in_any_order_give_the_same_values(tmp_path: Path) -> None:
    log = walk(300)
    order = np.random.default_rng(5).permutation(900)
    mixed = {name: [values[i] for i in order] for name, values in log.items()}
    names = ["wis", "wpdis"]
    first, second = (estimate(parquet(tmp_path, one), [SPEC], estimators=names) for one in (log, mixed))
    for name in names:
        assert answer(first, name)["value"] == pytest.approx(answer(second, name)["value"], rel=1e-9)


def dropped(log: dict[str, Any], row: int) -> dict[str, Any]:
    return {name: values[:row] + values[row + 1 :] for name, values in log.items()}


def changed(log: dict[str, Any], column: str, row: int, value: Any) -> dict[str, Any]:
    return {**log, column: [value if i == row else old for i, old in enumerate(log[column])]}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda log: dropped(log, 4), "episode 'e1' has no step 1, but a step 2: log every step"),
        (lambda log: changed(log, "step", 4, 0), "episode 'e1' has step 0 more than once"),
        (lambda log: dropped(log, 3), "episode 'e1' starts with step 1, most with step 0"),
        (lambda log: changed(log, "reward", 4, None), "episode 'e1' has no step 1, but a step 2"),
        (lambda log: changed(log, "reward", 5, None), "episode 'e1' is not whole: its step 2 has no reward"),
        (
            lambda log: changed(log, "candidate_probs.c", 5, None),
            "episode 'e1' is not whole: its step 2 has no probability of the candidate",
        ),
        (
            lambda log: changed(log, "reward", 5, float("nan")),
            r"1 rows are refused, any of which may be the end of an episode \(.*row 6: reward is NaN",
        ),
        (lambda log: changed(log, "episode_id", 4, None), "episode_id is missing in usable row 5 and 0 others"),
    ],
)
def test_a_broken_episode_is_an_error_that_names_it(tmp_path: Path, break_it: Any, message: str) -> None:
    path = parquet(tmp_path, break_it(walk(200)))
    with pytest.raises(ConfigurationError, match=message) as caught:
        estimate(path, [SPEC])
    assert "or ask for estimators of single decisions alone" in str(caught.value)
    assert answer(estimate(path, [SPEC], estimators=["snips"]))["trust"] == "weak"


def test_an_estimator_of_trajectories_says_which_column_it_lacks(tmp_path: Path) -> None:
    log = {name: values for name, values in walk(200).items() if name != "step"}
    with pytest.raises(ConfigurationError, match="estimators of trajectories need the column step"):
        estimate(parquet(tmp_path, log), [SPEC], estimators=["wis"])
    names = [one["estimator"] for one in estimate(parquet(tmp_path, log), [SPEC])["candidates"][0]["estimates"]]
    assert set(names) & set(SEQUENTIAL) == set()


def test_given_values_of_episodes_are_those_of_an_action_with_everything_that_follows(tmp_path: Path) -> None:
    log = walk(400)
    log["q_hat"] = [[2.0, 4.0]] * 1200
    found = estimate(parquet(tmp_path, log), [SPEC], estimators=["dm_fqe"], q="q_hat")
    one = answer(found, "dm_fqe")
    assert one["value"] is None  # the same everywhere: no error can be told
    assert "dm_fqe comes to 3.4" in one["reasons"][-1]


def test_very_long_episodes_leave_out_what_has_a_ratio_for_each_step(tmp_path: Path) -> None:
    log = walk(40)
    long = {name: values * 10 for name, values in log.items() if name != "candidate_probs.c"}
    long["candidate_probs.c"] = [0.5] * 1200
    long["episode_id"], long["step"] = ["a"] * 1150 + ["b"] * 50, [*range(1150), *range(50)]
    [candidate] = estimate(parquet(tmp_path, long), [SPEC])["candidates"]
    names = {one["estimator"] for one in candidate["estimates"]}
    assert "wpdis" not in names
    assert {"wis", "pdis"} <= names


def test_the_tail_of_single_decisions_is_weak_where_actions_change_the_steps_that_follow(tmp_path: Path) -> None:
    found = estimate(parquet(tmp_path, walk(400)), [SPEC], estimators=["wis"], cvar=[0.2])
    assert answer(found, "wis")["trust"] == "trusted"
    tail = found["candidates"][0]["distribution"]
    assert tail["trust"] == "weak"
    assert "Episodes have several steps" in " ".join(tail["reasons"])
