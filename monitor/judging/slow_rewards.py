"""Rewards that come at another speed than they did are not judged: a slow pipeline must not roll a policy back."""

from __future__ import annotations

import math

import numpy as np

from detectors import Series
from detectors.autoregression import autoregression
from detectors.series import Floats
from detectors.wording import number, percent, readable
from monitor.summaries.plan import Plan

DELAYED = ("reward", "reward_cvar", "reward_zeros", "reward_distribution", "episode_return", "reward_delay")
"""Metrics that are made of rewards, and the one that says so."""

POOLED = (1, 2, 4, 8)
"""Windows that are taken together: a small change of pace shows in some more of them."""

_K = 3.5  # one healthy window in a thousand is held
_DENSE = 0.1  # share of decisions without a reward below which each of them is expected to have one
_USUAL = 30  # rewards a window from which none at all is a finding
_LEAST = 30  # baseline windows with rewards


def comes_later(plan: Plan) -> bool:
    """Return whether rewards come as events after their decisions, so that they can be late.

    >>> comes_later(Plan())
    False
    """
    return "reward_delay" in plan.tracked_names


def held(delays: Series, missing: Series | None, absent: str) -> tuple[str, ...]:
    """Return for each window why its rewards are not judged, "" where they may be.

    A window is judged when its decisions are mature. When the pipeline slows down, what has come by then is fewer, and
    other, rewards than usual, and their mean says nothing about the policy. Against scaling by the learned arrival
    curve: that curve is what has just changed. A window is held where the mean delay, or the share of decisions without
    a reward, is off its baseline by 3.5 standard errors, alone or together with up to 7 windows before it.

    Parameters
    ----------
    delays
        Mean delay of the rewards of each window, with its baseline; up to 7 windows more than are asked for.
    missing
        Share of decisions without a reward by their horizon, with its baseline, or None where it is not known.
    absent
        What no reward means. Where it means zero and many decisions never get one, their share is what is to be judged
        and holds nothing; the delay of the others does.

    Returns
    -------
    tuple of str
        One for each window of ``delays``. The effects that count are 10% of the delay and 5 percentage points.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> base = Series(np.arange(300) * 900.0, rng.normal(3600, 100, 300), np.full(300, 90.0), np.full(300, 50))
    >>> held(Series([0, 900], [3650, 9000], [90, 90], [50, 50], base), None, "zero")
    ('', 'rewards take 150 min on average, 59.9 min in the baseline')
    """
    reasons = [""] * len(delays)
    usual = _usual(delays.baseline)
    for t, now in _moved(delays, 0.1 * abs(usual), both=True):
        reasons[t] = f"rewards take {_minutes(now)} on average, {_minutes(usual)} in the baseline"
    if missing is not None:
        lacking = _usual(missing.baseline)
        if absent == "missing" or lacking <= _DENSE:
            for t, now in _moved(missing, 0.05, both=False):
                reasons[t] = f"{_share(now)} of rewards did not come in time, {_share(lacking)} in the baseline"
    expected = 0.0 if delays.baseline is None else float(np.median(delays.baseline.n))
    if expected >= _USUAL:
        for t in np.flatnonzero(delays.n == 0).tolist():
            reasons[t] = f"no reward came in time, {number(expected)} usually do"
    return tuple(reasons)


def _usual(base: Series | None) -> float:
    if base is None:
        return math.nan
    good = (base.n > 0) & readable(base.value)
    return float(np.average(base.value[good], weights=base.n[good])) if np.any(good) else math.nan


def _moved(series: Series, effect: float, both: bool) -> list[tuple[int, float]]:
    """Return the windows whose level is off the baseline's, with that level, over the runs in which it shows."""
    base = series.baseline
    good = np.zeros(0, bool) if base is None else (base.n > 0) & readable(base.value)
    if base is None or np.sum(good) < _LEAST:
        return []
    usual, rows = _usual(base), float(np.mean(base.n[good]))
    fit = autoregression(np.where(good, base.value - usual, np.nan), base.time)
    n = np.where(readable(series.value), series.n, 0).astype(np.float64)
    value = np.where(n > 0, series.value, 0.0)
    found: dict[int, float] = {}
    for windows in POOLED[::-1]:
        total, weight = _last(n * value, windows), _last(n, windows)
        level = total / np.maximum(weight, 1.0)
        error = np.sqrt(fit.long_run * (rows / np.maximum(weight, 1.0) + 1 / fit.windows))
        off = level - usual
        off = np.abs(off) if both else off
        moved = (off > _K * error) & (off >= effect) & (n > 0)
        found |= {t: float(level[t]) for t in np.flatnonzero(moved).tolist()}
    return sorted(found.items())


def _last(values: Floats, windows: int) -> Floats:
    """Sums over each window and those just before it, never by subtraction: the same from wherever a scan begins."""
    padded = np.concatenate([np.zeros(windows - 1), values])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, windows).sum(axis=1)) if len(values) else values


def _minutes(seconds: float) -> str:
    return f"{number(float(f'{seconds / 60:.3g}'))} min"


def _share(value: float) -> str:
    return percent(float(f"{value:.2g}"))
