"""What a baseline says about means: long-run variance, seasons, and why it must be frozen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from detectors import DETECTORS, State
from detectors.long_run_variance import long_run_variance
from detectors.season import expectation
from tests.simulated import ONE_IN, autoregressive, broken, series


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
