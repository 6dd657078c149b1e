"""A window mean against a frozen baseline: the trigger reward_3sigma."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import stats

from detectors.autoregression import autoregression
from detectors.effect import least_effect
from detectors.long_run_variance import LONG_BASELINE, MIN_WINDOWS
from detectors.season import expectation
from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import number, readable, rows, unreadable

LEAST_EFFECTIVE = 40
"""Independent windows that fewer than 300 correlated ones must be worth: with 9 of them 3 sigma is 1 window in 185."""

BEYOND_DOUBT = 2.0
"""Limits below the baseline at which even a baseline that knows too little is believed."""


def scan(
    series: Series,
    *,
    k: float | Literal["auto"] = 3.0,
    min_effect: str | float = "0",
    min_n: int = 30,
    season: str = "none",
    budget_per_window: float = 0.00135,
    run_length: float | None = None,
    subject: str = "Mean reward",
) -> list[Verdict]:
    """Fire where a window mean lies k sigma, and by an effect that matters, below its frozen baseline.

    Against ``rolling_sigma``: a frozen baseline sees a slow decline, a rolling one adapts to it. Against an error from
    the rows of the window: rows of one window share shocks and follow each other, so such an error makes "3 sigma" an
    everyday event. Here

        z = (value - expected) / sqrt(variance of a window mean + variance of the expectation),

    both from the ordered means of the baseline's windows (lag 0 for the window, long-run variance / L for the
    expectation). The variance is itself estimated, so k sigma is held to its normal probability by a Student t limit
    with as many degrees of freedom as the baseline has effective windows: 3.03 sigma instead of 3 at L = 300.

    Parameters
    ----------
    series
        Windows and a baseline of windows of the same length; only the judged window itself is read, not its past.
    k
        Standard errors; ``"auto"`` takes the normal quantile of ``budget_per_window``.
    min_effect
        ``"2%"`` of the size of the baseline's mean, or ``"0.05"`` in the metric's unit; the drop must reach it.
    min_n
        Rows below which a window is INSUFFICIENT.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"`` (see detectors.season).
    budget_per_window
        With k = "auto": allowed probability of a false alarm a window. That several windows in a row are asked for
        is not credited, as windows in a row are seldom independent.
    run_length
        With k = "auto": mean windows to a false alarm, in place of ``budget_per_window`` (its inverse). Kept within
        15% on average over baselines of 300 windows that are 15 correlation times long or longer.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is z, ``low`` the limit. A window with fewer rows than the baseline's usual (harmonic mean) has
        its variance widened in proportion. Fewer than 30 baseline windows are INSUFFICIENT, and so are fewer than 300
        that follow each other and are worth less than 40 independent ones, unless the drop is twice the limit (a short
        baseline must not hide a collapse) or less than ``min_effect``. Where fewer than 300 strongly correlated ones
        are judged, the reason says that the baseline is short: the run length of 741 windows for 3 sigma is then kept
        on average over baselines, not by each of them.

    Raises
    ------
    ValueError
        If ``min_effect``, ``season``, ``k`` or ``run_length`` cannot be read.

    References
    ----------
    Alwan, L. C. and Roberts, H. V. (1988). Time-series modeling for statistical process control. JBES 6, 87-95.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> past = Series(np.arange(400) * 900.0, rng.normal(0.43, 0.005, 400), np.full(400, 0.004), np.full(400, 900))
    >>> now = Series([400 * 900.0, 401 * 900.0], [0.431, 0.40], [0.004, 0.004], [900, 900], past)
    >>> healthy, fallen = scan(now, k=3.0, min_effect="2%")
    >>> healthy.state.value, fallen.state.value
    ('ok', 'fire')
    >>> fallen.reason
    'Mean reward 0.4 is 6.0 sigma below its baseline 0.43 (limit 3.0 sigma, 2%), 900 decisions.'
    """
    chosen = _limit(k, budget_per_window, run_length)
    base = series.baseline
    least_effect(min_effect, 0.0)
    answers = [unreadable(series, t, min_n, subject) for t in range(len(series))]
    judged = [t for t, answer in enumerate(answers) if answer is None]
    good = np.array([]) if base is None else (base.n > 0) & readable(base.value)
    have = int(np.sum(good))
    if base is None:
        return _refused(series, answers, f"{subject} is not judged: no baseline is frozen yet.")
    if have < MIN_WINDOWS:
        reason = f"{subject} is not judged: the baseline has {have} windows, {MIN_WINDOWS} are needed."
        return _refused(series, answers, reason)
    past = np.where(good, base.value, np.nan)
    expected = expectation(base.time, past, series.time, season)
    spread = expected.spread
    fit = autoregression(past - expectation(base.time, past, base.time, season).value, base.time)
    scarce = ""
    if have < LONG_BASELINE and fit.effective < LEAST_EFFECTIVE and fit.correlated:
        scarce = (
            f"{subject} is not judged: the {have} windows of the baseline follow each other so closely that they are "
            f"worth {fit.effective:.0f} independent ones, {LEAST_EFFECTIVE} are needed; freeze a longer one."
        )
    effect = least_effect(min_effect, expected.mean)
    effective = min(spread.effective, fit.effective)  # Bartlett's sum of few correlated windows comes out too small
    limit = float(stats.t.isf(stats.norm.sf(chosen), max(effective - 1, 4.0)))
    usual = 1 / float(np.mean(1 / base.n[good]))
    notes = [f"{expected.note}."] if expected.note else []
    if spread.short:
        notes.append(f"The baseline is short: {have} correlated windows know as much as {spread.effective:.0f}.")
    wanted = "" if effect == 0 else f", {str(min_effect).strip()}"
    for t in judged:
        value, n, mean = float(series.value[t]), int(series.n[t]), float(expected.value[t])
        error = np.sqrt(spread.variance * max(1.0, usual / n) + expected.error[t])
        z = float(np.clip((value - mean) / error, -1e12, 1e12))
        low_enough, large_enough = z <= -limit, mean - value >= effect
        if scarce and large_enough and z > -BEYOND_DOUBT * limit:
            answers[t] = Verdict(State.INSUFFICIENT, None, None, None, n, scarce)
            continue
        side = "below" if z < 0 else "above"
        text = (
            f"{subject} {number(value)} is {abs(z):,.1f} sigma {side} its baseline {number(mean)} "
            f"(limit {limit:.1f} sigma{wanted}), {rows(n)}."
        )
        if low_enough and not large_enough:
            text += f" The drop of {number(mean - value)} is smaller than {number(effect)} and does not count."
        state = State.FIRE if low_enough and large_enough else State.OK
        answers[t] = Verdict(state, z, -limit, None, n, " ".join([text, *notes]))
    return [answer for answer in answers if answer is not None]


def _refused(series: Series, answers: list[Verdict | None], reason: str) -> list[Verdict]:
    refusals = [Verdict(State.INSUFFICIENT, None, None, None, int(n), reason) for n in series.n]
    return [refusal if answer is None else answer for answer, refusal in zip(answers, refusals, strict=True)]


def _limit(k: float | str, budget_per_window: float, run_length: float | None) -> float:
    if k == "auto":
        if run_length is not None and not run_length > 2:
            raise ValueError(f"run_length = {run_length} must be a number of windows above 2")
        if run_length is not None:
            return float(stats.norm.isf(1 / run_length))
        if not 0 < budget_per_window < 0.5:
            raise ValueError(f"budget_per_window = {budget_per_window} must be a probability between 0 and 0.5")
        return float(stats.norm.isf(budget_per_window))
    if isinstance(k, str) or not 0 < k < 38:
        raise ValueError(f'k = {k!r} is not a number of sigma: write a number from 1 to 10, or "auto"')
    return float(k)
