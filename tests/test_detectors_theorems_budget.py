"""Guarantees of the rules for rates against a budget."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from detectors import DETECTORS, State
from detectors.budget_bound import bets, evidence, lower_bound
from detectors.exact_rate import exact_bounds
from tests.simulated import broken, series


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
    alpha, runs = 0.02, 120
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


def test_a_run_length_stands_for_its_inverse_and_must_be_one() -> None:
    rng = np.random.default_rng(31)
    now = series(rng.binomial(2000, 0.003, 60) / 2000, 2000)
    scan = DETECTORS["budget_bound"].scan
    assert scan(now, run_length=500.0) == scan(now, alpha=1 / 500)
    with pytest.raises(ValueError, match=r"run_length = 1\.0 must be"):
        scan(now, run_length=1.0)


@pytest.mark.parametrize(("n", "rate"), [(100, 0.001), (1000, 0.01), (50, 0.4)])
def test_the_exact_interval_of_a_window_misses_the_rate_no_more_often_than_it_says(n: int, rate: float) -> None:
    hits = np.arange(n + 1)
    chance = stats.binom.pmf(hits, n, rate)
    bounds = [exact_bounds(hit / n, n, 0.05) for hit in hits]
    assert float(np.sum(chance * [low > rate for low, _high in bounds])) <= 0.025
    assert float(np.sum(chance * [high < rate for _low, high in bounds])) <= 0.025
    for hit in (0, 1, n // 2, n):
        exact = stats.binomtest(hit, n).proportion_ci(0.95, "exact")
        assert bounds[hit] == pytest.approx((exact.low, exact.high))


def test_an_exact_level_keeps_one_chance_violation_from_warning() -> None:
    rng = np.random.default_rng(32)
    hits = rng.binomial(100, 0.001, 5000)
    now = series(hits / 100, 100)
    plain, exact = (
        [v.state is State.FIRE for v in DETECTORS["budget_estimate"].scan(now, alpha=alpha)] for alpha in (None, 0.001)
    )
    assert sum(plain) == int(np.sum(hits >= 1))
    assert not broken(sum(exact), 5000, 0.001, "greater")
    assert DETECTORS["budget_estimate"].scan(series([0.1], 100), alpha=0.001)[0].state is State.FIRE


def test_a_burn_rate_needs_the_long_span_the_short_one_and_more_than_chance() -> None:
    scan = DETECTORS["burn_rate"].scan
    rate = np.repeat([0.001, 0.03, 0.001], [30, 12, 12])
    states = [v.state is State.FIRE for v in scan(series(rate, 2000), threshold=6.0, lookback=24)]
    assert states.index(True) == 34  # 5 windows of 30 times the budget in a span of 24
    assert not any(states[43:])  # the short span ends the warning, the long one alone would go on for five hours
    rare = np.zeros(48)
    rare[40] = 0.02
    few = scan(series(rare, 50), threshold=6.0, lookback=24)
    assert {v.state for v in few} == {State.OK}
    hours = np.zeros(30)
    hours[29] = 0.04
    one = scan(series(hours, 50), threshold=1.5, lookback=24)[-1]
    assert one.state is State.OK
    assert "can be chance" in one.reason
    rng = np.random.default_rng(33)
    healthy = scan(series(rng.binomial(100, 0.001, 5000) / 100, 100), threshold=2.0)
    assert not broken(sum(v.state is State.FIRE for v in healthy), 5000, 0.001, "greater")
