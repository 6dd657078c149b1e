"""The rules that the benchmark of delays compares with have the run lengths and delays that the literature gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.control_charts import Cusum, Ewma, Rule, Shewhart, Together, calibrated, first_alarms, mean_length

CUSUM = Cusum("CUSUM", 0.5, (1.0, 8.0))


def length(rule: Rule, level: float, steps: int, fall: float = 0.0) -> tuple[float, float]:
    first = first_alarms(rule, np.array([level]), np.random.default_rng(60), 600, steps, fall)
    return mean_length(first[:, 0], steps)


@pytest.mark.parametrize(
    ("rule", "level", "fall", "known"),
    [
        (Shewhart(), 2.5, 0.0, 1 / stats.norm.sf(2.5)),
        (CUSUM, 4.0, 0.0, 336.0),  # Siegmund (1985), one-sided, slack 1/2
        (CUSUM, 4.0, 1.0, 8.38),
        (Ewma("EWMA", 1.0), 2.5, 0.0, 1 / stats.norm.sf(2.5)),  # of weight 1: Shewhart's
    ],
)
def test_run_lengths_are_the_known_ones(rule: Rule, level: float, fall: float, known: float) -> None:
    mean, error = length(rule, level, 2_000, fall)
    assert abs(mean - known) < 4 * error + 0.02 * known


def test_calibration_finds_the_level_of_a_run_length() -> None:
    found = calibrated(Shewhart(), 200.0, np.random.default_rng(61), 600, 800)
    assert found == pytest.approx(stats.norm.isf(1 / 200), abs=0.06)


def test_a_run_length_out_of_reach_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"no level in \(1.0, 8.0\) has a run length of 9,999,999"):
        calibrated(CUSUM, 9_999_999.0, np.random.default_rng(62), 50, 200)


def test_ours_has_its_run_length_without_calibration() -> None:
    mean, error = length(Together(500.0, 3.5), 1.0, 2_000)
    assert abs(mean - 500) < 4 * error + 0.15 * 500


def test_every_level_is_reached_in_order() -> None:
    first = first_alarms(CUSUM, np.array([1.0, 2.0, 3.0]), np.random.default_rng(63), 50, 500)
    assert bool(np.all(np.diff(first, axis=1) >= 0))
    alone = first_alarms(CUSUM, np.array([3.0]), np.random.default_rng(63), 50, 500)
    np.testing.assert_array_equal(first[:, 2], alone[:, 0])


def test_runs_that_never_fire_lengthen_the_mean() -> None:
    assert mean_length(np.array([10, 30]), 100)[0] == 20.0
    assert mean_length(np.array([10, 101]), 100)[0] == 110.0
