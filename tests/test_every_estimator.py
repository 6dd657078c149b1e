"""Laws that every entry of ESTIMATORS obeys on a bandit whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ope import LIVE, SUM_COLUMNS, Estimate, Trust, WeightSums, from_weights, importance_weights

Estimator = Callable[..., Estimate]
every_estimator = pytest.mark.parametrize("estimator", [partial(from_weights, name) for name in LIVE], ids=LIVE)


@dataclass(frozen=True)
class Bandit:
    """Three contexts, five actions, rewards of 0 and 1."""

    behaviour: np.ndarray
    candidate: np.ndarray
    reward: np.ndarray

    @property
    def value(self) -> float:
        return float((self.candidate * self.reward).sum(axis=1).mean())

    def rows(self, seed: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and rewards of the given shape."""
        rng = np.random.default_rng(seed)
        context = rng.integers(0, 3, shape)
        action = (rng.random(shape)[..., None] > np.cumsum(self.behaviour, axis=1)[context]).sum(axis=-1).clip(0, 4)
        reward = (rng.random(shape) < self.reward[context, action]).astype(float)
        return (self.candidate / self.behaviour)[context, action], reward


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


LOGITS = np.array([[0.0, 0.5, 1.0, 0.0, -0.5], [1.0, 0.0, 0.0, 0.5, 0.0], [0.2, -0.3, 0.0, 1.0, 0.6]])
REWARD = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.1, 0.6, 0.2, 0.3], [0.3, 0.7, 0.2, 0.1, 0.5]])
BANDIT = Bandit(softmax(0.7 * LOGITS), softmax(-LOGITS), REWARD)


def known(number: float | None) -> float:
    assert number is not None, "the estimate was refused"
    return number


def over_streams(estimator: Estimator, seed: int, streams: int, rows: int) -> list[Estimate]:
    weight, reward = BANDIT.rows(seed, streams, rows)
    return [estimator(WeightSums.from_rows(w, r)) for w, r in zip(weight, reward, strict=True)]


@every_estimator
def test_the_mean_of_many_estimates_is_the_true_value(estimator: Estimator) -> None:
    values = np.array([known(estimate.value) for estimate in over_streams(estimator, 1, 1500, 800)])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - BANDIT.value) < 4 * error + 0.2 / 800  # the bias of ratios is of order 1/n


@every_estimator
def test_more_rows_bring_the_estimate_to_the_true_value(estimator: Estimator) -> None:
    estimate = estimator(WeightSums.from_rows(*BANDIT.rows(2, 400_000)))
    assert abs(known(estimate.value) - BANDIT.value) < 0.006
    assert known(estimate.stderr) < 0.002
    assert estimate.trust is Trust.TRUSTED
    assert estimate.reasons == ()


@every_estimator
def test_a_95_percent_delta_interval_covers_the_truth_in_95_percent_of_logs(estimator: Estimator) -> None:
    estimates = over_streams(estimator, 3, 2000, 800)
    covered = np.mean([known(e.low) < BANDIT.value < known(e.high) for e in estimates])
    assert 0.925 < covered < 0.975


@every_estimator
def test_a_wider_level_gives_a_wider_interval(estimator: Estimator) -> None:
    sums = WeightSums.from_rows(*BANDIT.rows(4, 2000))
    narrow, wide = estimator(sums, level=0.8), estimator(sums, level=0.99)
    ends = [known(end) for end in (wide.low, narrow.low, narrow.value, narrow.high, wide.high)]
    assert ends == sorted(set(ends))
    assert known(wide.anytime_low) < known(narrow.anytime_low) < known(narrow.low)


@every_estimator
def test_at_most_5_percent_of_watched_streams_ever_leave_the_confidence_sequence(estimator: Estimator) -> None:
    left_sequence, left_interval = ever_outside(estimator, seed=5, streams=250, looks=60, bucket=50)
    assert left_sequence <= 0.05
    assert left_interval > 0.15  # which is why the sequence is there


@pytest.mark.full
@every_estimator
def test_long_streams_do_not_leave_the_confidence_sequence_either(estimator: Estimator) -> None:
    left_sequence, _ = ever_outside(estimator, seed=6, streams=600, looks=400, bucket=100)
    assert left_sequence <= 0.05


def ever_outside(estimator: Estimator, seed: int, streams: int, looks: int, bucket: int) -> tuple[float, float]:
    """Return the shares of streams whose sequence, and whose interval for one look, ever missed the truth."""
    missed = np.zeros((streams, 2), dtype=bool)
    for stream in range(streams):
        weight, reward = BANDIT.rows(seed * 100_000 + stream, looks * bucket)
        weight, reward = weight.reshape(looks, bucket), reward.reshape(looks, bucket)
        total = WeightSums()
        for look in range(looks):
            total = total + WeightSums.from_rows(weight[look], reward[look])
            estimate = estimator(total)
            if estimate.value is None:
                continue
            missed[stream, 1] |= not known(estimate.low) <= BANDIT.value <= known(estimate.high)
            if estimate.anytime_low is not None:
                missed[stream, 0] |= not known(estimate.anytime_low) <= BANDIT.value <= known(estimate.anytime_high)
    sequence, interval = missed.mean(axis=0)
    return float(sequence), float(interval)


