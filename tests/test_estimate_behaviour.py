"""`checkrein estimate --behaviour`: propensities of the policies that wrote a log, or estimated where it has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.estimate import estimate
from monitor.settings import ConfigurationError
from tests.test_estimate import CANDIDATE, REWARD, SPEC, VALUE, answer, parquet

OTHER = np.array([0.05, 0.05, 0.1, 0.8])
FIRST = np.array([0.7, 0.2, 0.05, 0.05])
BEHAVIOUR = ["v1=column:candidate_probs.v1", "v2=column:candidate_probs.v2"]


def mixed(count: int = 4000, seed: int = 3) -> dict[str, Any]:
    """Return a log by two versions with the probabilities of both on every row, and no propensity."""
    rng = np.random.default_rng(seed)
    second = rng.random(count) < 0.4
    policies = np.stack([FIRST, OTHER])
    action = (rng.random(count)[:, None] > policies.cumsum(axis=1)[second.astype(int)]).sum(axis=1)
    return {
        "decision_id": [f"d{i}" for i in range(count)],
        "version": np.where(second, "v2", "v1").tolist(),
        "action": action.tolist(),
        "reward": (rng.random(count) < REWARD[action]).astype(float).tolist(),
        "candidate_probs.c": [CANDIDATE.tolist()] * count,
        "candidate_probs.v1": [FIRST.tolist()] * count,
        "candidate_probs.v2": [OTHER.tolist()] * count,
    }


def test_the_mixture_of_the_versions_is_the_propensity(tmp_path: Path) -> None:
    log = mixed()
    found = estimate(parquet(tmp_path, log), [SPEC], behaviour=BEHAVIOUR)
    assert found["log"]["behaviour"] == "versions"
    share = np.mean([version == "v2" for version in log["version"]])
    weight = (CANDIDATE / ((1 - share) * FIRST + share * OTHER))[log["action"]]
    assert answer(found, "ips")["value"] == pytest.approx((weight * log["reward"]).mean())
    assert answer(found, "ips")["low"] < VALUE < answer(found, "ips")["high"]
    own = np.where(np.array(log["version"]) == "v2", OTHER[log["action"]], FIRST[log["action"]])
    plain = estimate(parquet(tmp_path, {**log, "propensity": own.tolist()}), [SPEC])
    assert answer(found, "ips")["stderr"] < 0.8 * answer(plain, "ips")["stderr"]


def test_logged_propensities_that_the_versions_contradict_make_it_weak(tmp_path: Path) -> None:
    log = mixed()
    log["propensity"] = [0.25] * len(log["action"])
    found = estimate(parquet(tmp_path, log), [SPEC], behaviour=BEHAVIOUR)
    assert found["candidates"][0]["verdict"] == "weak"
    assert "Logged propensities differ by up to 0.55" in " ".join(answer(found)["reasons"])


@pytest.mark.parametrize(
    ("behaviour", "change", "message"),
    [
        (BEHAVIOUR[:1], {}, "decision d\\d+ is of version v2: give its policy, too: --behaviour v2=SPEC"),
        (
            [*BEHAVIOUR[:1], "v2=column:nope"],
            {},
            "--behaviour v2: no probability for decision d0: the log has no column",
        ),
        (["v1=column:candidate_probs.v1", "v2=pickle:x"], {}, "pickle:x"),
        (BEHAVIOUR, {"candidate_probs.v1": [[1.0, 0.0, 0.0, 0.0]] * 400}, "says that it never takes it"),
    ],
)
def test_versions_that_do_not_fit_the_log_are_named(
    tmp_path: Path, behaviour: list[str], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        estimate(parquet(tmp_path, {**mixed(400), **change}), [SPEC], behaviour=behaviour)


def test_without_propensities_the_fix_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"decision d0 has no propensity, .* or give --behaviour estimate"):
        estimate(parquet(tmp_path, mixed(200)), [SPEC])


def logistic(count: int = 4000, seed: int = 5) -> dict[str, Any]:
    """Return a log without propensities whose policy follows a state that also moves the reward."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=count)
    likely = 1 / (1 + np.exp(-state))
    action = (rng.random(count) < likely).astype(int)
    return {
        "action": action.tolist(),
        "reward": (state + action + rng.normal(0, 0.5, count)).tolist(),
        "state.x": state.tolist(),
        "candidate_probs.c": [[0.3, 0.7]] * count,
        "known": np.where(action == 1, likely, 1 - likely).tolist(),
    }


def test_missing_propensities_can_be_estimated_and_are_weak_at_best(tmp_path: Path) -> None:
    log = logistic()
    found = estimate(parquet(tmp_path, log), [SPEC], behaviour=["estimate"])
    assert found["log"]["behaviour"] == "estimated"
    assert found["candidates"][0]["verdict"] == "weak"
    assert "Propensities are estimated" in " ".join(answer(found)["reasons"])
    known = estimate(parquet(tmp_path, {**log, "propensity": log["known"]}), [SPEC])
    assert answer(known)["trust"] == "trusted"
    for name in ("snips", "dr"):  # the truth is 0.7
        one = answer(found, name)
        assert abs(one["value"] - answer(known, name)["value"]) < 3 * one["stderr"]
        assert abs(one["value"] - 0.7) < 4 * one["stderr"]


def test_a_log_that_no_behaviour_can_be_fitted_on_is_named(tmp_path: Path) -> None:
    log = {name: values[:1] for name, values in logistic(10).items()}
    with pytest.raises(ConfigurationError, match="no model of the log's policy can be fitted: 1 units"):
        estimate(parquet(tmp_path, log), [SPEC], behaviour=["estimate"])


def test_what_imitates_the_log_earns_what_the_log_earned(tmp_path: Path) -> None:
    log = logistic()
    path = parquet(tmp_path, {**log, "propensity": log["known"]})
    found = estimate(path, [SPEC, "clone"], estimators=["snips", "dr"])
    own = answer(found, "snips", candidate=1)
    assert found["candidates"][1]["candidate"] == "clone"
    assert abs(own["value"] - found["log"]["mean_reward"]) < 4 * own["stderr"]
    assert found["candidates"][1]["diagnostics"]["ess_ratio"] > 0.98  # its weights are nearly 1
    difference = found["candidates"][1]["difference"]
    assert abs(difference["value"]) < 4 * difference["stderr"] + 0.01
