"""Reward models for doubly robust estimates never see the row that they predict."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from ope import Decisions, TermSums, cross_fit, evaluate, in_sample_suspected
from ope.bandit.doubly_robust import dr_terms
from ope.models.crossfit import MODELS
from ope.models.outcome_model import OutcomeModel
from tests.ope_bandit import BANDIT

every_model = pytest.mark.parametrize("model", MODELS)


def problem(seed: int, rows: int, features: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return states, actions of two, and rewards with noise of 1 around a curved mean."""
    rng = np.random.default_rng(seed)
    states, action = rng.normal(size=(rows, features)), rng.integers(0, 2, rows)
    return states, action, rng.normal(mean(states, action), 1.0)


def mean(states: np.ndarray, action: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(states[:, 0]) + action * states[:, 1])


@every_model
def test_a_model_learns_what_actions_pay_in_states(model: str) -> None:
    states, action, reward = problem(1, 3000 if model == "ridge" else 400)
    q = cross_fit(states, action, 5 + 2 * reward, 2, model=model, folds=5 if model == "ridge" else 2)
    executed = q[np.arange(len(action)), action]
    left = np.var(executed - 5 - 2 * mean(states, action)) / np.var(2 * mean(states, action))
    assert left < (0.02 if model == "ridge" else 0.3)


@pytest.mark.parametrize("states", [True, False])
def test_no_row_has_a_say_in_its_own_prediction_nor_in_those_of_its_unit(states: bool) -> None:
    seen, action, reward = problem(2, 400)
    unit = np.arange(400) // 4
    found = cross_fit(seen if states else None, action, reward, 2, unit=unit)
    for row in (0, 57, 399):
        changed = reward.copy()
        changed[row] += 50.0
        other = cross_fit(seen if states else None, action, changed, 2, unit=unit)
        mine = unit == unit[row]
        np.testing.assert_array_equal(other[mine], found[mine])
        assert not np.array_equal(other[~mine], found[~mine])


