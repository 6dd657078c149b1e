"""Estimated propensities are calibrated, weak at best, and imitating the log earns what the log earned."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy.special import softmax

from ope import Decisions, Trust, WeightSums, evaluate, judge
from ope.models.behaviour import NOTE, Behaviour, fit_behaviour

ACTIONS = 3


class Log:
    """A behaviour policy that is soft in two features and bends in a third."""

    def __init__(self, seed: int, rows: int) -> None:
        rng = np.random.default_rng(seed)
        self.states = rng.normal(size=(rows, 3))
        logits = np.stack([self.states[:, 0], -self.states[:, 1], np.abs(self.states[:, 2])], axis=1)
        self.truth = softmax(0.8 * logits, axis=1)
        self.action = (rng.random(rows)[:, None] > np.cumsum(self.truth, axis=1)).sum(axis=1).clip(0, 2)
        mean = np.stack([self.states[:, 0] > 0, np.full(rows, 0.5), self.states[:, 2] > 0], axis=1) * 0.6 + 0.2
        self.mean = mean
        self.reward = (rng.random(rows) < mean[np.arange(rows), self.action]).astype(float)
        self.fitted = fit_behaviour(self.states, self.action, actions=ACTIONS)

    def decisions(self, candidate: np.ndarray, propensity: np.ndarray) -> Decisions:
        executed = candidate[np.arange(len(self.action)), self.action]
        return Decisions(self.reward, propensity, executed, self.action, candidate)


@cache
def log() -> Log:
    return Log(1, 6000)


def test_it_finds_the_probabilities_and_says_how_well() -> None:
    found = log().fitted
    assert np.abs(found.probability - log().truth).mean() < 0.03
    np.testing.assert_allclose(found.probability.sum(axis=1), 1.0, rtol=1e-9)
    np.testing.assert_array_equal(found.propensity, found.probability[np.arange(6000), log().action])
    best = -np.log(log().truth[np.arange(6000), log().action]).mean()
    assert best < found.log_loss < best + 0.02 < found.marginal_log_loss
    assert found.calibration_error < 0.02
    assert 0.8 < found.temperature < 1.25


def test_a_model_never_sees_the_rows_that_it_answers_for() -> None:
    rng = np.random.default_rng(2)
    states, action = rng.normal(size=(300, 6)), rng.integers(0, 4, 300)  # nothing to learn
    found = fit_behaviour(states, action, actions=4)
    assert found.log_loss > 0.98 * np.log(4)  # in sample it would be far below
    assert found.log_loss > found.marginal_log_loss - 0.02


def test_rows_of_a_unit_are_never_split() -> None:
    rng = np.random.default_rng(3)
    who = np.repeat(np.arange(100), 10)
    mark = rng.normal(size=(100, 3))[who]  # tells the subject, and nothing else
    action = rng.integers(0, 2, 100)[who]
    split, whole = (fit_behaviour(mark, action, actions=2, unit=unit) for unit in (None, who))
    assert split.log_loss < whole.log_loss - 0.03
    assert whole.log_loss > 0.98 * np.log(2)


def test_actions_that_could_not_be_taken_have_probability_0() -> None:
    rng = np.random.default_rng(4)
    states, eligible = rng.normal(size=(1000, 1)), np.ones((1000, 3), bool)
    eligible[:, 2] = states[:, 0] > 0
    action = np.array([rng.choice(np.flatnonzero(row)) for row in eligible])
    for features in (states, None):
        found = fit_behaviour(features, action, actions=3, eligible=eligible)
        assert (found.probability[~eligible] == 0).all()
        assert (found.propensity > 0).all()
        np.testing.assert_allclose(found.probability.sum(axis=1), 1.0, rtol=1e-9)


def test_without_states_it_is_how_often_each_action_was_taken_in_the_other_folds() -> None:
    action = np.random.default_rng(5).choice(3, 2000, p=[0.7, 0.2, 0.1])
    found = fit_behaviour(None, action, actions=3)
    np.testing.assert_allclose(found.probability, np.tile([0.7, 0.2, 0.1], (2000, 1)), atol=0.03)
    assert len(np.unique(found.probability[:, 0])) == 5
    assert found.log_loss == pytest.approx(found.marginal_log_loss, abs=0.002)


def test_an_action_that_was_never_taken_is_not_impossible() -> None:
    rng = np.random.default_rng(6)
    found = fit_behaviour(rng.normal(size=(500, 2)), rng.integers(0, 2, 500), actions=3)
    assert ((found.probability[:, 2] > 0) & (found.probability[:, 2] < 0.05)).all()


def test_estimates_from_it_are_near_those_from_logged_propensities_and_weak_at_best() -> None:
    data = log()
    candidate = np.tile([0.2, 0.2, 0.6], (6000, 1))
    value = (candidate * data.mean).sum(axis=1).mean()
    logged = data.decisions(candidate, data.truth[np.arange(6000), data.action])
    told = data.decisions(candidate, data.fitted.propensity)
    weights = WeightSums.from_rows(told.weight, told.reward)
    [known] = evaluate(logged, ["snips"])
    [found] = evaluate(told, ["snips"], judgement=data.fitted.weaken(judge(weights)))
    assert known.trust is Trust.TRUSTED
    assert found.trust is Trust.WEAK
    assert NOTE in found.reasons
    assert found.value is not None
    assert found.stderr is not None
    assert abs(found.value - value) < 4 * found.stderr


def test_what_was_refused_stays_refused() -> None:
    refused = judge(WeightSums.from_rows([1.0], [1.0]))
    found = log().fitted.weaken(refused)
    assert found.verdict is Trust.REFUSED
    assert found.reasons[: len(refused.reasons)] == refused.reasons


def test_imitating_the_log_earns_what_the_log_earned() -> None:
    data = log()
    mean, error = data.reward.mean(), data.reward.std() / np.sqrt(6000)
    logged = Decisions(data.reward, data.truth[np.arange(6000), data.action], np.ones(6000), data.action)
    for found in evaluate(data.fitted.clone(logged), ["ips", "snips"]):
        assert found.value is not None
        assert abs(found.value - mean) < 3 * error
        assert found.trust is Trust.TRUSTED
        assert found.ess > 0.95 * 6000
    estimated = Decisions(data.reward, data.fitted.propensity, np.ones(6000), data.action)
    [same] = evaluate(data.fitted.clone(estimated), ["snips"])
    assert same.value == pytest.approx(mean)  # every weight is 1


def test_a_candidate_that_is_worse_than_the_log_does_not_beat_its_clone() -> None:
    data = log()
    worst = np.eye(3)[data.mean.argmin(axis=1)] * 0.9 + 0.1 / 3
    executed = data.truth[np.arange(6000), data.action]
    clone = data.fitted.clone(data.decisions(worst, executed))
    [bad], [imitation] = (evaluate(each, ["snips"]) for each in (data.decisions(worst, executed), clone))
    assert bad.high is not None
    assert imitation.low is not None
    assert bad.high < imitation.low


def test_too_sure_a_fit_is_cooled() -> None:
    rng = np.random.default_rng(7)
    found = fit_behaviour(rng.normal(size=(120, 6)), rng.integers(0, 2, 120), actions=2)
    assert found.log_loss < np.log(2) + 0.1
    assert found.temperature > 1.0


def test_the_same_seed_gives_the_same_answer_and_another_one_other_folds() -> None:
    data = log()
    states, action = data.states[:600], data.action[:600]
    first, same, other = (fit_behaviour(states, action, actions=3, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.probability, same.probability)
    assert not np.allclose(first.probability, other.probability)


def fit(states: object = None, action: object = (0, 1) * 50, **options: object) -> Behaviour:
    return fit_behaviour(states, np.asarray(action), **{"actions": 2, **options})  # type: ignore[arg-type]


HOLE = np.zeros((100, 2))
HOLE[7, 1] = np.nan


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit(np.zeros((99, 2))), r"states has shape \(99, 2\), not \(100, features\)"),
        (lambda: fit(HOLE), r"states is not a finite number in row 7 \(1 rows\)"),
        (lambda: fit(action=[0, 1, 2, 0]), "action in row 2 is none of the 2 actions"),
        (lambda: fit(action=[0.0, 1.0]), "action has shape .* and type float64"),
        (lambda: fit(folds=1), "folds is 1"),
        (lambda: fit(unit=[0] * 100), "1 units of rows"),
        (lambda: fit(unit=[0] * 99), "unit has shape"),
        (lambda: fit(action=[0]), "1 units of rows"),
        (lambda: fit(eligible=np.ones((100, 3), bool)), "eligible has shape"),
        (lambda: fit(eligible=np.tile([True, False], (100, 1))), "action in row 1 is not eligible there"),
        (lambda: log().fitted.clone(Decisions(np.ones(2), np.ones(2), np.ones(2))), "the log has 2 rows"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
