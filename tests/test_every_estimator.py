"""Laws that every entry of ESTIMATORS for single decisions obeys on a bandit whose answer is known."""

from __future__ import annotations

from dataclasses import astuple, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ope import (
    ESTIMATORS,
    LIVE,
    SUM_COLUMNS,
    Decisions,
    Estimate,
    TermSums,
    Trust,
    WeightSums,
    anytime_interval,
    evaluate,
    from_weights,
)
from ope.estimator import DECISIONS
from tests.ope_bandit import BANDIT, rows_of

NAMES = [name for name, item in ESTIMATORS.items() if item.log == DECISIONS]
every_estimator = pytest.mark.parametrize("name", NAMES)
every_live = pytest.mark.parametrize("name", LIVE)

# Biased by design, in standard errors of 800 rows: what shrinking takes away. All others have none beyond order 1/n.
BIAS = {"clipped_ips": 0.1, "sub_gaussian_ips": 0.6, "switch_dr": 0.05, "dr_os": 0.05}
COVERAGE = {"sub_gaussian_ips": (0.86, 0.95)}  # its bias is in no interval, and it says so


def truth(name: str) -> float:
    """Return what an estimator aims at: the direct method at what its model says, which is wrong here."""
    return BANDIT.model_value if name == "dm" else BANDIT.value


def known(number: float | None) -> float:
    assert number is not None, "the estimate was refused"
    return number


def one(log: Decisions, name: str, **choices: object) -> Estimate:
    return evaluate(log, [name], **choices)[0]  # type: ignore[arg-type]


def numbers(estimate: Estimate) -> list[float | None]:
    found = estimate.to_dict()
    return [found[key] for key in ("value", "stderr", "low", "high", "anytime_low", "anytime_high")]


@cache
def many_logs(logs: int, rows: int) -> dict[str, np.ndarray]:
    """Return value, standard error and interval of every estimator on many logs, evaluated once for all laws."""
    found: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    for seed in range(logs):
        for estimate in evaluate(BANDIT.log(10_000 + seed, rows), NAMES):
            found[estimate.estimator].append([known(number) for number in numbers(estimate)[:4]])
    return {name: np.array(numbers) for name, numbers in found.items()}


@every_estimator
def test_the_mean_of_many_estimates_is_the_true_value(name: str) -> None:
    value, stderr, _, _ = many_logs(1000, 800)[name].T
    allowed = 4 * value.std() / np.sqrt(len(value)) + 0.2 / 800  # the bias of ratios is of order 1/n
    assert abs(value.mean() - truth(name)) < allowed + BIAS.get(name, 0.0) * stderr.mean()


@every_estimator
def test_a_95_percent_delta_interval_covers_the_truth_in_95_percent_of_logs(name: str) -> None:
    _, _, low, high = many_logs(1000, 800)[name].T
    least, most = COVERAGE.get(name, (0.925, 0.975))
    assert least < np.mean((low < truth(name)) & (truth(name) < high)) < most


@every_estimator
def test_more_rows_bring_the_estimate_to_the_true_value(name: str) -> None:
    estimate = one(BANDIT.log(2, 200_000), name)
    assert abs(known(estimate.value) - truth(name)) < (4 + BIAS.get(name, 0.0)) * known(estimate.stderr)
    assert known(estimate.stderr) < 0.003
    assert estimate.trust is ESTIMATORS[name].at_most
    if ESTIMATORS[name].at_most is Trust.TRUSTED and ESTIMATORS[name].tune is None:
        assert estimate.reasons == ()
    else:
        assert estimate.reasons  # the constant, or why it is not to be trusted


def test_the_direct_method_is_as_wrong_as_its_model_and_says_that_its_interval_does_not_know() -> None:
    estimate = one(BANDIT.log(2, 200_000), "dm")
    assert known(estimate.high) < BANDIT.value - 0.005  # sure, and wrong
    assert estimate.trust is Trust.WEAK
    assert "leaves out the reward model's own error" in estimate.reasons[0]


@every_estimator
def test_a_wider_level_gives_a_wider_interval(name: str) -> None:
    log = BANDIT.log(4, 2000)
    narrow, wide = one(log, name, level=0.8), one(log, name, level=0.99)
    ends = [known(end) for end in (wide.low, narrow.low, narrow.value, narrow.high, wide.high)]
    assert ends == sorted(set(ends))
    assert known(wide.anytime_low) < known(narrow.anytime_low) < known(narrow.low)


@every_estimator
def test_at_most_5_percent_of_watched_streams_ever_leave_the_confidence_sequence(name: str) -> None:
    assert ever_outside(name, seed=5, streams=200, looks=20, bucket=100) <= 0.05


@pytest.mark.full
@every_estimator
def test_400_long_streams_do_not_leave_the_confidence_sequence_either(name: str) -> None:
    assert ever_outside(name, seed=6, streams=400, looks=100, bucket=100) <= 0.05