@every_estimator
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 40))
def test_any_split_in_any_order_gives_the_same_estimate(estimator: Estimator, seed: int, parts: int) -> None:
    weight, reward = BANDIT.rows(7, 1000)
    rng = np.random.default_rng(seed)
    part, order = rng.integers(0, parts, 1000), rng.permutation(parts)
    merged = sum((WeightSums.from_rows(weight[part == i], reward[part == i]) for i in order), WeightSums())
    whole = WeightSums.from_rows(weight, reward)
    assert merged.n == whole.n
    assert merged.w_max == whole.w_max
    np.testing.assert_allclose(astuple(merged), astuple(whole), rtol=1e-9)
    one, other = (
        [known(number) for number in (e.value, e.stderr, e.low, e.high, e.anytime_low, e.anytime_high)]
        for e in (estimator(merged), estimator(whole))
    )
    np.testing.assert_allclose(one, other, rtol=1e-9)


@every_estimator
def test_a_stored_row_of_sums_gives_the_same_estimate(estimator: Estimator) -> None:
    whole = WeightSums.from_rows(*BANDIT.rows(8, 1000))
    stored = [getattr(whole, name) for name in SUM_COLUMNS]
    assert estimator(WeightSums(*stored)) == estimator(whole)
    assert estimator(WeightSums(*np.array(stored))) == estimator(whole)


@every_estimator
@pytest.mark.parametrize(
    ("weight", "reward", "reason"),
    [
        ([], [], "0 usable rows"),
        ([1.0], [2.0], "1 usable rows"),
        ([0.0] * 500, [0.0, 1.0] * 250, "weights are 0"),
        ([0.5, 1.5] * 250, [3.0] * 500, "rewards are equal"),
        ([0.5, 1.5] * 250, [0.0] * 500, "rewards are equal"),
        ([1e-3] * 999 + [900.0], [0.0, 1.0] * 500, "One row carries"),
        ([0.5, 0.7] * 250, [0.0, 1.0, 1.0, 0.0] * 125, "the candidate plays what the log does not"),
        ([1.5, 1.7] * 250, [0.0, 1.0, 1.0, 0.0] * 125, "the logged propensities are too small"),
    ],
)
def test_what_cannot_be_estimated_is_refused_without_a_number(
    estimator: Estimator, weight: list[float], reward: list[float], reason: str
) -> None:
    estimate = estimator(WeightSums.from_rows(weight, reward))
    found = estimate.to_dict()
    assert estimate.trust is Trust.REFUSED
    assert [found[key] for key in ("value", "stderr", "low", "high", "anytime_low", "anytime_high")] == [None] * 6
    assert any(reason in text for text in estimate.reasons), estimate.reasons


def test_equal_rewards_on_all_rows_with_weight_leave_no_error_to_tell() -> None:
    sums = WeightSums.from_rows([0.0, 2.0] * 250, [1.0, 3.0] * 250)
    assert from_weights("snips", sums).trust is Trust.REFUSED
    assert from_weights("ips", sums).value == 3.0  # its terms, 0 and 6, do differ


@every_estimator
def test_a_candidate_that_the_log_does_not_support_is_refused(estimator: Estimator) -> None:
    behaviour = np.array([[0.5, 0.5, 0.0, 0.0, 0.0]] * 3) + 1e-300
    bandit = Bandit(behaviour, np.array([[0.4, 0.35, 0.25, 0.0, 0.0]] * 3), REWARD)
    estimate = estimator(WeightSums.from_rows(*bandit.rows(9, 5000)))
    assert estimate.ess > 0.9 * estimate.n  # it looks fine, and is not
    assert estimate.trust is Trust.REFUSED


@every_estimator
@pytest.mark.parametrize("bad", [0.0, float("nan"), -0.1, 1.5])
def test_a_wrong_propensity_is_an_error_that_names_it(estimator: Estimator, bad: float) -> None:
    with pytest.raises(ValueError, match=r"propensity is .* in row 2"):
        estimator(WeightSums.from_rows(importance_weights([0.5, 0.5, 0.5], [0.5, 0.5, bad]), [1.0, 2.0, 3.0]))


@every_estimator
@pytest.mark.parametrize(
    ("column", "rows"), [("weight", ([np.inf, 1.0], [1.0, 1.0])), ("reward", ([1.0, 1.0], [np.inf, 1.0]))]
)
def test_an_infinite_weight_or_reward_is_an_error_that_names_it(
    estimator: Estimator, column: str, rows: tuple[list[float], list[float]]
) -> None:
    with pytest.raises(ValueError, match=f"{column} is infinite in row 0"):
        estimator(WeightSums.from_rows(*rows))


@every_estimator
def test_rows_without_reward_or_weight_are_left_out(estimator: Estimator) -> None:
    weight, reward = BANDIT.rows(10, 1000)
    holes = estimator(WeightSums.from_rows(np.append(weight, [np.nan, 1.0]), np.append(reward, [1.0, np.nan])))
    assert holes.n == 1000
    assert holes.value == pytest.approx(estimator(WeightSums.from_rows(weight, reward)).value, rel=1e-12)


@every_estimator
def test_unknown_levels_and_intervals_are_errors_that_name_the_choice(estimator: Estimator) -> None:
    sums = WeightSums.from_rows(*BANDIT.rows(11, 100))
    with pytest.raises(ValueError, match="level is 95"):
        estimator(sums, level=95)
