"""What no entry of ESTIMATORS may turn into a number."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ope import ESTIMATORS, LIVE, Decisions, Estimate, Trust, WeightSums, evaluate, from_weights, importance_weights
from ope.estimator import DECISIONS
from tests.ope_bandit import BANDIT, REWARD, Bandit, rows_of

NAMES = [name for name, item in ESTIMATORS.items() if item.log == DECISIONS]
every_estimator = pytest.mark.parametrize("name", NAMES)
every_live = pytest.mark.parametrize("name", LIVE)
MODELS = [name for name in NAMES if ESTIMATORS[name].model]


def refused(estimate: Estimate, reason: str) -> None:
    found = estimate.to_dict()
    assert estimate.trust is Trust.REFUSED
    assert [found[key] for key in ("value", "stderr", "low", "high", "anytime_low", "anytime_high")] == [None] * 6
    assert any(re.search(reason, text) for text in estimate.reasons), estimate.reasons


def weighing(weight: list[float], reward: list[float]) -> Decisions:
    """Return a log with these weights, of two actions."""
    w = np.array(weight, dtype=float)
    propensity = np.minimum(1.0, 0.9 / np.maximum(w, 1e-9))
    probability = w * propensity
    return Decisions(
        np.array(reward, dtype=float),
        propensity,
        probability,
        np.zeros(len(w), dtype=np.int64),
        np.stack([probability, 1 - probability], axis=1),
        np.random.default_rng(1).random((len(w), 2)),
    )


HOPELESS = [
    ([], [], "0 usable rows"),
    ([1.0], [2.0], "1 usable rows"),
    ([0.0] * 500, [0.0, 1.0] * 250, "weights are 0"),
    ([0.5, 1.5] * 250, [3.0] * 500, "rewards are equal"),
    ([0.5, 1.5] * 250, [0.0] * 500, "rewards are equal"),
    ([1e-3] * 999 + [900.0], [0.0, 1.0] * 500, "One row carries"),
    ([0.5, 0.7] * 250, [0.0, 1.0, 1.0, 0.0] * 125, "plays what the log does not|that the log cannot contain"),
    ([1.5, 1.7] * 250, [0.0, 1.0, 1.0, 0.0] * 125, "the logged propensities are too small"),
]


@every_estimator
@pytest.mark.parametrize(("weight", "reward", "reason"), HOPELESS)
def test_what_cannot_be_estimated_is_refused_without_a_number(
    name: str, weight: list[float], reward: list[float], reason: str
) -> None:
    refused(evaluate(weighing(weight, reward), [name])[0], reason)


@every_live
@pytest.mark.parametrize(("weight", "reward", "reason"), HOPELESS)
def test_what_cannot_be_estimated_from_sums_is_refused_without_a_number(
    name: str, weight: list[float], reward: list[float], reason: str
) -> None:
    refused(from_weights(name, WeightSums.from_rows(weight, reward)), reason)


def test_equal_rewards_on_all_rows_with_weight_leave_no_error_to_tell() -> None:
    sums = WeightSums.from_rows([0.0, 2.0] * 250, [1.0, 3.0] * 250)
    assert from_weights("snips", sums).trust is Trust.REFUSED
    assert from_weights("ips", sums).value == 3.0  # its terms, 0 and 6, do differ


def test_a_model_that_says_the_same_everywhere_leaves_no_error_to_tell() -> None:
    log = BANDIT.log(11, 2000)
    refused(evaluate(replace(log, q=np.full((2000, 5), 0.5)), ["dm"])[0], "is the same on every row")


@every_estimator
def test_a_candidate_that_the_log_does_not_support_is_refused(name: str) -> None:
    behaviour = np.array([[0.5, 0.5, 0.0, 0.0, 0.0]] * 3) + 1e-300
    log = Bandit(behaviour, np.array([[0.4, 0.35, 0.25, 0.0, 0.0]] * 3), REWARD).log(9, 5000)
    estimate = evaluate(log, [name])[0]
    assert estimate.ess > 0.9 * estimate.n  # it looks fine, and is not
    assert estimate.trust is Trust.REFUSED


def broken(column: str, number: float, row: int) -> Decisions:
    log = BANDIT.log(12, 40_000)
    found = getattr(log, column).copy()
    found[(row, *(0,) * (found.ndim - 1))] = number
    return replace(log, **{column: found})


@every_estimator
@pytest.mark.parametrize(
    ("column", "number", "message"),
    [
        ("propensity", 0.0, r"propensity is 0 in row 30000"),
        ("propensity", float("nan"), r"propensity is missing in row 30000"),
        ("propensity", -0.1, r"propensity is outside \(0, 1\] in row 30000"),
        ("propensity", 1.5, r"propensity is outside \(0, 1\] in row 30000"),
        ("propensity", 1e-320, r"weight is not a finite number in row 30000"),
        ("probability", float("nan"), r"probability is not a finite number in row 30000"),
        ("probability", 1.5, r"the candidate's probability is outside \[0, 1\] in row 30000"),
        ("reward", float("inf"), r"reward is not a finite number in row 30000"),
        ("reward", float("nan"), r"reward is not a finite number in row 30000"),
        ("q", float("nan"), r"q is not a finite number in row 30000"),
        ("candidate", float("nan"), r"candidate is not a finite number in row 30000"),
        ("action", 5, r"action in row 30000 is none of the candidate's 5 actions"),
        ("action", -1, r"action in row 30000 is none of the candidate's 5 actions"),
    ],
)
def test_a_number_that_cannot_be_used_is_an_error_that_names_column_and_row(
    name: str, column: str, number: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(broken(column, number, 30_000), [name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda log: replace(log, q=log.q[:-1]), r"q has shape \(99, 5\), not \(100, actions\)"),
        (lambda log: replace(log, q=log.q[:, :-1]), r"candidate and q have shapes .* give all for the same actions"),
        (lambda log: replace(log, candidate=log.candidate[0]), r"candidate has shape \(5,\)"),
        (lambda log: replace(log, propensity=log.propensity[1:]), r"propensity has shape \(99,\), but reward has 100"),
        (lambda log: replace(log, action=None), "action is missing"),
    ],
)
def test_columns_that_do_not_fit_are_an_error_that_names_them(
    change: Callable[[Decisions], Decisions], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        change(BANDIT.log(13, 100))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("column", ["q", "candidate"])
def test_a_model_that_is_missing_is_an_error_that_names_it(name: str, column: str) -> None:
    with pytest.raises(ValueError, match=f"{name} needs predicted rewards q"):
        evaluate(replace(BANDIT.log(13, 100), **{column: None}), [name])  # type: ignore[arg-type]


@every_live
@pytest.mark.parametrize("bad", [0.0, float("nan"), -0.1, 1.5])
def test_a_wrong_propensity_makes_no_sums(name: str, bad: float) -> None:
    with pytest.raises(ValueError, match=r"propensity is .* in row 2"):
        from_weights(name, WeightSums.from_rows(importance_weights([0.5] * 3, [0.5, 0.5, bad]), [1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("column", "rows"), [("weight", ([np.inf, 1.0], [1.0, 1.0])), ("reward", ([1.0, 1.0], [np.inf, 1.0]))]
)
def test_an_infinite_weight_or_reward_makes_no_sums(column: str, rows: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match=f"{column} is infinite in row 0"):
        WeightSums.from_rows(*rows)


@every_estimator
def test_unknown_levels_and_intervals_are_errors_that_name_the_choice(name: str) -> None:
    log = rows_of(BANDIT.log(11, 100), np.arange(100))
    with pytest.raises(ValueError, match="level is 95"):
        evaluate(log, [name], level=95)
    with pytest.raises(ValueError, match="no interval is called 'exact'"):
        evaluate(log, [name], interval="exact")
