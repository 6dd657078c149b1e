"""A lasting fall of a bounded mean without any assumption about its distribution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detectors.autoregression import autoregression
from detectors.effect import least_effect
from detectors.long_run_variance import MIN_WINDOWS
from detectors.season import expectation
from detectors.series import Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, readable, rows, unreadable

BETS = np.geomspace(0.005, 0.9, 10)
"""lambda: shares of the stake; small ones find small falls in many rows."""

CONFIDENCE = 0.99
"""Share of baselines whose limit lies below their true mean: 2.33 standard errors."""

LONGEST = 2.0
"""Correlation time in windows above which windows are too short to bet on."""


def log_wealth(mean: Floats, second: Floats, weight: Floats, limit: Floats) -> Floats:
    """Return log e of each window and bet against "the mean is at least ``limit``", from a window's moments.

    One row multiplies the stake by 1 + lambda xi, xi = (limit - x) / (1 - limit): at least 0, and on average at most 1
    where the mean is at least the limit. Divided by 1 - limit, which is all that a bounded x allows: at a limit of 0.98
    a fall is found after 61 windows instead of 144. The product over the rows is not kept, so it is bounded from below,
    which only lowers the evidence: by the chord (log is concave) and by log(1 + lambda xi) >= lambda xi +
    xi^2 (log(1 - lambda) + lambda), which needs sums of x and x^2 only and is near for rows of a small spread.

    Parameters
    ----------
    mean, second
        Mean of x and mean of (x - mean)^2 in each window, x between 0 and 1; the latter NaN where unknown, shape (T,).
    weight
        Effective rows, shape (T,).
    limit
        m0 of each window, between 0 and 1, shape (T,).

    Returns
    -------
    array of shape (T, bets)

    References
    ----------
    Fan, X., Grama, I. and Liu, Q. (2015). Exponential inequalities for martingales with applications. EJP 20.
    Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random variables by betting. JRSS B 86, 1-27.

    Examples
    --------
    >>> rows = np.random.default_rng(0).beta(20, 30, 500)
    >>> bound = log_wealth(*(np.array([x]) for x in (rows.mean(), rows.var(), 500.0, 0.45)))[0]
    >>> exact = [np.log1p(b * (0.45 - rows) / 0.55).sum() for b in BETS]
    >>> bool(np.all(bound <= exact)), round(bound[6]), round(exact[6])
    (True, 6, 6)
    """
    room = 1 - limit
    drift = ((limit - mean) / room)[:, None]
    chord = (1 - mean)[:, None] * np.log1p(BETS * (limit / room)[:, None]) + mean[:, None] * np.log1p(-BETS)
    moment = drift**2 + (second / room**2)[:, None]
    curved = BETS * drift + moment * (np.log1p(-BETS) + BETS)
    return np.asarray(weight[:, None] * np.fmax(chord, curved))


def follow(evidence: Floats, wealth: Floats, most: float) -> Floats:
    """Return log M of each bet after one more window: M = e (M + 1), held at ``most``.

    Examples
    --------
    >>> follow(np.array([-np.inf, 0.0]), np.array([0.5, 0.0]), 9.0).round(2).tolist()
    [0.5, 0.69]
    """
    return np.asarray(np.minimum(wealth + np.logaddexp(evidence, 0.0), most))


def scan(
    series: Series,
    *,
    lower: float = 0.0,
    upper: float = 1.0,
    threshold: float | None = None,
    run_length: float = 10_000.0,
    min_effect: str | float = "0",
    min_n: int = 1,
    season: str = "none",
    subject: str = "Mean reward",
) -> list[Verdict]:
    """Fire when the rows since the reset refute that their mean is what it was, for any distribution on [lower, upper].

    Against ``shiryaev_roberts``, which takes window means for normal: with rare or skewed rewards (a click in 200) they
    are not, and its run length is only roughly kept. Here M = e (M + 1) with betting e-values, whose mean grows by at
    most one a window under the null whatever the distribution, so that the mean run length is at least ``run_length``.
    Where rewards are nearly normal it is slower.

    **Assumption**: E[x | past] >= limit, row by row. Rows that follow each other break it (at an autocorrelation of
    0.3 / 0.6 / 0.9 a run length of 10,985 falls to 1,353 / 227 / 66). A window therefore bets with its effective rows,
    measured on the baseline (long-run variance of window means against the variance inside windows), and windows
    shorter than the correlation time are refused.

    Parameters
    ----------
    series
        Windows; ``stderr`` is the standard error from the rows of each window.
    lower, upper
        Bounds that no row can pass. They must be known, not read off past data.
    threshold
        Smallest healthy mean, in the metric's unit; None takes it from the baseline: its lower 99% confidence limit
        less ``min_effect``.
    run_length
        Guaranteed mean windows to a false alarm.
    min_effect
        ``"2%"`` of the size of the baseline's mean, or ``"0.05"`` in the metric's unit; smaller falls do not count.
    min_n
        Rows below which a window is INSUFFICIENT and left out.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"`` (see detectors.season).
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is M, ``high`` is ``run_length``. INSUFFICIENT for a mean outside the bounds, fewer than 30
        windows of baseline, and windows shorter than the correlation time.

    Raises
    ------
    ValueError
        If ``upper`` is not above ``lower``, ``threshold`` does not lie between them, or ``run_length`` is not above 1.

    References
    ----------
    Shin, J., Ramdas, A. and Rinaldo, A. (2023). E-detectors: a nonparametric framework for sequential change
    detection. New England Journal of Statistics in Data Science 2, 229-260.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clicks = rng.binomial(900, np.repeat([0.05, 0.04], [500, 20])) / 900
    >>> error = np.sqrt(clicks * (1 - clicks) / 900)
    >>> whole = Series(np.arange(520) * 900.0, clicks, error, np.full(520, 900))
    >>> now = Series(whole.time[480:], clicks[480:], error[480:], np.full(40, 900), whole.window(0, 480))
    >>> [v.state.value for v in scan(now)].index("fire") - 20
    15
    """
    return resume(
        series, None, lower=lower, upper=upper, threshold=threshold, run_length=run_length, min_effect=min_effect,
        min_n=min_n, season=season, subject=subject,
    )[0]  # fmt: skip


def resume(
    series: Series,
    carried: Floats | None,
    *,
    lower: float = 0.0,
    upper: float = 1.0,
    threshold: float | None = None,
    run_length: float = 10_000.0,
    min_effect: str | float = "0",
    min_n: int = 1,
    season: str = "none",
    subject: str = "Mean reward",
) -> tuple[list[Verdict], Floats]:
    """Scan the windows that follow those of an earlier call, and return what the next one needs: log M of each bet.

    Examples
    --------
    >>> s = Series(np.arange(4) * 900.0, [0.3, 0.2, 0.3, 0.1], np.full(4, 0.01), np.full(4, 500))
    >>> first, carried = resume(s.window(0, 3), None, threshold=0.3)
    >>> first + resume(s.window(3), carried, threshold=0.3)[0] == scan(s, threshold=0.3)
    True
    """
    _check(lower, upper, threshold, run_length)
    least_effect(min_effect, 0.0)
    width = upper - lower
    state = np.full(len(BETS), -np.inf) if carried is None else carried
    answers = [_answer(series, t, lower, upper, min_n, subject) for t in range(len(series))]
    judged = np.array([t for t, answer in enumerate(answers) if answer is None], dtype=np.int64)
    base, refusal = series.baseline, ""
    good = np.zeros(0, bool) if base is None else (base.n > 0) & readable(base.value)
    have, design, usual = int(np.sum(good)), np.inf, 1.0
    limit = np.full(len(judged), math.nan if threshold is None else threshold)
    if base is not None and have >= MIN_WINDOWS:
        past = np.where(good, base.value, np.nan)
        expected = expectation(base.time, past, np.concatenate([base.time, series.time[judged]]), season)
        fit = autoregression(past - expected.value[: len(base)], base.time)
        inside = base.stderr[good] ** 2
        inside = inside[readable(inside) & (inside > 0)]
        usual = 1 / float(np.mean(1 / base.n[good]))
        design = max(1.0, fit.long_run / float(np.mean(inside))) if len(inside) else np.inf
        if fit.time > LONGEST and fit.correlated:
            refusal = f"windows are shorter than the correlation time, {number(fit.time)} of them; use longer windows"
        if threshold is None:
            error = np.sqrt(expected.error[len(base) :]) * float(stats.norm.isf(1 - CONFIDENCE))
            limit = expected.value[len(base) :] - error - least_effect(min_effect, expected.mean)
    elif threshold is None:
        refusal = f"the baseline has {have} windows, {MIN_WINDOWS} are needed" if base else "no baseline is frozen yet"
    if refusal or len(judged) == 0:
        for t in judged:
            reason = f"{subject} is not judged: {refusal}."
            answers[t] = Verdict(State.INSUFFICIENT, None, None, None, int(series.n[t]), reason)
        return [answer for answer in answers if answer is not None], state
    scaled = np.clip((limit - lower) / width, 0.0, 1 - 1e-9)
    wealth = _wealth(series, judged, scaled, lower, width, design, usual)
    for place, t in enumerate(judged.tolist()):
        state = follow(state, wealth[place], math.log(2 * run_length * len(BETS)))
        total, n = float(np.mean(np.exp(state))), int(series.n[t])
        fires = total >= run_length
        text = (
            f"{subject} {number(float(series.value[t]))}; since the reset it {'is' if fires else 'is not shown to be'} "
            f"below {number(float(limit[place]))}: evidence {number(total)} to 1 (fires at {number(run_length)}), "
            f"{rows(n)}."
        )
        answers[t] = Verdict(State.FIRE if fires else State.OK, total, None, float(run_length), n, text)
    return [answer for answer in answers if answer is not None], state


def _wealth(
    series: Series, judged: NDArray[np.int64], limit: Floats, lower: float, width: float, design: float, usual: float
) -> Floats:
    n = series.n[judged].astype(np.float64)
    # Rows share the shock of their window (1 + (n - 1) rho, Kish 1965); without a baseline a window is one row.
    shared = 1 + (design - 1) * n / usual if math.isfinite(design) else n
    spread = (series.stderr[judged] / width) ** 2 * np.maximum(n - 1, 0)
    spread = np.where(readable(spread) & (n > 1), spread, np.nan)
    spread = np.where(math.isfinite(design), spread, 0.0)
    return log_wealth((series.value[judged] - lower) / width, spread, n / shared, limit)


def _check(lower: float, upper: float, threshold: float | None, run_length: float) -> None:
    if not (math.isfinite(upper - lower) and upper > lower):
        raise ValueError(f"lower = {lower} and upper = {upper} must be the bounds of one row, lower below upper")
    if threshold is not None and not lower < threshold < upper:
        raise ValueError(f"threshold = {threshold} must lie between lower = {lower} and upper = {upper}")
    if not (math.isfinite(run_length) and run_length > 1):
        raise ValueError(f"run_length = {run_length} must be a number of windows above 1")


def _answer(series: Series, t: int, lower: float, upper: float, min_n: int, subject: str) -> Verdict | None:
    value, n = float(series.value[t]), int(series.n[t])
    if n > 0 and math.isfinite(value) and not lower <= value <= upper:
        reason = f"{subject} {number(value)} is not between {number(lower)} and {number(upper)}, so it is not judged."
        return Verdict(State.INSUFFICIENT, None, None, None, n, reason)
    return unreadable(series, t, min_n, subject)
