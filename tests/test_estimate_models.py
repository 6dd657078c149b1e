"""`checkrein estimate` with predicted rewards: the log's own column or cross-fitted, and what does not fit is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.estimate import estimate
from monitor.settings import ConfigurationError
from ope import ESTIMATORS
from ope.estimator import DECISIONS
from tests.test_estimate import BEHAVIOUR, CANDIDATE, REWARD, SPEC, VALUE, answer, parquet, rows

MODELS = [name for name, item in ESTIMATORS.items() if item.log == DECISIONS and item.model]


def test_every_estimator_of_single_decisions_is_near_the_truth_by_default(tmp_path: Path) -> None:
    found = estimate(parquet(tmp_path, rows()), [SPEC])
    for name, item in ESTIMATORS.items():
        if item.log == DECISIONS:
            one = answer(found, name)
            assert abs(one["value"] - VALUE) < 4 * max(one["stderr"], 0.01), name


def test_given_values_are_used_and_are_the_formula(tmp_path: Path) -> None:
    log = rows()
    q = REWARD + 0.1 * np.array(log["state.x"])[:, None]
    log["q_hat"] = q.tolist()
    found = estimate(parquet(tmp_path, log), [SPEC], q="q_hat")
    predicted = (q @ CANDIDATE).mean()
    assert answer(found, "dm")["value"] == pytest.approx(predicted)
    weight = (CANDIDATE / BEHAVIOUR)[log["action"]]
    residual = np.array(log["reward"]) - q[np.arange(4000), log["action"]]
    assert answer(found, "dr")["value"] == pytest.approx(predicted + (weight * residual).mean())
    assert answer(found, "ips") == answer(estimate(parquet(tmp_path, rows()), [SPEC]), "ips")


def test_given_values_stay_with_their_rows_where_others_are_refused(tmp_path: Path) -> None:
    log = rows(600)
    log["q_hat"] = (REWARD + np.array(log["state.x"])[:, None]).tolist()
    refused = {**log, "reward": [float("nan") if i in (3, 200) else r for i, r in enumerate(log["reward"])]}
    kept = {name: [v for i, v in enumerate(values) if i not in (3, 200)] for name, values in log.items()}
    first, second = (estimate(parquet(tmp_path, one), [SPEC], q="q_hat") for one in (refused, kept))
    for name in ("dm", "dr"):
        assert answer(first, name)["value"] == pytest.approx(answer(second, name)["value"], rel=1e-12)


def test_a_model_of_the_states_makes_the_doubly_robust_estimate_narrower(tmp_path: Path) -> None:
    log = rows()
    log["state.kind"] = ["a" if i % 2 else "b" for i in range(4000)]
    log["reward"] = [r + 3.0 * x + (i % 2) for i, (r, x) in enumerate(zip(log["reward"], log["state.x"], strict=True))]
    log["state.x"] = [None if i % 50 == 0 else x for i, x in enumerate(log["state.x"])]
    found = estimate(parquet(tmp_path, log), [SPEC])
    assert answer(found, "dr")["stderr"] < 0.8 * answer(found, "ips")["stderr"]


def test_without_features_the_mean_of_each_action_is_the_model(tmp_path: Path) -> None:
    log = {name: values for name, values in rows().items() if name != "state.x"}
    found = estimate(parquet(tmp_path, log), [SPEC])
    assert answer(found, "dm")["value"] == pytest.approx(VALUE, abs=0.05)


def test_values_that_were_fitted_on_the_same_rows_make_the_models_estimates_weak(tmp_path: Path) -> None:
    log = rows(2000)
    learnt = np.tile(REWARD, (2000, 1))
    learnt[np.arange(2000), log["action"]] = log["reward"]  # what a table of all rows has learnt
    log["q_hat"] = learnt.tolist()
    found = estimate(parquet(tmp_path, log), [SPEC], q="q_hat")
    assert {answer(found, name)["trust"] for name in MODELS} <= {"weak", "refused"}
    assert any("less than their noise" in reason for reason in answer(found, "dm")["reasons"])
    assert answer(found, "ips")["trust"] == "trusted"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0.1, 0.2, 0.3]] * 200, "--q q_hat: it has 3 values in row 1 .*has 4 actions: give one value for each"),
        ([[0.1] * 4] * 199 + [[0.1] * 3], "q_hat has 3 numbers in decision d199, but 4 in others: give one for each"),
        ([[0.1] * 4] * 199 + [None], "q_hat has no list of finite numbers in decision d199"),
        ([[0.1] * 4] * 199 + [[0.1, 0.1, float("nan"), 0.1]], "q_hat has no list of finite numbers in decision d199"),
        ([0.5] * 200, "q_hat has no list of finite numbers in decision d0"),
    ],
)
def test_values_that_do_not_fit_name_the_row_and_the_fix(tmp_path: Path, values: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        estimate(parquet(tmp_path, {**rows(200), "q_hat": values}), [SPEC], q="q_hat")


def test_a_model_needs_the_probability_of_every_action(tmp_path: Path) -> None:
    log = rows()
    log["candidate_probs.c"] = CANDIDATE[log["action"]].tolist()
    names = [item["estimator"] for item in estimate(parquet(tmp_path, log), [SPEC])["candidates"][0]["estimates"]]
    assert names == [name for name, item in ESTIMATORS.items() if item.log == DECISIONS and not item.model]
    with pytest.raises(ConfigurationError, match="dr needs the probability of every action"):
        estimate(parquet(tmp_path, log), [SPEC], estimators=["dr"])
