"""The verdict on weights decides by size, and each case that fools one diagnostic meets another."""

from __future__ import annotations

import numpy as np
import pytest

from ope import (
    LIVE,
    Thresholds,
    Trust,
    WeightSums,
    from_weights,
    importance_weights,
    judge,
    mean_weight_interval,
    worst,
)


def sums(weight: np.ndarray) -> WeightSums:
    return WeightSums.from_rows(weight, np.random.default_rng(0).normal(size=len(weight)))


def test_good_overlap_is_trusted_without_a_reason() -> None:
    found = judge(sums(np.random.default_rng(1).uniform(0.5, 1.5, 10_000)))
    assert (found.verdict, found.reasons) == (Trust.TRUSTED, ())
    assert found.diagnostics.mean_weight_ci is not None
    low, high = found.diagnostics.mean_weight_ci
    assert low < 1 < high


def test_bounded_weights_with_a_low_effective_sample_are_weak_not_refused() -> None:
    rng = np.random.default_rng(2)
    found = judge(sums(np.where(rng.random(20_000) < 0.04, 25.0, 0.0)))
    assert found.verdict is Trust.WEAK
    assert found.diagnostics.ess_ratio < 0.1


def test_a_heavy_tail_behind_a_healthy_effective_sample_is_weak() -> None:
    weight = np.random.default_rng(3).uniform(0.5, 1.36, 10_000)  # the mean is 0.93: the rest was in rows nobody saw
    found = judge(sums(weight))
    assert found.diagnostics.ess_ratio > 0.5
    assert found.verdict is Trust.WEAK
    assert "should be 1" in found.reasons[0]


def test_few_rows_that_carry_everything_are_refused() -> None:
    weight = np.full(10_000, 0.01)
    weight[:20] = 495.0
    found = judge(sums(weight))
    assert found.diagnostics.ess_ratio < 0.005
    assert found.verdict is Trust.REFUSED


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_propensities_scaled_by_a_constant_are_refused_from_the_mean_weight(factor: float) -> None:
    rng = np.random.default_rng(4)
    p = np.where(rng.random(5000) < 0.4, 0.4, 0.6)
    wrong = np.minimum(p * factor, 1.0)
    assert judge(sums(importance_weights(p, wrong))).verdict is Trust.REFUSED


def test_one_percent_of_unsupported_mass_is_harmless_however_many_rows_show_it() -> None:
    weight = np.random.default_rng(5).uniform(0.48, 1.5, 1_000_000)  # mean 0.99, 34 standard errors from 1
    found = judge(sums(weight), unsupported_mass=0.01)
    assert found.diagnostics.mean_weight is not None
    z = (1 - found.diagnostics.mean_weight) / (weight.std() / 1000)
    assert z > 16
    assert found.verdict is Trust.TRUSTED


def test_unsupported_mass_is_weak_then_refused_with_its_size_in_the_reason() -> None:
    good = sums(np.random.default_rng(6).uniform(0.5, 1.5, 5000))
    weak, refused = judge(good, unsupported_mass=0.03), judge(good, unsupported_mass=0.3)
    assert (weak.verdict, refused.verdict) == (Trust.WEAK, Trust.REFUSED)
    assert "30.0%" in refused.reasons[0]


def test_rows_left_out_make_it_weak_then_refused() -> None:
    good = sums(np.random.default_rng(7).uniform(0.5, 1.5, 5000))
    assert [judge(good, left_out=share).verdict for share in (0.01, 0.2, 0.7)] == [
        Trust.TRUSTED,
        Trust.WEAK,
        Trust.REFUSED,
    ]


def test_thresholds_are_the_callers_to_set() -> None:
    good = sums(np.random.default_rng(8).uniform(0.5, 1.5, 5000))
    assert judge(good, thresholds=Thresholds(ess_weak=10_000)).verdict is Trust.WEAK


def test_an_estimate_is_never_better_than_the_verdict() -> None:
    good = sums(np.random.default_rng(9).uniform(0.5, 1.5, 5000))
    verdict = judge(good, unsupported_mass=0.03)
    for name in LIVE:
        assert from_weights(name, good).trust is Trust.TRUSTED
        assert from_weights(name, good, judgement=verdict).trust is Trust.WEAK
        assert from_weights(name, good, judgement=verdict).reasons == verdict.reasons


def test_a_refused_estimate_keeps_its_numbers_in_the_reasons_only() -> None:
    good = sums(np.random.default_rng(10).uniform(0.5, 1.5, 5000))
    quoted = from_weights("snips", good)
    refused = from_weights("snips", good, judgement=judge(good, unsupported_mass=0.3))
    assert refused.value is None
    assert f"{quoted.value:.6g}" in refused.reasons[-1]


def test_the_interval_of_the_mean_weight_covers_1_under_a_heavy_tail() -> None:
    rng = np.random.default_rng(11)
    weight = rng.pareto(2.2, (1000, 2000)) * 1.2  # mean 1, hardly a variance
    found = [mean_weight_interval(WeightSums.from_rows(row, row)) for row in weight]
    intervals = [interval for interval in found if interval is not None]
    assert len(intervals) == len(weight)
    covered = np.mean([low <= 1 <= high for low, high in intervals])
    plain = [(row.mean() + 1.96 * row.std() / np.sqrt(len(row))) for row in weight]
    assert covered > 0.93
    assert covered > np.mean([high >= 1 for high in plain])
    assert np.mean([low > 1 for low, _ in intervals]) < 0.025  # above 1 is never the tail's fault


def test_the_worst_of_several_answers_wins() -> None:
    assert worst() is Trust.TRUSTED
    assert worst(Trust.TRUSTED, Trust.REFUSED, Trust.WEAK) is Trust.REFUSED


@pytest.mark.parametrize("sums_", [(-1.0,), (1.0, float("inf")), (1.0, 1.0, float("nan"))])
def test_sums_that_cannot_be_are_errors(sums_: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="the sum w"):
        WeightSums(1, *sums_)
