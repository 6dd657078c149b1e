"""What a window should have shown, given the hour of the day or of the week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.long_run_variance import LongRun, long_run_variance
from detectors.series import Floats
from detectors.wording import readable

SLOTS = {"none": 1, "hour_of_day": 24, "hour_of_week": 168}
_DAY = 86_400.0
_NEEDED = {"hour_of_day": 3 * _DAY, "hour_of_week": 21 * _DAY}
WORDS = {"none": "no season", "hour_of_day": "hour of day", "hour_of_week": "hour of week"}


@dataclass(frozen=True)
class Expectation:
    """The expected value of each window and how well it is known.

    Parameters
    ----------
    value
        Expected value of each window asked for, shape (T,).
    error
        Variance of that expectation, shape (T,).
    mean
        Overall mean of the baseline.
    spread
        Spread of the baseline around its own expectation.
    note
        Sentence for the reader where the season asked for could not be used, else empty.
    """

    value: Floats
    error: Floats
    mean: float
    spread: LongRun
    note: str


def slots(time: ArrayLike, season: str) -> NDArray[np.int64]:
    """Return the slot of the season that each window starts in (UTC).

    Parameters
    ----------
    time
        Seconds since 1970 UTC, shape (T,).
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"``.

    Raises
    ------
    ValueError
        If the season is none of these.

    Examples
    --------
    >>> slots([0, 3600, 90_000], "hour_of_day").tolist()
    [0, 1, 1]
    """
    if season not in SLOTS:
        raise ValueError(f"season = {season!r} is unknown: write {', '.join(map(repr, SLOTS))}")
    hours = np.floor(np.asarray(time, np.float64) / 3600).astype(np.int64)
    return np.asarray(hours % SLOTS[season], dtype=np.int64)


def usable(time: ArrayLike, season: str) -> tuple[str, str]:
    """Return the season that a baseline is long enough for, and a note where it is not the one asked for.

    Three of each hour are the least from which an hour can be told from its noise: 3 weeks for the hour of the week,
    3 days for the hour of the day.

    Parameters
    ----------
    time
        Start of the baseline's windows, shape (L,).
    season
        The season asked for.

    Examples
    --------
    >>> usable(np.arange(0, 9 * 86400, 3600), "hour_of_week")
    ('hour_of_day', 'the baseline covers 9 days, hour of week needs 21: hour of day is used')
    """
    slots([], season)
    start = np.asarray(time, np.float64)
    covered = float(start[-1] - start[0] + np.min(np.diff(start))) if len(start) > 1 else 0.0
    chosen = season
    if chosen == "hour_of_week" and covered < _NEEDED["hour_of_week"]:
        chosen = "hour_of_day"
    if chosen == "hour_of_day" and covered < _NEEDED["hour_of_day"]:
        chosen = "none"
    if chosen == season:
        return season, ""
    days = f"{covered / _DAY:.3g}"
    note = f"the baseline covers {days} days, {WORDS[season]} needs {_NEEDED[season] / _DAY:.0f}: "
    return chosen, f"{note}{WORDS[chosen]} is used"


def expectation(baseline_time: ArrayLike, baseline_value: ArrayLike, time: ArrayLike, season: str) -> Expectation:
    """Return what each window should show, from the baseline's windows of the same hour.

    Against one frozen mean, which calls every night a fault where rewards or traffic have a daily cycle. The means of
    the hours are shrunk towards the overall mean by as much as their own noise explains (empirical Bayes), so that an
    hour seen three times does not set a limit of its own.

    Parameters
    ----------
    baseline_time, baseline_value
        The frozen reference windows, NaN where empty, shape (L,).
    time
        The windows to judge, shape (T,).
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"``; too short a baseline falls back and says so.

    References
    ----------
    Efron, B. and Morris, C. (1975). Data analysis using Stein's estimator and its generalizations. JASA 70, 311-319.

    Examples
    --------
    >>> hours = np.arange(24 * 10) * 3600.0
    >>> noise = np.random.default_rng(0).normal(0, 0.02, len(hours))
    >>> reward = np.where(hours % 86400 < 43200, 1.0, 3.0) + noise
    >>> expected = expectation(hours, reward, [240 * 3600.0, 252 * 3600.0], "hour_of_day")
    >>> expected.value.round(1).tolist(), round(expected.mean, 1)
    ([1.0, 3.0], 2.0)
    """
    when, what = np.asarray(baseline_time, np.float64), np.asarray(baseline_value, np.float64)
    asked = np.asarray(time, np.float64)
    used, note = usable(when, season)
    plain = long_run_variance(what, when)
    flat = np.full(len(asked), plain.mean)
    if used == "none" or plain.windows == 0:
        error = plain.long_run / max(plain.windows, 1)
        return Expectation(flat, np.full(len(asked), error), plain.mean, plain, note)
    seen = readable(what)
    what = np.where(seen, what, np.nan)
    slot, size = slots(when, used), SLOTS[used]
    count = np.bincount(slot[seen], minlength=size).astype(np.float64)
    known = count > 0
    raw = np.bincount(slot[seen], what[seen], minlength=size) / np.maximum(count, 1)
    rough = long_run_variance(what - raw[slot], when, fitted=float(np.sum(known)))
    noise = rough.long_run / np.maximum(count, 1)
    between = float(np.mean((raw[known] - plain.mean) ** 2) - np.mean(noise[known]))
    between = max(between, 0.0)
    weight = np.where(known, between / (between + noise), 0.0)
    slot_mean = plain.mean + weight * (raw - plain.mean)
    spread = long_run_variance(what - slot_mean[slot], when, fitted=max(1.0, float(np.sum(weight))))
    # Posterior variance of a slot's effect, and the error of the overall mean.
    posterior = np.where(known, weight * spread.long_run / np.maximum(count, 1), between)
    error_of_slot = posterior + spread.long_run / spread.windows
    here = slots(asked, used)
    return Expectation(slot_mean[here], error_of_slot[here], plain.mean, spread, note)
