"""A rate that creeps up from day to day: the trigger violation_trend."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from detectors.long_run_variance import on_grid
from detectors.series import Counts, Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, readable, rows, unreadable

LEAST = 10
"""Windows below which no trend is looked for: with fewer the autocorrelation of what is left cannot be told."""


def theil_sen(time: ArrayLike, value: ArrayLike) -> float:
    """Return the median of the slopes between all pairs of points.

    Against least squares: a single day of trouble does not make a trend.

    Parameters
    ----------
    time, value
        The points, times distinct, shape (n,).

    References
    ----------
    Sen, P. K. (1968). Estimates of the regression coefficient based on Kendall's tau. JASA 63, 1379-1389.

    Examples
    --------
    >>> theil_sen(range(6), [1.0, 3.0, 5.0, 700.0, 9.0, 11.0])
    2.0
    """
    t, y = np.asarray(time, np.float64), np.asarray(value, np.float64)
    first, second = np.triu_indices(len(t), 1)
    return float(np.median((y[second] - y[first]) / (t[second] - t[first]))) if len(t) > 1 else 0.0


def kendall(value: ArrayLike, correlation: float = 0.0) -> tuple[float, float]:
    """Return Kendall's S of an ordered run, and its standard deviation where nothing changes.

    Parameters
    ----------
    value
        The run, shape (n,).
    correlation
        Correlation of neighbours. The variance for independent points is multiplied by 1 + 2 / (n (n - 1)(n - 2)) sum
        (n - k)(n - k - 1)(n - k - 2) rho_k over all lags k, with rho_k its k-th power.

    References
    ----------
    Hamed, K. H. and Rao, A. R. (1998). A modified Mann-Kendall trend test for autocorrelated data. Journal of Hydrology
    204, 182-196.

    Examples
    --------
    >>> kendall([1.0, 2.0, 3.0])[0], round(kendall(range(20))[1], 1), round(kendall(range(20), 0.5)[1], 1)
    (3.0, 30.8, 47.8)
    """
    y = np.asarray(value, np.float64)
    n = len(y)
    first, second = np.triu_indices(n, 1)
    ties = np.unique(y, return_counts=True)[1].astype(np.float64)
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18
    k = np.arange(1, max(n - 2, 1))
    rho = (6 / math.pi) * np.arcsin(correlation**k / 2)  # of the ranks, which S is made of
    more = 2 * float(np.sum((n - k) * (n - k - 1) * (n - k - 2) * rho)) / max(1, n * (n - 1) * (n - 2))
    return float(np.sum(np.sign(y[second] - y[first]))), math.sqrt(max(variance, 0.0) * max(1.0, 1 + more))


def neighbours(value: ArrayLike) -> float:
    """Return the correlation of neighbours in what a trend leaves over, freed of its bias; between 0 and 0.9.

    A line taken out of n points makes them look less alike than they are: E[r] is about rho - (2 + 4 rho) / n.

    Parameters
    ----------
    value
        An ordered run, NaN where a point is absent, shape (n,).

    References
    ----------
    Marriott, F. H. C. and Pope, J. A. (1954). Bias in the estimation of autocorrelations. Biometrika 41, 390-402.

    Examples
    --------
    >>> neighbours([1.0, 1.0, 1.0])
    0.0
    """
    y = np.asarray(value, np.float64)
    known = np.isfinite(y)
    n, at = int(np.sum(known)), np.arange(len(y))
    if n < 4:
        return 0.0
    left = y - theil_sen(at[known], y[known]) * at
    left = np.where(known, left - np.mean(left[known]), 0.0)
    spread = float(np.sum(left**2))
    if spread <= 1e-24 * float(np.sum(y[known] ** 2)):  # a straight line: what is left is rounding
        return 0.0
    r = float(np.sum(left[1:] * left[:-1])) / spread
    return min(0.9, max(0.0, (n * r + 2) / (n - 4) if n > 4 else r))


def scan(
    series: Series,
    *,
    alpha: float = 0.01,
    lookback: int = 28,
    min_n: int = 30,
    budget: float = math.inf,
    slack: float = 0.0,
    subject: str = "Violation rate",
) -> list[Verdict]:
    """Fire where a rate rises from window to window, surely, and will pass its budget if it goes on.

    Against ``budget_bound``, which waits for the budget to be spent: this one says beforehand when that will be. With
    windows of a day it takes one look a day, always at the same hour, so that a daily cycle is no trend.

    Parameters
    ----------
    series
        The rate in each window.
    alpha
        One-sided level of a look, kept up to a correlation of 0.8 between windows; looks share most of their windows,
        so that errors come in spells.
    lookback
        Windows of a look, at most; 10 with rows enough are needed.
    min_n
        Rows below which a window does not count.
    budget, slack
        The rate that must not be passed is their sum. Where there is one, a rise that would not reach it within the
        next ``lookback`` windows is told and does not fire.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the slope (Theil and Sen) per window, ``high`` the steepest one that is healthy, ``p`` that of
        Kendall's S with its variance corrected for autocorrelation.

    References
    ----------
    Mann, H. B. (1945). Nonparametric tests against trend. Econometrica 13, 245-259; and those of ``theil_sen``,
    ``kendall`` and ``neighbours``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rate = rng.normal(0.002, 0.0002, 28) + np.repeat([[0.0], [1.0]], 28, 1) * np.arange(28) * 0.0001
    >>> days, n = np.arange(28) * 86400.0, np.full(28, 50_000)
    >>> [scan(Series(days, y, np.zeros(28), n), budget=0.006)[-1].state.value for y in rate]
    ['ok', 'fire']
    """
    if lookback < LEAST:
        raise ValueError(f"lookback = {lookback} must be at least {LEAST} windows")
    verdicts = []
    usable = readable(series.value) & (series.n >= max(min_n, 1))
    step = float(np.min(np.diff(series.time))) if len(series) > 1 else 86_400.0
    for t in range(len(series)):
        answer = unreadable(series, t, min_n, subject)
        begin = max(0, t + 1 - lookback)
        seen = begin + np.flatnonzero(usable[begin : t + 1])
        if answer is None and len(seen) < LEAST:
            reason = f"{subject} has {len(seen)} windows with decisions enough: a trend needs {LEAST} of them."
            answer = Verdict(State.INSUFFICIENT, None, None, None, int(series.n[t]), reason)
        if answer is None:
            total = int(np.sum(series.n[seen]))
            place = np.rint((series.time[seen] - series.time[seen[0]]) / step).astype(np.int64)
            answer = _judge(place, series.value[seen], total, alpha, lookback, budget + slack, subject)
        verdicts.append(answer)
    return verdicts


def _judge(place: Counts, value: Floats, n: int, alpha: float, lookback: int, limit: float, subject: str) -> Verdict:
    slope = theil_sen(place, value)
    grid = on_grid(place, value, lookback)
    rho = neighbours(grid)
    s, deviation = kendall(value, rho)
    # Student's t with the degrees of freedom of the independent windows that these are worth: the correlation is
    # estimated too, and by a normal limit correlated windows would fire at 2 to 3 times their level.
    freedom = max(1.0, len(value) * (1 - rho) / (1 + rho) - 2)
    p = float(stats.t.sf((s - math.copysign(1, s)) / deviation, freedom)) if deviation > 0 and s else 1.0
    now = float(np.median(value - slope * (place - place[-1])))  # the level today by the line
    bounded, ahead = math.isfinite(limit), float(lookback)
    left = math.inf if not bounded or slope <= 0 else max(0.0, (limit - now) / slope)
    rising = p <= alpha and slope > 0
    fires = rising and (not bounded or left <= ahead)
    way = "rises" if slope > 0 else "falls" if slope < 0 else "stays level"
    text = f"{subject} {way}" + (f" by {number(abs(slope))} a window" if slope else "")
    text += f" over the last {len(value)} windows (p = {p:.2g}, limit {number(alpha)}), {rows(n)}."
    if rising and bounded:
        text += f" At this slope it is above {number(limit)} " + ("now." if left <= 0 else f"in {left:,.0f} windows.")
    high = max(0.0, (limit - now) / ahead) if bounded else None
    return Verdict(State.FIRE if fires else State.OK, slope, None, high, n, text, p)