def ever_outside(name: str, seed: int, streams: int, looks: int, bucket: int) -> float:
    """Return the share of streams whose sequence ever missed the truth; constants are frozen, as a live view does."""
    item, missed = ESTIMATORS[name], 0
    tuning = None if item.tune is None else item.tune(BANDIT.log(seed, 5000))
    for stream in range(streams):
        log = BANDIT.log(seed * 100_000 + stream, looks * bucket)
        total, mass = item.terms(log, tuning)
        clock = np.cumsum(log.weight) ** 2 / np.cumsum(log.weight**2)
        sums = None
        for end in range(bucket, looks * bucket + 1, bucket):
            rows = slice(end - bucket, end)
            found = TermSums.of(total[rows], None if mass is None else mass[rows])
            sums = found if sums is None else sums + found
            ends = anytime_interval(sums, clock[end - 1])
            if ends is not None and not ends[0] <= truth(name) <= ends[1]:
                missed += 1
                break
    return missed / streams


def test_intervals_for_one_look_do_leave_the_truth_when_they_are_watched() -> None:
    left = 0
    for stream in range(150):
        log = BANDIT.log(500_000 + stream, 3000)
        looks = [known_interval(rows_of(log, np.arange(end))) for end in range(100, 3001, 100)]
        left += any(not low <= BANDIT.value <= high for low, high in looks)
    assert left / 150 > 0.15  # which is why the sequence is there


def known_interval(log: Decisions) -> tuple[float, float]:
    estimate = from_weights("snips", WeightSums.from_rows(log.weight, log.reward))
    return (-np.inf, np.inf) if estimate.low is None else (estimate.low, known(estimate.high))


@every_estimator
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 40))
def test_any_split_in_any_order_gives_the_same_sums(name: str, seed: int, parts: int) -> None:
    item, log = ESTIMATORS[name], BANDIT.log(7, 1000)
    rng = np.random.default_rng(seed)
    part, tuning = rng.integers(0, parts, 1000), None if item.tune is None else item.tune(log)
    found = [TermSums.of(*item.terms(rows_of(log, part == i), tuning)) for i in rng.permutation(parts)]
    whole, merged = TermSums.of(*item.terms(log, tuning)), found[0]
    for sums in found[1:]:
        merged = merged + sums
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.first, whole.first, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(merged.second, whole.second, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([known(merged.value), known(merged.stderr)], [known(whole.value), known(whole.stderr)])


@every_estimator
def test_the_order_and_the_blocks_of_rows_do_not_matter(name: str) -> None:
    log = BANDIT.log(8, 40_000)
    mixed = rows_of(log, np.random.default_rng(1).permutation(40_000))
    one_way, other = ([known(number) for number in numbers(one(found, name))] for found in (log, mixed))
    np.testing.assert_allclose(one_way, other, rtol=1e-9)


@every_estimator
def test_rows_of_one_subject_count_as_one_unit(name: str) -> None:
    log = BANDIT.log(9, 2000)
    thrice = replace(rows_of(log, np.repeat(np.arange(2000), 3)), cluster=np.repeat(np.arange(2000), 3))
    tuning = ESTIMATORS[name].tune
    if tuning is None:  # a constant that is chosen from the rows sees three times as many
        np.testing.assert_allclose(known(one(thrice, name).stderr), known(one(log, name).stderr), rtol=1e-9)
    assert one(thrice, name).n == 2000


@every_live
def test_stored_sums_give_the_same_estimate_as_the_rows(name: str) -> None:
    log = BANDIT.log(8, 1000)
    whole = WeightSums.from_rows(log.weight, log.reward)
    stored = [getattr(whole, column) for column in SUM_COLUMNS]
    assert from_weights(name, WeightSums(*stored)) == from_weights(name, whole)
    assert from_weights(name, WeightSums(*np.array(stored))) == from_weights(name, whole)
    from_rows, from_sums = (
        [known(number) for number in numbers(e)] for e in (one(log, name), from_weights(name, whole))
    )
    np.testing.assert_allclose(from_sums, from_rows, rtol=1e-9)


@every_live
def test_weight_sums_merge_in_any_order(name: str) -> None:
    log, rng = BANDIT.log(7, 1000), np.random.default_rng(3)
    part = rng.integers(0, 7, 1000)
    merged, whole = WeightSums(), WeightSums.from_rows(log.weight, log.reward)
    for i in rng.permutation(7):
        merged = merged + WeightSums.from_rows(log.weight[part == i], log.reward[part == i])
    assert (merged.n, merged.w_max) == (whole.n, whole.w_max)
    np.testing.assert_allclose(astuple(merged), astuple(whole), rtol=1e-9)
    assert from_weights(name, merged).value == pytest.approx(from_weights(name, whole).value, rel=1e-9)


@every_live
def test_rows_without_reward_or_weight_are_left_out_of_sums(name: str) -> None:
    log = BANDIT.log(10, 1000)
    holes = WeightSums.from_rows(np.append(log.weight, [np.nan, 1.0]), np.append(log.reward, [1.0, np.nan]))
    assert holes.n == 1000
    whole = WeightSums.from_rows(log.weight, log.reward)
    assert from_weights(name, holes).value == pytest.approx(from_weights(name, whole).value, rel=1e-12)
