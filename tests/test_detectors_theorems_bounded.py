"""The e-detector keeps its run length for bounded rewards of any distribution, and says where it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from detectors import DETECTORS, Series, State
from detectors.e_detector import BETS, follow, log_wealth
from tests.simulated import HONEST, Array, autoregressive, series

Draw = Callable[[np.random.Generator, tuple[int, int]], Array]
REWARDS: dict[str, tuple[Draw, float]] = {
    "a click in 50": (lambda rng, shape: (rng.random(shape) < 0.02).astype(float), 0.02),
    "a success in all but 50": (lambda rng, shape: (rng.random(shape) < 0.98).astype(float), 0.98),
    "a long tail": (lambda rng, shape: rng.beta(0.2, 1.8, shape), 0.1),
    "almost constant": (lambda rng, shape: rng.beta(800, 200, shape), 0.8),
}


def alarms(rng: np.random.Generator, draw: Draw, limit: float, *, runs: int, steps: int, target: float) -> int:
    """Alarms of so many independent policies, each starting anew after an alarm."""
    evidence, count = np.full((runs, len(BETS)), -np.inf), 0
    for _ in range(steps):
        rows = draw(rng, (runs, 50))
        wealth = log_wealth(rows.mean(axis=1), rows.var(axis=1), np.full(runs, 50.0), np.full(runs, limit))
        evidence = follow(evidence, wealth, math.log(20 * target))
        fires = np.exp(evidence).mean(axis=1) >= target
        count += int(fires.sum())
        evidence[fires] = -np.inf
    return count


@pytest.mark.parametrize("name", REWARDS)
def test_the_run_length_is_at_least_its_target_whatever_the_distribution(name: str) -> None:
    draw, mean = REWARDS[name]
    runs, steps, target = 200, 500, 100.0
    count = alarms(np.random.default_rng(60), draw, mean, runs=runs, steps=steps, target=target)
    print(f"{name}: run length {runs * steps / max(count, 1):.0f}, target {target:.0f}")
    assert stats.poisson.sf(count - 1, runs * steps / target) > HONEST


@pytest.mark.parametrize("name", REWARDS)
def test_the_evidence_from_sums_never_exceeds_that_of_the_rows(name: str) -> None:
    draw, mean = REWARDS[name]
    rng = np.random.default_rng(61)
    for limit in (mean, mean * 0.9, mean * 1.02):
        rows = draw(rng, (50, 40))
        bound = log_wealth(rows.mean(axis=1), rows.var(axis=1), np.full(50, 40.0), np.full(50, limit))
        exact = np.log1p(BETS * ((limit - rows) / (1 - limit))[..., None]).sum(axis=1)
        assert np.all(bound <= exact + 1e-9)


def test_dividing_by_what_a_reward_can_still_rise_halves_the_delay() -> None:
    rng = np.random.default_rng(62)
    limit, rows, runs, target = 0.98, 2, 200, 1000.0
    delays = []
    for room in (1.0, 1 - limit):
        evidence, alive, found = np.full((runs, len(BETS)), -np.inf), np.ones(runs, bool), np.zeros(runs)
        for step in range(1, 1500):
            x = (rng.random((runs, rows)) < 0.93).astype(float)
            wealth = np.log1p(BETS * ((limit - x) / room)[..., None]).sum(axis=1)
            evidence = follow(evidence, wealth, 50.0)
            now = alive & (np.exp(evidence).mean(axis=1) >= target)
            found[now], alive = step, alive & ~now
        assert not alive.any()
        delays.append(float(found.mean()))
    print(f"delay {delays[0]:.0f} -> {delays[1]:.0f} windows at a limit of {limit}")
    assert delays[1] < 0.6 * delays[0]


def _uniform(rng: np.random.Generator, phi: float, windows: int, rows: int) -> tuple[Array, Array]:
    found = stats.norm.cdf(autoregressive(rng, phi, (windows * rows,))).reshape(windows, rows)
    return found.mean(axis=1), found.std(axis=1, ddof=1) / math.sqrt(rows)


def _with_errors(mean: Array, error: Array, rows: int, baseline: Series | None, first: int) -> Series:
    plain = series(mean, rows, baseline, first)
    return Series(plain.time, plain.value, error, plain.n, baseline)


def test_rows_that_follow_each_other_bet_with_effective_rows_only() -> None:
    rng = np.random.default_rng(63)
    runs, length, target, rows = 25, 300, 100.0, 60
    naive, ours = [], []
    for _ in range(runs):
        mean, error = _uniform(rng, 0.6, 700, rows)
        base = _with_errors(mean[:400], error[:400], rows, None, 0)
        verdicts = DETECTORS["e_detector"].scan(
            _with_errors(mean[400:], error[400:], rows, base, 400), threshold=0.5, run_length=target
        )
        states = [v.state for v in verdicts]
        ours.append(states.index(State.FIRE) + 1 if State.FIRE in states else length)
        evidence, first = np.full(len(BETS), -np.inf), length
        second = error[400:] ** 2 * (rows - 1)
        for step, wealth in enumerate(log_wealth(mean[400:], second, np.full(length, 60.0), np.full(length, 0.5)), 1):
            evidence = follow(evidence, wealth, 50.0)
            if np.exp(evidence).mean() >= target:
                first = step
                break
        naive.append(first)
    print(f"run length with all rows {np.mean(naive):.0f}, with effective rows at least {np.mean(ours):.0f}")
    assert np.mean(naive) < 0.5 * target
    assert np.mean(ours) > target


def test_windows_shorter_than_the_correlation_time_are_refused_and_longer_ones_are_judged() -> None:
    rng = np.random.default_rng(64)
    for rows, state in ((10, State.INSUFFICIENT), (285, State.OK)):
        mean, error = _uniform(rng, 0.9, 401, rows)  # correlation time: 19 rows
        base = _with_errors(mean[:400], error[:400], rows, None, 0)
        verdict = DETECTORS["e_detector"].scan(_with_errors(mean[400:], error[400:], rows, base, 400))[0]
        assert verdict.state is state
        assert ("shorter than the correlation time" in verdict.reason) == (state is State.INSUFFICIENT)


def test_a_fall_of_a_rare_reward_is_found_and_a_value_beyond_the_bounds_is_refused() -> None:
    rng = np.random.default_rng(65)
    rate = rng.binomial(5000, np.repeat([0.005, 0.004], [600, 60])) / 5000
    error = np.sqrt(rate * (1 - rate) / 5000)
    base = _with_errors(rate[:500], error[:500], 5000, None, 0)
    states = [v.state for v in DETECTORS["e_detector"].scan(_with_errors(rate[500:], error[500:], 5000, base, 500))]
    assert State.FIRE not in states[:100]
    assert State.FIRE in states[100:140]
    (beyond,) = DETECTORS["e_detector"].scan(series([1.2], 50, base, 700))
    assert beyond.state is State.INSUFFICIENT
    with pytest.raises(ValueError, match="must be the bounds of one row"):
        DETECTORS["e_detector"].scan(base, lower=1.0, upper=0.0)
