"""A creeping rate: the level of the test whatever the correlation of days, its power, and what it says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import signal, stats

from detectors import DETECTORS, Series, State
from detectors.trend import _judge, kendall, neighbours, theil_sen

SCAN = DETECTORS["trend"].scan
DAY = 86_400.0


def days(values: Any, n: int = 50_000, first: int = 0) -> Series:
    value = np.asarray(values, np.float64)
    rows = np.full(len(value), n)
    time = np.asarray((first + np.arange(len(value))) * DAY, np.float64)
    return Series(time, value, np.zeros(len(value)), rows)


def noise(rng: np.random.Generator, phi: float, length: int) -> Any:
    drawn = rng.normal(size=length)
    drawn[0] /= math.sqrt(1 - phi * phi)
    return signal.lfilter([math.sqrt(1 - phi * phi)], [1, -phi], drawn)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6, 0.8])
def test_days_that_follow_each_other_are_no_trend(phi: float) -> None:
    rng = np.random.default_rng(70)
    runs = [0.01 + 0.001 * noise(rng, phi, 28) for _ in range(500)]
    fired = sum(_judge(np.arange(28), run, 1, 0.01, 28, math.inf, "Rate").state is State.FIRE for run in runs)
    assert stats.binomtest(fired, len(runs), 0.012, alternative="greater").pvalue > 1e-3
    if phi >= 0.6:  # without the correction for it, healthy days rise several times too often
        s = np.array([kendall(run) for run in runs])
        plain = int(np.sum(stats.norm.sf(s[:, 0] / s[:, 1]) <= 0.01))
        assert stats.binomtest(plain, len(runs), 0.04, alternative="greater").pvalue < 1e-3


def test_a_rise_of_a_fifth_of_the_noise_a_day_is_found() -> None:
    rng = np.random.default_rng(71)
    runs = [0.01 + 0.001 * (rng.normal(size=28) + 0.2 * np.arange(28)) for _ in range(20)]
    assert sum(SCAN(days(run))[-1].state is State.FIRE for run in runs) >= 17


def test_one_day_of_trouble_is_no_trend_and_does_not_hide_one() -> None:
    level = np.full(28, 0.001) + 1e-5 * np.sin(np.arange(28.0))
    level[20] = 0.5
    assert SCAN(days(level))[-1].state is State.OK
    rising = np.arange(28) * 1e-4
    rising[3] = 0.5
    assert theil_sen(np.arange(28), rising) == pytest.approx(1e-4, rel=1e-6)


def test_a_rise_that_stays_within_its_budget_is_told_and_does_not_fire() -> None:
    rate = 0.001 + 1e-6 * np.arange(28)
    harmless = SCAN(days(rate), budget=0.01, slack=0.001)[-1]
    assert harmless.state is State.OK
    assert "above 0.011 in 9,973 windows" in harmless.reason
    near = SCAN(days(rate), budget=0.001, slack=0.00004)[-1]
    assert near.state is State.FIRE
    assert near.reason.endswith("in 13 windows.")
    assert SCAN(days(rate), budget=0.0005)[-1].reason.endswith("above 0.0005 now.")


def test_level_rates_days_without_any_and_a_fall_do_not_fire() -> None:
    rng = np.random.default_rng(72)
    for rate in (np.zeros(40), np.full(40, 0.02), rng.binomial(2000, 2e-4, 40) / 2000, 0.01 - 1e-4 * np.arange(40)):
        assert State.FIRE not in {v.state for v in SCAN(days(rate))}


def test_it_waits_for_ten_days_and_says_so() -> None:
    states = [v.state for v in SCAN(days(np.full(12, 0.01)))]
    assert states == [*[State.INSUFFICIENT] * 9, *[State.OK] * 3]
    assert "a trend needs 10 of them" in SCAN(days(np.full(3, 0.01)))[-1].reason
    with pytest.raises(ValueError, match="at least 10 windows"):
        SCAN(days(np.full(12, 0.01)), lookback=5)


def test_the_correlation_of_neighbours_is_freed_of_its_bias() -> None:
    rng = np.random.default_rng(73)
    found = [neighbours(noise(rng, 0.5, 60)) for _ in range(200)]
    assert abs(np.mean(found) - 0.5) < 0.04
    gaps = noise(rng, 0.5, 400)
    gaps[rng.random(400) < 0.2] = math.nan
    assert 0.2 < neighbours(gaps) < 0.6
