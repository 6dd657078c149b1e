"""Long-run variance of ordered window means: the error that correlated windows really have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.series import Floats
from detectors.wording import readable

MIN_WINDOWS = 30
"""Windows below which no spread is estimated: at 30 the variance itself is known to about 26%."""

LONG_BASELINE = 300
"""Windows from which the run length of a k sigma limit holds for correlated rewards."""

STRONG_CORRELATION = 2.0
"""Long-run variance over variance at which windows count as strongly correlated."""


@dataclass(frozen=True)
class LongRun:
    """Mean and spread of a stationary sequence of window means.

    Parameters
    ----------
    windows
        Windows that had a value.
    mean
        Their mean.
    variance
        Variance of one window mean (autocovariance at lag 0), corrected for the estimated mean.
    long_run
        Limit of windows x Var(mean of the windows); at least ``variance``.
    lag
        Bartlett lag used, in windows.
    """

    windows: int
    mean: float
    variance: float
    long_run: float
    lag: int

    @property
    def effective(self) -> float:
        """Independent windows that would know the mean equally well."""
        return self.windows * self.variance / self.long_run if self.windows else 0.0

    @property
    def short(self) -> bool:
        """Whether the baseline is too short for its correlation."""
        return self.windows < LONG_BASELINE and self.long_run > STRONG_CORRELATION * self.variance


def bartlett_lag(windows: int) -> int:
    """Return the lag of the Bartlett kernel for a run of windows, 4 floor(4 (L / 100)^(1/3)).

    Four times the usual bandwidth: a bandwidth that is too short takes correlated windows for independent ones, one
    that is too long only makes the estimate noisier.

    Parameters
    ----------
    windows
        L, windows in the run.

    Examples
    --------
    >>> bartlett_lag(100), bartlett_lag(720)
    (16, 28)
    """
    return max(0, min(4 * int(4 * (windows / 100) ** (1 / 3)), windows - 2))


def on_grid(time: ArrayLike, values: ArrayLike, most: int) -> NDArray[np.float64]:
    """Put NaN where windows are absent from an ordered run, so that lags count time and not rows.

    Parameters
    ----------
    time
        Start of each window in seconds, increasing, shape (L,).
    values
        One value or row of values a window, shape (L,) or (L, cells).
    most
        Longest gap that is kept, in windows: beyond the kernel's lag a longer one changes nothing.

    Examples
    --------
    >>> on_grid([0, 60, 180], [1.0, 2.0, 4.0], 5).tolist()
    [1.0, 2.0, nan, 4.0]
    """
    start, array = np.asarray(time, np.float64), np.asarray(values, np.float64)
    if len(start) < 2:
        return array
    steps = np.diff(start)
    jumps = np.clip(np.rint(steps / steps.min()), 1, most + 1).astype(np.int64)
    place = np.concatenate([[0], np.cumsum(jumps)])
    result = np.full((int(place[-1]) + 1, *array.shape[1:]), np.nan)
    result[place] = array
    return result


def autocovariances(values: NDArray[Any], lag: int, present: int) -> Floats:
    """Return the autocovariances at lags 0..lag of centred values with zeros for gaps.

    Dividing by the windows that are present (Parzen, 1963) makes the Bartlett sum the variance of exactly the mean
    that is used, gaps included, and keeps it from being negative.

    Parameters
    ----------
    values
        Centred values, shape (L,) or (L, cells); cells are added up.
    lag
        Largest lag.
    present
        Windows that are not gaps.

    Examples
    --------
    >>> autocovariances(np.array([1.0, -1.0, 1.0, -1.0]), 1, 4).tolist()
    [1.0, -0.75]
    """
    length = len(values)
    sums = [float(np.sum(values[: max(0, length - h)] * values[h:])) for h in range(lag + 1)]
    return np.array(sums) / max(present, 1)


def bartlett(covariances: Floats) -> float:
    """Return the Bartlett sum of autocovariances 0..lag: the variance of sums over lag + 1 windows, a window.

    Examples
    --------
    >>> bartlett(np.array([1.0, 0.5]))
    1.5
    """
    lag = len(covariances) - 1
    weights = 1 - np.arange(1, lag + 1) / (lag + 1)
    return float(covariances[0] + 2 * np.sum(weights * covariances[1:]))


def long_run_variance(values: ArrayLike, time: ArrayLike | None = None, fitted: float = 1.0) -> LongRun:
    """Estimate the variance of a window mean and the long-run variance of a run of them.

    Against the standard error inside a window, which takes rows for independent: one shock shared by a window of
    10,000 rows (a tenth of a row's standard deviation) makes limits built on rows fire in a quarter of healthy windows.

    Parameters
    ----------
    values
        Ordered window means, NaN where a window has none, shape (L,).
    time
        Start of each window in seconds, shape (L,); None where they follow each other without gaps.
    fitted
        Parameters that were fitted to the values before (1 for their mean).

    Returns
    -------
    LongRun
        Floors: ``variance`` at 1e-18 of the squared size of the values, so that a constant run has a finite z, and
        ``long_run`` at ``variance``, so that an estimate that came out negative-looking never sharpens a limit.

    References
    ----------
    Newey, W. K. and West, K. D. (1987). A simple, positive semi-definite, heteroskedasticity and autocorrelation
    consistent covariance matrix. Econometrica 55, 703-708.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> noise, means = rng.normal(size=2000), np.zeros(2000)
    >>> for t in range(1, 2000):
    ...     means[t] = 0.6 * means[t - 1] + noise[t]
    >>> spread = long_run_variance(means)  # truth: 1.56 and 6.25
    >>> round(spread.variance, 1), round(spread.long_run, 1)
    (1.6, 5.8)
    """
    array = np.asarray(values, np.float64)
    if time is not None:
        array = on_grid(time, array, bartlett_lag(len(array)) + 1)
    seen = readable(array)
    count = int(np.count_nonzero(seen))
    if count == 0:
        return LongRun(0, float("nan"), 0.0, 0.0, 0)
    kept = array[seen]
    size = float(np.max(np.abs(kept)))
    floor = max(1e-24, 1e-18 * size**2)
    mean = float(np.mean(kept))
    centred = np.where(seen, np.where(seen, array, 0.0) - mean, 0.0)
    lag = bartlett_lag(count)
    covariances = autocovariances(centred, lag, count)
    # Centring takes (lag + 1) / L off the Bartlett sum, and LRV / L off the variance; both are given back.
    long_run = bartlett(covariances) / (1 - (lag + 1) / count) if count > lag + 1 else float(covariances[0])
    variance = float(covariances[0]) * count / max(count - fitted, count / 2, 1.0)
    variance = max(variance + max(0.0, long_run - variance) / count, floor)
    return LongRun(count, mean, variance, max(long_run, variance), lag)
