"""A window mean against a frozen baseline keeps its run length, whatever the correlation of the rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from detectors import DETECTORS, State
from tests.simulated import (
    ONE_IN,
    Array,
    autoregressive,
    broken,
    frozen_alarm_rate,
    mean_variance,
    series,
    window_means,
    windows_of,
)

# The correlation time of an AR(1) is (1 + phi) / (1 - phi) rows: 1, 1.9, 4 and 19; these windows hold 15 of them.
LONG = [(0.0, 15), (0.3, 28), (0.6, 60), (0.9, 285)]


def frozen_alarms(rng: np.random.Generator, phi: float, rows: int, *, baseline: int, judged: int, runs: int) -> int:
    means = window_means(rng, phi, rows, (runs, baseline + judged))
    fired = 0
    for one in means:
        now = series(one[baseline:], rows, series(one[:baseline], rows), baseline)
        fired += sum(v.state is State.FIRE for v in DETECTORS["frozen_sigma"].scan(now, k=3.0, min_n=1))
    return fired


def alarm_rates(phi: float, rows: int, windows: int, baselines: int, **parameters: object) -> Array:
    rng = np.random.default_rng(11)
    deviation = math.sqrt(mean_variance(phi, rows))
    past = window_means(rng, phi, rows, (baselines, windows))
    return np.array([frozen_alarm_rate(one, deviation, **parameters) for one in past])


def test_windows_drawn_without_their_rows_have_the_law_of_those_with_them() -> None:
    rng = np.random.default_rng(10)
    by_rows = windows_of(autoregressive(rng, 0.6, (40_000 * 5,)), 5)
    drawn = window_means(rng, 0.6, 5, (40_000,))
    for lag in (0, 1, 2):
        of_rows, of_drawn = (np.mean(x[: len(x) - lag] * x[lag:]) for x in (by_rows, drawn))
        assert abs(of_rows - of_drawn) < 0.02
    assert abs(np.var(drawn) - mean_variance(0.6, 5)) < 0.02


@pytest.mark.parametrize(("phi", "rows"), [LONG[0], LONG[3]])
def test_three_sigma_against_a_frozen_baseline_is_one_window_in_741(phi: float, rows: int) -> None:
    runs, judged = 150, 500
    fired = frozen_alarms(np.random.default_rng(11), phi, rows, baseline=400, judged=judged, runs=runs)
    assert not broken(fired, runs * judged, 1 / (0.85 * ONE_IN), "greater"), fired
    assert not broken(fired, runs * judged, 1 / (1.15 * ONE_IN), "less"), fired


@pytest.mark.parametrize(("phi", "rows"), LONG)
@pytest.mark.parametrize("target", [ONE_IN, 10_000.0])
def test_the_run_length_is_within_15_percent_from_15_correlation_times_and_300_windows(
    phi: float, rows: int, target: float
) -> None:
    rates = alarm_rates(phi, rows, 300, 300, k="auto", run_length=target)
    found, tenth = 1 / float(np.mean(rates)), 1 / float(np.quantile(rates, 0.9))
    print(f"phi {phi}: {found / target:.2f} of a run length of {target:.0f}; 10th percentile {tenth / target:.2f}")
    assert 0.85 <= found / target <= 1.15
    assert tenth / target >= 0.4


@pytest.mark.parametrize(
    ("phi", "rows", "windows"),
    [
        (0.3, 1, 60),
        (0.6, 1, 60),
        (0.9, 1, 60),
        (0.6, 1, 300),
        (0.9, 1, 300),
        (0.9, 19, 300),
        (0.9, 1, 720),
        (0.9, 95, 60),
    ],
)
def test_short_windows_and_short_baselines_keep_85_percent_or_are_refused(phi: float, rows: int, windows: int) -> None:
    for target in (ONE_IN, 10_000.0):
        rates = alarm_rates(phi, rows, windows, 200, k="auto", run_length=target)
        print(f"phi {phi}, {rows} rows, {windows} windows: {np.mean(rates == 0):.0%} refused", end=", ")
        print(f"{1 / max(float(np.mean(rates)), 1e-12) / target:.2f} of {target:.0f}")
        assert np.mean(rates) <= 1 / (0.85 * target)


@pytest.mark.full
@pytest.mark.parametrize(("phi", "rows"), LONG)
def test_the_run_length_of_three_sigma_lies_within_15_percent_of_741(phi: float, rows: int) -> None:
    runs, judged = 2000, 1000
    fired = frozen_alarms(np.random.default_rng(12), phi, rows, baseline=400, judged=judged, runs=runs)
    assert 0.85 * ONE_IN <= runs * judged / fired <= 1.15 * ONE_IN


def test_a_short_baseline_keeps_its_run_length_through_the_student_limit() -> None:
    rates = alarm_rates(0.0, 15, 30, 800, k=3.0)
    assert np.mean(rates) <= 1 / (0.85 * ONE_IN)
    assert np.mean(rates == 0) < 0.1  # that few baselines of independent windows are taken for correlated ones


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


def test_a_short_correlated_baseline_is_refused_and_a_longer_one_says_that_it_is_short() -> None:
    rng = np.random.default_rng(18)
    means = autoregressive(rng, 0.9, (150,))
    verdict = DETECTORS["frozen_sigma"].scan(series(means[100:], 500, series(means[:100], 500), 100))[0]
    assert verdict.state is State.INSUFFICIENT
    assert "independent ones, 40 are needed" in verdict.reason
    fallen = series(means[100:] - 40.0, 500, series(means[:100], 500), 100)
    collapse = DETECTORS["frozen_sigma"].scan(fallen, min_effect="2")[0]
    assert collapse.state is State.FIRE, "a short baseline must not hide a collapse"
    some = autoregressive(rng, 0.55, (240,))
    verdict = DETECTORS["frozen_sigma"].scan(series(some[200:], 500, series(some[:200], 500), 200))[0]
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
