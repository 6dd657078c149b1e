"""The detector limit where people know the number: its error, its sides, baselines of zeros, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from detectors import DETECTORS, Series, State, Verdict
from detectors.limit import scan

STEP = 900.0


def made(time: ArrayLike, value: ArrayLike, stderr: ArrayLike, n: ArrayLike, baseline: Series | None = None) -> Series:
    floats = [np.asarray(array, np.float64) for array in (time, value, stderr)]
    return Series(floats[0], floats[1], floats[2], np.asarray(n, np.int64), baseline)


def shares(p: float, windows: int, n: int, rng: np.random.Generator, shock: float = 0.0, first: int = 0) -> Series:
    """Shares of n decisions; the shock moves all decisions of a window together (standard deviation on the logit)."""
    logit = np.log(p / (1 - p)) + rng.normal(0.0, shock, windows) if shock else np.full(windows, np.log(p / (1 - p)))
    value = rng.binomial(n, 1 / (1 + np.exp(-logit))) / n
    error = np.sqrt(value * (1 - value) / n)
    return made(STEP * (first + np.arange(windows)), value, error, np.full(windows, n))


def fired(verdicts: list[Verdict]) -> int:
    return sum(v.state is State.FIRE for v in verdicts)


@pytest.mark.parametrize(("p", "n"), [(0.01, 100), (0.01, 1000), (0.3, 50)])
def test_at_the_limit_itself_fewer_windows_fire_than_three_sigma_promise(p: float, n: int) -> None:
    verdicts = scan(shares(p, 20_000, n, np.random.default_rng(1)), threshold=p)
    assert stats.binomtest(fired(verdicts), len(verdicts), 0.00135, alternative="greater").pvalue > 1e-3
    plain = np.mean(shares(p, 20_000, n, np.random.default_rng(1)).value > p)
    assert plain > 0.2  # what comparing the bare value would call


def test_shocks_that_rows_share_are_seen_from_window_to_window_and_not_from_rows() -> None:
    rng = np.random.default_rng(2)
    base, now = shares(0.05, 500, 5000, rng, 0.5), shares(0.05, 20_000, 5000, rng, 0.5, first=500)
    limit = float(np.mean(base.value))
    from_rows = scan(now, threshold=limit)
    with_baseline = made(now.time, now.value, now.stderr, now.n, base)
    assert fired(from_rows) / len(from_rows) > 0.25
    assert fired(scan(with_baseline, threshold=limit)) / len(from_rows) < 0.02


def test_a_share_far_beyond_its_limit_fires_at_once_on_either_side() -> None:
    rng = np.random.default_rng(3)
    high = shares(0.05, 200, 1000, rng)
    assert fired(scan(high, threshold=0.01)) == 200
    assert fired(scan(high, threshold=0.01, side="below")) == 0
    assert fired(scan(high, threshold=0.2, side="below")) == 200
    assert scan(high, threshold=0.2, side="below")[0].low == 0.2


def test_a_baseline_of_zeros_does_not_make_the_first_event_an_alarm() -> None:
    base = made(STEP * np.arange(100), np.zeros(100), np.zeros(100), np.full(100, 200))
    value = np.array([0.0, 1 / 200, 60 / 200])
    now = made(STEP * np.arange(100, 103), value, np.sqrt(value * (1 - value) / 200), np.full(3, 200), base)
    assert [v.state for v in scan(now)] == [State.OK, State.OK, State.FIRE]


def test_a_multiple_of_the_baseline_is_a_limit_too_and_needs_one() -> None:
    rng = np.random.default_rng(4)
    base = shares(0.05, 200, 1000, rng)
    calm, loud = shares(0.06, 50, 1000, rng, first=200), shares(0.3, 50, 1000, rng, first=200)
    for series, expected in ((calm, 0), (loud, 50)):
        judged = made(series.time, series.value, series.stderr, series.n, base)
        assert fired(scan(judged, ratio=2.0)) == expected
        assert {v.state for v in scan(series, ratio=2.0)} == {State.INSUFFICIENT}


def test_a_value_whose_error_nobody_knows_is_not_judged() -> None:
    now = made([0.0], [0.5], [float("nan")], [100])
    (verdict,) = scan(now, threshold=0.1, subject="Cost per episode")
    assert verdict.state is State.INSUFFICIENT
    assert verdict.reason == "Cost per episode 0.5 is not judged: its error is not known."
    base = made(STEP * np.arange(-50, 0), np.full(50, 0.05), np.full(50, np.nan), np.full(50, 100))
    assert scan(made([0.0], [0.5], [np.nan], [100], base), threshold=0.1)[0].state is State.FIRE


def test_the_season_of_the_baseline_is_expected() -> None:
    rng = np.random.default_rng(5)
    time = STEP * np.arange(96 * 8)
    level = 1.0 + 0.5 * (time % 86400 > 43200)
    value = level + rng.normal(0.0, 0.02, len(time))
    n, error = np.full(len(time), 500), np.full(len(time), 0.02)
    split = 96 * 7
    base = made(time[:split], value[:split], error[:split], n[:split])
    now = made(time[split:], value[split:], error[split:], n[split:], base)
    wrong = made(time[split:], 2.5 - value[split:], error[split:], n[split:], base)
    assert fired(scan(now, season="hour_of_day")) == 0
    assert fired(scan(wrong, season="hour_of_day")) > 40
    assert fired(scan(wrong)) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [({"side": "up"}, '"above" or "below"'), ({"k": 0}, "number of sigma"), ({"min_effect": "much"}, "min_effect")],
)
def test_what_cannot_be_read_is_named(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DETECTORS["limit"].scan(made([0.0], [0.5], [0.1], [100]), **given)