def test_the_same_seed_gives_the_same_predictions_and_another_one_others() -> None:
    states, action, reward = problem(3, 300)
    one, again, other = (cross_fit(states, action, reward, 2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_predictions_stay_within_the_rewards_and_an_unseen_action_gets_the_mean_of_the_others() -> None:
    states, action, reward = problem(4, 500)
    q = cross_fit(states * 10, action, reward, 3)
    assert reward.min() <= q.min() <= q.max() <= reward.max()
    np.testing.assert_allclose(q[:, 2], q[:, :2].mean(axis=1))


def test_a_log_without_states_gets_the_mean_by_action_drawn_towards_the_mean_of_all() -> None:
    _, action, reward = problem(5, 1000)
    q = cross_fit(None, action, reward, 3)
    assert len(np.unique(q, axis=0)) == 5  # one for each fold
    for a in range(2):
        assert abs(q[:, a] - reward[action == a].mean()).max() < 0.15
    assert abs(q[:, 2] - reward.mean()).max() < 0.1


def test_a_model_that_has_seen_the_rows_hands_its_bias_to_the_doubly_robust_estimate() -> None:
    """A table of 60 states by 4 actions with two rows for each entry, 0 where there is none; every action pays 1."""
    found = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        state, action = rng.integers(0, 60, 480), rng.integers(0, 4, 480)
        reward, candidate = rng.normal(1.0, 0.5, 480), np.tile([0.4, 0.3, 0.2, 0.1], (480, 1))
        cell = state * 4 + action
        table = np.bincount(cell, reward, 240) / np.maximum(np.bincount(cell, minlength=240), 1)
        log = Decisions(
            reward,
            np.full(480, 0.25),
            candidate[np.arange(480), action],
            action,
            candidate,
            table.reshape(60, 4)[state],
        )
        fair = replace(log, q=cross_fit(state[:, None].astype(float), action, reward, 4, seed=seed))
        found.append([log.q_candidate.mean(), TermSums.of(*dr_terms(log)).value, TermSums.of(*dr_terms(fair)).value])
    direct, in_sample, cross_fitted = np.array(found, dtype=float).T
    np.testing.assert_allclose(in_sample, direct)  # its residuals add up to 0: nothing is corrected
    assert in_sample.mean() < 0.9  # 13% of the entries are empty
    assert abs(cross_fitted.mean() - 1.0) < 4 * cross_fitted.std() / np.sqrt(120)


def test_intervals_with_a_cross_fitted_model_cover_the_truth() -> None:
    names = ["dr", "sndr", "switch_dr", "dr_os"]
    covered = []
    for seed in range(250):
        log = BANDIT.log(20_000 + seed, 600)
        assert log.action is not None
        log = replace(log, q=cross_fit(log.state, log.action, log.reward, 5, folds=2, seed=seed))
        covered.append([known(e.low) < BANDIT.value < known(e.high) for e in evaluate(log, names)])
    assert all(0.925 < share < 0.975 for share in np.mean(covered, axis=0)), np.mean(covered, axis=0)


def known(number: float | None) -> float:
    assert number is not None
    return number


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_predictions_that_were_fitted_on_the_same_rows_are_suspected_and_better_models_are_not(seed: int) -> None:
    states, action, reward = problem(seed, 2000)
    other = problem(seed + 100, 2000)
    best = np.stack([mean(states, np.full(2000, a)) for a in range(2)], axis=1)
    row = np.arange(2000)
    assert in_sample_suspected(best, states, action, reward) is None
    assert in_sample_suspected(cross_fit(states, action, reward, 2), states, action, reward) is None
    assert in_sample_suspected(np.zeros((2000, 2)), states, action, reward) is None
    elsewhere = OutcomeModel.fit(*other, row % 20, actions=2)
    assert in_sample_suspected(elsewhere.basis.values(states, elsewhere.beta), states, action, reward) is None
    learnt = best.copy()
    learnt[row, action] += 0.2 * (reward - best[row, action])  # a fifth of each row's noise
    assert "probably fitted on these rows" in (in_sample_suspected(learnt, states, action, reward) or "")


def test_without_states_or_neighbours_nothing_is_suspected_without_a_cause() -> None:
    _, action, reward = problem(6, 1000)
    means = np.array([reward[action == a].mean() for a in range(2)])
    assert in_sample_suspected(np.tile(means, (1000, 1)), None, action, reward) is None  # two numbers from 1000 rows
    own = np.tile(reward[:, None], (1, 2))
    assert in_sample_suspected(own, None, action, reward) is not None  # the rewards themselves
    assert in_sample_suspected(own[:2], None, np.array([0, 1]), reward[:2]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"states": np.zeros((9, 2))}, r"states has shape \(9, 2\), not \(10, features\)"),
        ({"states": np.full((10, 2), np.nan)}, r"states is not a finite number in row 0 \(10 rows\)"),
        ({"reward": np.append(np.ones(9), np.inf)}, r"reward is not a finite number in row 9 \(1 rows\)"),
        ({"action": np.arange(10)}, r"action in row 3 is none of the 3 actions"),
        ({"action": np.arange(9)}, r"action has shape \(9,\), but reward has 10 rows"),
        ({"unit": np.arange(9)}, r"unit has shape \(9,\), but reward has 10 rows"),
        ({"unit": np.zeros(10)}, r"1 units of rows: a model for one needs others"),
        ({"folds": 1}, r"folds is 1"),
        ({"model": "trees"}, r"no model is called 'trees'; available: ridge, mlp"),
    ],
)
def test_what_cannot_be_fitted_is_an_error_that_names_it(change: dict[str, object], message: str) -> None:
    asked: dict[str, object] = {
        "states": np.zeros((10, 2)), "action": np.zeros(10, np.int64), "reward": np.ones(10), "actions": 3
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        cross_fit(**asked)  # type: ignore[arg-type]


def test_a_network_without_torch_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    states, action, reward = problem(7, 200)
    with pytest.raises(ValueError, match=r"pip install \"checkrein\[torch\]\""):
        cross_fit(states, action, reward, 2, model="mlp")


def test_rewards_that_are_all_equal_are_predicted_as_that() -> None:
    states, action, _ = problem(8, 200)
    np.testing.assert_allclose(cross_fit(states, action, np.full(200, 3.0), 2), 3.0)
