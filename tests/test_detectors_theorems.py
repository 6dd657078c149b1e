"""Guarantees of the detectors of means and rates: crossings under the null are counted against the theorem."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, stats

from detectors import DETECTORS, Series, State
from detectors.budget_bound import bets, evidence, lower_bound
from detectors.long_run_variance import long_run_variance
from detectors.season import expectation

Array = NDArray[np.float64]
ONE_IN = 1 / stats.norm.sf(3)  # 740.8
HONEST = 1e-4  # p-value of a binomial test below which a theorem counts as broken


def autoregressive(rng: np.random.Generator, phi: float, shape: tuple[int, ...]) -> Array:
    """Stationary AR(1) of variance 1 along the last axis."""
    noise = rng.normal(size=shape)
    noise[..., 0] /= math.sqrt(1 - phi * phi)
    return np.asarray(signal.lfilter([math.sqrt(1 - phi * phi)], [1, -phi], noise, axis=-1))


def windows_of(rows: Array, size: int) -> Array:
    return np.asarray(rows.reshape(*rows.shape[:-1], -1, size).mean(axis=-1))


def series(values: Any, n: Any, baseline: Series | None = None, first: int = 0, counts: Any = None) -> Series:
    value = np.asarray(values, np.float64)
    length = len(value)
    time = np.asarray((first + np.arange(length)) * 900.0, np.float64)
    return Series(time, value, np.full(length, np.nan), np.broadcast_to(n, length), baseline, counts)


def frozen_alarms(rng: np.random.Generator, phi: float, rows: int, *, baseline: int, judged: int, runs: int) -> int:
    fired = 0
    for _ in range(runs):
        means = windows_of(autoregressive(rng, phi, ((baseline + judged) * rows,)), rows)
        past = series(means[:baseline], rows)
        now = series(means[baseline:], rows, past, baseline)
        fired += sum(v.state is State.FIRE for v in DETECTORS["frozen_sigma"].scan(now, k=3.0, min_n=1))
    return fired


def broken(fired: int, total: int, probability: float, side: str) -> bool:
    return bool(stats.binomtest(fired, total, probability, alternative=side).pvalue < HONEST)


# The correlation time of an AR(1) is (1 + phi) / (1 - phi) rows: 1 and 4.
@pytest.mark.parametrize(("phi", "rows"), [(0.0, 15), (0.6, 60)])
def test_three_sigma_against_a_frozen_baseline_is_one_window_in_741(phi: float, rows: int) -> None:
    runs, judged = 250, 500
    fired = frozen_alarms(np.random.default_rng(11), phi, rows, baseline=400, judged=judged, runs=runs)
    assert not broken(fired, runs * judged, 1 / (0.85 * ONE_IN), "greater"), fired
    assert not broken(fired, runs * judged, 1 / (1.15 * ONE_IN), "less"), fired


@pytest.mark.full
@pytest.mark.parametrize(("phi", "rows"), [(0.0, 15), (0.6, 60)])
def test_the_run_length_of_three_sigma_lies_within_15_percent_of_741(phi: float, rows: int) -> None:
    runs, judged = 2000, 1000
    fired = frozen_alarms(np.random.default_rng(12), phi, rows, baseline=400, judged=judged, runs=runs)
    assert 0.85 * ONE_IN <= runs * judged / fired <= 1.15 * ONE_IN


def test_a_short_baseline_keeps_its_run_length_through_the_student_limit() -> None:
    runs, judged = 2500, 60
    fired = frozen_alarms(np.random.default_rng(13), 0.0, 15, baseline=30, judged=judged, runs=runs)
    assert not broken(fired, runs * judged, 1 / (0.75 * ONE_IN), "greater"), fired


def test_errors_from_the_rows_of_a_window_break_three_sigma_and_ordered_windows_do_not() -> None:
    rng = np.random.default_rng(14)
    rows, baseline, judged, runs = 60, 400, 400, 20
    naive = ours = 0
    for _ in range(runs):
        data = autoregressive(rng, 0.6, ((baseline + judged) * rows,)).reshape(-1, rows)
        means, errors = data.mean(axis=1), data.std(axis=1, ddof=1) / math.sqrt(rows)
        known = means[:baseline].mean()
        naive += int(np.sum((means[baseline:] - known) / errors[baseline:] <= -3))
        now = series(means[baseline:], rows, series(means[:baseline], rows), baseline)
        ours += sum(v.state is State.FIRE for v in DETECTORS["frozen_sigma"].scan(now, min_n=1))
    assert naive / (runs * judged) > 20 / ONE_IN  # the theorem: Phi(-3 / sqrt(4)) = 0.067 for long windows
    assert abs(naive / (runs * judged) - stats.norm.sf(1.5)) < 0.02
    assert ours / (runs * judged) < 4 / ONE_IN


def test_a_shock_shared_by_a_window_defeats_row_errors_only() -> None:
    rng = np.random.default_rng(15)
    rows, length = 10_000, 40_000
    means = rng.normal(0, 0.1, length) + rng.normal(0, 1 / math.sqrt(rows), length)
    by_rows = np.mean(means * math.sqrt(rows) <= -3)
    theory = stats.norm.sf(3 / math.sqrt(1 + 100))
    assert abs(by_rows - theory) < 0.01
    assert theory > 0.25
    past = series(means[:400], rows)
    verdicts = DETECTORS["frozen_sigma"].scan(series(means[400:20_400], rows, past, 400), k=3.0)
    assert not broken(sum(v.state is State.FIRE for v in verdicts), 20_000, 2.5 / ONE_IN, "greater")


def test_the_long_run_variance_of_an_ar1_is_that_of_its_mean() -> None:
    rng = np.random.default_rng(16)
    means = autoregressive(rng, 0.6, (200, 720))
    found = np.mean([long_run_variance(row).long_run for row in means])
    true = 720 * np.var(means.mean(axis=1), ddof=1)  # 4.0
    assert abs(found / 4.0 - 1) < 0.1
    assert abs(found / true - 1) < 0.3


def test_gaps_neither_break_the_long_run_variance_nor_count_as_neighbours() -> None:
    rng = np.random.default_rng(17)
    means = autoregressive(rng, 0.6, (100, 1000))
    hidden = rng.random(means.shape) < 0.3
    as_nan = np.where(hidden, np.nan, means)
    errors = np.nanmean(as_nan, axis=1)
    found = [long_run_variance(row) for row in as_nan]
    estimated = np.mean([f.long_run / f.windows for f in found])
    assert abs(estimated / np.var(errors, ddof=1) - 1) < 0.4
    dropped = [
        long_run_variance(row[~gone], np.flatnonzero(~gone) * 60.0) for row, gone in zip(means, hidden, strict=True)
    ]
    np.testing.assert_allclose([f.long_run for f in dropped], [f.long_run for f in found], rtol=0.02)


def test_a_short_correlated_baseline_is_judged_and_says_so() -> None:
    rng = np.random.default_rng(18)
    means = autoregressive(rng, 0.9, (150,))
    verdict = DETECTORS["frozen_sigma"].scan(series(means[100:], 500, series(means[:100], 500), 100))[0]
    assert verdict.state in {State.OK, State.FIRE}
    assert "baseline is short" in verdict.reason
    few = DETECTORS["frozen_sigma"].scan(series(means[100:], 500, series(means[:29], 500), 100))
    assert {v.state for v in few} == {State.INSUFFICIENT}


def test_an_automatic_k_spends_its_budget_and_no_more() -> None:
    rng = np.random.default_rng(19)
    past = series(rng.normal(0, 1, 2000), 500)
    now = series(rng.normal(0, 1, 40_000), 500, past, 2000)
    verdicts = DETECTORS["frozen_sigma"].scan(now, k="auto", budget_per_window=0.01)
    fired = sum(v.state is State.FIRE for v in verdicts)
    assert not broken(fired, 40_000, 0.0125, "greater")
    assert not broken(fired, 40_000, 0.008, "less")


def test_a_significant_drop_that_is_smaller_than_its_effect_does_not_fire() -> None:
    rng = np.random.default_rng(20)
    past = series(rng.normal(1, 0.001, 400), 10_000)
    now = series([0.99, 0.97], 10_000, past, 400)
    small, large = DETECTORS["frozen_sigma"].scan(now, min_effect="2%")
    assert (small.state, large.state) == (State.OK, State.FIRE)
    assert small.statistic is not None
    assert small.statistic < -5
    assert "does not count" in small.reason


def test_a_window_with_fewer_rows_than_usual_gets_a_wider_limit() -> None:
    rng = np.random.default_rng(21)
    past = series(rng.normal(0, 1 / math.sqrt(1000), 400), 1000)
    means = rng.normal(0, 1 / math.sqrt(50), 20_000)
    fired = sum(v.state is State.FIRE for v in DETECTORS["frozen_sigma"].scan(series(means, 50, past, 400)))
    assert not broken(fired, 20_000, 1.4 / ONE_IN, "greater")


def test_a_frozen_baseline_with_a_season_survives_the_night_that_a_flat_one_calls_a_fault() -> None:
    rng = np.random.default_rng(22)
    time = np.arange(35 * 96) * 900.0
    night = np.where(time % 86400 < 6 * 3600, -1.0, 0.0)
    weekend = np.where((time // 86400) % 7 >= 5, -0.7, 0.0)
    means = 5 + night + weekend + rng.normal(0, 0.2, len(time))
    past, cut = series(means[: 28 * 96], 500), 28 * 96
    now = series(means[cut:], 500, past, cut)
    fired = {
        season: sum(v.state is State.FIRE for v in DETECTORS["frozen_sigma"].scan(now, season=season))
        for season in ("none", "hour_of_week")
    }
    assert not broken(fired["hour_of_week"], len(now), 2 / ONE_IN, "greater")
    lower = series(means[cut:] - np.where(np.arange(len(now)) >= 400, 0.9, 0), 500, past, cut)
    seen = {
        season: sum(v.state is State.FIRE for v in DETECTORS["frozen_sigma"].scan(lower, season=season)[400:])
        for season in ("none", "hour_of_week")
    }
    assert seen["hour_of_week"] > 0.85 * (len(now) - 400)
    assert seen["none"] < 0.5 * (len(now) - 400)


def test_a_season_that_the_baseline_is_too_short_for_is_named() -> None:
    rng = np.random.default_rng(23)
    past = series(rng.normal(1, 0.1, 96 * 5), 500)
    verdict = DETECTORS["frozen_sigma"].scan(series([1.0], 500, past, 480), season="hour_of_week")[0]
    assert "covers 5 days, hour of week needs 21: hour of day is used" in verdict.reason


def test_hours_without_a_season_are_shrunk_to_the_overall_mean() -> None:
    rng = np.random.default_rng(24)
    time = np.arange(21 * 24) * 3600.0
    noise = rng.normal(0, 1, len(time))
    shrunk = expectation(time, noise, time[:168], "hour_of_week").value
    raw = noise.reshape(3, 168).mean(axis=0)
    assert np.std(shrunk) < 0.4 * np.std(raw)


def test_the_boiling_frog_escapes_the_rolling_rule_and_not_the_frozen_one() -> None:
    for w in (10, 30):
        straight = series(-np.arange(200.0), 500)
        verdicts = DETECTORS["rolling_sigma"].scan(straight, lookback=w)[w:]
        assert verdicts[0].statistic == pytest.approx(-math.sqrt(3 * (w + 1) / w))
        assert all(v.state is State.OK for v in verdicts)
    rng = np.random.default_rng(25)
    runs, length = 20, 500
    healthy, declining, frozen = 0, 0, 0
    for _ in range(runs):
        noise, past = rng.normal(size=length), series(rng.normal(size=400), 500)
        slope = -0.01 * np.arange(length)
        rolling = DETECTORS["rolling_sigma"].scan
        healthy += sum(v.state is State.FIRE for v in rolling(series(noise, 500))[30:])
        declining += sum(v.state is State.FIRE for v in rolling(series(noise + slope, 500))[30:])
        late = DETECTORS["frozen_sigma"].scan(series(noise + slope, 500, past, 400))[400:]
        frozen += sum(v.state is State.FIRE for v in late)
    total = runs * (length - 30)
    null = stats.t.sf(2 / math.sqrt(1 + 1 / 30), 29)  # 2.9%
    assert abs(healthy / total - null) < 0.006
    assert declining / total < 0.06
    assert frozen / (runs * (length - 400)) > 0.85


def test_the_evidence_of_the_e_detector_has_mean_at_most_the_windows_seen() -> None:
    rng = np.random.default_rng(26)
    limit, n, length, runs = 0.1, 20, 3, 4000
    grid = bets(limit)
    rate = rng.binomial(n, limit, (runs, length)) / n
    final = [math.exp(evidence(row, np.full(length, float(n)), np.array([limit]), grid)[-1, 0]) for row in rate]
    # E M_3 = 3 exactly at the boundary; bets with a small variance keep the mean estimable
    mild = grid[grid < 0.12]
    mild_final = [math.exp(evidence(row, np.full(length, float(n)), np.array([limit]), mild)[-1, 0]) for row in rate]
    error = np.std(mild_final) / math.sqrt(runs)
    assert abs(np.mean(mild_final) - length) < 4 * error
    assert np.median(final) < length


def test_the_run_length_of_the_budget_bound_is_at_least_one_over_alpha() -> None:
    rng = np.random.default_rng(27)
    alpha, runs = 0.02, 300
    lengths = []
    for _ in range(runs):
        rate = rng.binomial(1000, 0.0015, 1000) / 1000
        path = evidence(rate, np.full(1000, 1000.0), np.array([0.0015]), bets(0.0015))[:, 0]
        crossed = np.flatnonzero(path >= math.log(1 / alpha))
        lengths.append(int(crossed[0]) + 1 if len(crossed) else 1000)
    mean, error = np.mean(lengths), np.std(lengths) / math.sqrt(runs)
    assert mean - 3 * error >= 1 / alpha


def test_a_budget_that_is_kept_is_quiet_and_one_that_is_broken_is_found() -> None:
    rng = np.random.default_rng(28)
    scan = DETECTORS["budget_bound"].scan
    quiet, delays = 0, []
    for _ in range(10):
        past = series(rng.binomial(2000, 0.001, 300) / 2000, 2000)
        good = series(rng.binomial(2000, 0.001, 300) / 2000, 2000, past, 300)
        quiet += sum(v.state is State.FIRE for v in scan(good))
        bad = series(rng.binomial(2000, 0.006, 40) / 2000, 2000, past, 300)
        delays.append([v.state for v in scan(bad)].index(State.FIRE) + 1)
    assert quiet == 0
    assert max(delays) <= 6


def test_the_lower_bound_covers_the_rate_and_agrees_with_the_answer() -> None:
    rng = np.random.default_rng(29)
    wrong, runs, length, alpha = 0, 60, 50, 0.001
    for run in range(runs):
        rate = (0.001, 0.004, 0.02)[run % 3]
        verdicts = DETECTORS["budget_bound"].scan(series(rng.binomial(2000, rate, length) / 2000, 2000), alpha=alpha)
        assert all((v.state is State.FIRE) == ((v.statistic or 0) >= (v.high or 0)) for v in verdicts)
        wrong += any((v.statistic or 0) > rate for v in verdicts)
    # Doob: the chance that a bound ever lies above the rate within T windows is at most alpha T.
    assert not broken(wrong, runs, alpha * length, "greater")
    limits = np.array([0.1, 0.2])
    assert lower_bound(limits, np.array([1.0, 0.0]), 7.0) == 0.0


def test_violations_that_come_in_fours_bet_with_effective_rows_only() -> None:
    design = 4.0
    rng = np.random.default_rng(30)
    alpha, n, length = 0.02, 2000, 300
    with_baseline: list[int] = []
    without: list[int] = []
    for _ in range(30):
        past = series(design * rng.binomial(n // 4, 0.0015, 400) / n, n)
        value = design * rng.binomial(n // 4, 0.0015, length) / n
        for base, lengths in ((past, with_baseline), (None, without)):
            states = [v.state for v in DETECTORS["budget_bound"].scan(series(value, n, base, 400), alpha=alpha)]
            lengths.append(states.index(State.FIRE) + 1 if State.FIRE in states else length)
    assert np.mean(without) < 1 / alpha
    assert np.mean(with_baseline) > 1 / alpha
