"""What value was to be expected: by the level of late, the same time on other days, or on the same weekday."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY = 86400.0
_DAYS, _WEEKS = 7, 4  # how many of them are asked
_BETTER = 0.9  # a season must beat the plain level by a tenth, or its own noise is added for nothing


@dataclass(frozen=True)
class Expectation:
    """One way of expecting a value.

    Parameters
    ----------
    name
        Words for a sentence.
    value
        The expected value of each row from the rows before it, NaN while unknown, shape (n,).
    """

    name: str
    value: Floats


def expectations(time: Floats, value: Floats) -> tuple[list[Expectation], NDArray[np.intp]]:
    """Return the ways of expecting each value, and which one had erred least lately; only the past is used.

    A median of the same time on the last seven days (three rows each) is hardly moved by one bad day, and a weekday
    that differs is seen once two weeks are known. A series without a season keeps its plain level.

    Parameters
    ----------
    time
        Seconds, not decreasing, shape (n,).
    value
        NaN where missing, shape (n,).

    Examples
    --------
    >>> time = np.arange(0.0, 6 * DAY, 3600.0)
    >>> value = np.where(time % DAY < DAY / 2, 1.0, 5.0)
    >>> found, chosen = expectations(time, value)
    >>> [item.name for item in found], found[int(chosen[-1])].name, float(found[1].value[-1])
    (['the level of late', 'this time on other days'], 'this time on other days', 5.0)
    """
    step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    rows_a_day = round(DAY / step) if step > 0 else 0
    span = int(np.clip(rows_a_day, 100, 2000))
    level = pd.Series(value).shift(1).rolling(span, min_periods=20).median().to_numpy(np.float64)
    found, lag = [Expectation("the level of late", level)], [0]
    if rows_a_day >= 4:
        place = np.rint((time - time[0]) / step).astype(np.int64)
        for name, period, count in (
            ("this time on other days", rows_a_day, _DAYS),
            ("this time on the same weekday", 7 * rows_a_day, _WEEKS),
        ):
            if place[-1] > 2 * period:
                found.append(Expectation(name, _same_time(place, value, period, count)))
                lag.append(period)
    return found, _least_wrong(found, lag, value, rows_a_day)


def _same_time(place: NDArray[np.int64], value: Floats, period: int, count: int) -> Floats:
    """Return the median of the values around the same place of the last periods."""
    grid = np.full(place[-1] + 1, np.nan)
    grid[place] = value
    asked = []
    for back in range(1, count + 1):
        for beside in (-1, 0, 1):
            at = place - back * period + beside
            asked.append(np.where(at >= 0, grid[np.maximum(at, 0)], np.nan))
    return pd.DataFrame(np.array(asked).T).median(axis=1).to_numpy(np.float64)


def _least_wrong(found: list[Expectation], lag: list[int], value: Floats, rows_a_day: int) -> NDArray[np.intp]:
    half_life = max(1.0, min(3.0 * rows_a_day if rows_a_day else np.inf, len(value) / 8))
    errors = np.full((len(found), len(value)), np.inf)
    for row, (way, rows) in enumerate(zip(found, lag, strict=True)):
        wrong = pd.Series(np.abs(value - way.value)).shift(1)
        seen = wrong.notna().cumsum().to_numpy()
        mean = wrong.ewm(halflife=half_life, ignore_na=True).mean().to_numpy(np.float64)
        errors[row] = np.where((seen >= rows) & np.isfinite(mean), mean / (_BETTER if rows else 1.0), np.inf)
    best: NDArray[np.intp] = errors.argmin(axis=0)
    return best
