"""A lasting fall of window means, however small: the trigger reward_slow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detectors.autoregression import AutoRegression, autoregression
from detectors.effect import least_effect
from detectors.long_run_variance import MIN_WINDOWS
from detectors.season import Expectation, expectation
from detectors.series import Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, readable, rows, unreadable

FALLS = np.geomspace(1 / 8, 2, 9)
"""delta: falls that are looked for, in standard deviations of a window; each has the same weight."""

LARGEST = 4.0
"""Standard deviations to which one window counts: a single impossible window shall not decide a lasting fall."""

LEAST_EFFECTIVE = 10
"""Independent windows that a baseline must be worth."""


@dataclass(frozen=True)
class Carried:
    """What a scan needs of the past: the evidence of each fall, and the last window that was judged."""

    evidence: Floats
    time: float = -math.inf
    drop: float = 0.0
    widened: float = 1.0


def threshold(run_length: float) -> float:
    """Return the evidence at which the mean run length without a fault is ``run_length`` windows.

    The evidence grows by one a window on average where nothing is wrong (it less the windows seen is a martingale), so
    that a threshold of ``run_length`` keeps it for certain; but it jumps over its threshold, by a factor whose mean
    1/zeta(delta) is known, and taking that into account finds a fall of 0.25 sigma 12 windows sooner.

    Parameters
    ----------
    run_length
        Mean windows to a false alarm.

    References
    ----------
    Siegmund, D. (1985). Sequential Analysis, chapter 8: zeta = 2 / delta^2 exp(-2 sum Phi(-delta sqrt(n) / 2) / n).

    Examples
    --------
    >>> round(threshold(10_000) / 10_000, 3)
    0.694
    """
    n = np.arange(1, 4001)
    tails = stats.norm.sf(FALLS[:, None] * np.sqrt(n) / 2) / n
    return run_length * float(np.mean(2 / FALLS**2 * np.exp(-2 * tails.sum(axis=1))))


def ratios(innovation: Floats, shift: Floats, variance: Floats) -> Floats:
    """Return the likelihood ratio "fallen by delta" against "not fallen" of what is new in each window.

    Parameters
    ----------
    innovation
        Drop of a window that the window before it does not explain, shape (T,).
    shift
        What a fall of one standard deviation adds to it, shape (T,).
    variance
        Its variance, shape (T,).

    Returns
    -------
    array of shape (T, falls)
        Each has mean at most 1 where nothing has fallen, also with windows counted to ``LARGEST`` only.

    Examples
    --------
    >>> ratios(np.array([0.0]), np.ones(1), np.ones(1)).round(2)[0, [0, -1]].tolist()
    [0.99, 0.14]
    """
    error = np.sqrt(variance)
    size = FALLS * (shift / error)[..., None]
    return np.asarray(np.exp(size * np.minimum(innovation / error, LARGEST)[..., None] - size**2 / 2))


def follow(evidence: Floats, ratio: Floats, most: float) -> Floats:
    """Return the evidence of each fall after one more window: R = (1 + R) L, held at ``most``.

    Held, because what is far beyond the threshold says nothing more and would keep an alert firing for weeks after
    the reward came back. Before the threshold is reached the limit plays no part.

    Parameters
    ----------
    evidence
        R so far, shape (..., falls), 0 at the start.
    ratio
        Likelihood ratios of the window, the same shape.
    most
        Limit of each.

    References
    ----------
    Pollak, M. (1985). Optimal detection of a change in distribution. Annals of Statistics 13, 206-227.

    Examples
    --------
    >>> follow(np.zeros(2), np.array([0.5, 3.0]), 100.0).tolist()
    [0.5, 3.0]
    """
    return np.asarray(np.minimum((1 + evidence) * ratio, most))


def scan(
    series: Series,
    *,
    run_length: float = 10_000.0,
    min_effect: str | float = "0",
    min_n: int = 30,
    season: str = "none",
    subject: str = "Mean reward",
) -> list[Verdict]:
    """Fire when all windows since the reset together say that the mean has fallen, be it by an eighth of a sigma.

    Against ``frozen_sigma``, which judges each window alone: at a run length of 10,000 it needs 4,175 windows for a
    fall of a quarter of a sigma, this rule 180. Against EWMA and CUSUM, which are tuned to one size of fall: a mixture
    over nine, from an eighth to two, is near the best for each. Against the average since the reset: a fall that began
    yesterday is not drowned by a healthy month.

    **The baseline is an estimate.** Against its plain mean, one that came out a standard error high cuts a run length
    of 10,000 to 2,900 (720 windows). Tested is therefore "mean >= lower 90% confidence limit of the baseline -
    min_effect", with the upper 90% limit of its standard deviation: nine baselines in ten exceed their run length, or
    keep 0.9 of it at a correlation of 0.6. **Windows follow each other.** What is new in each of them is judged, given
    the one before (an AR(1) fitted to the baseline); what one lag does not explain widens the limits.

    Parameters
    ----------
    series
        Windows and a baseline of windows of the same length.
    run_length
        Mean windows to a false alarm, the target of the calibration: kept within 15% for normal windows and a known
        baseline.
    min_effect
        ``"2%"`` of the size of the baseline's mean, or ``"0.05"`` in the metric's unit; a smaller fall never fires.
    min_n
        Rows below which a window is INSUFFICIENT and left out.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"`` (see detectors.season).
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the evidence, ``high`` its threshold. INSUFFICIENT where the baseline has fewer than 30
        windows, or is worth fewer than 10 independent ones.

    Raises
    ------
    ValueError
        If ``run_length`` is not above 1, or ``min_effect`` or ``season`` cannot be read.

    References
    ----------
    Pollak, M. and Siegmund, D. (1985). A diffusion process and its applications to detecting a change in the drift of
    Brownian motion. Biometrika 72, 267-280.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> past = Series(np.arange(900) * 900.0, rng.normal(0.43, 0.005, 900), np.full(900, 0.004), np.full(900, 900))
    >>> means = np.append(rng.normal(0.43, 0.005, 200), rng.normal(0.4275, 0.005, 100))  # half a sigma
    >>> verdicts = scan(Series((900 + np.arange(300)) * 900.0, means, np.full(300, 0.004), np.full(300, 900), past))
    >>> [v.state.value for v in verdicts].index("fire") - 200
    93
    """
    return resume(
        series, None, run_length=run_length, min_effect=min_effect, min_n=min_n, season=season, subject=subject
    )[0]


def resume(
    series: Series,
    carried: Carried | None,
    *,
    run_length: float = 10_000.0,
    min_effect: str | float = "0",
    min_n: int = 30,
    season: str = "none",
    subject: str = "Mean reward",
) -> tuple[list[Verdict], Carried]:
    """Scan the windows that follow those of an earlier call, and return what the next one needs.

    ``scan`` is this with nothing carried; parameters are the same.

    Examples
    --------
    >>> past = Series(np.arange(60) * 900.0, np.arange(60) % 7, np.full(60, 1.0), np.full(60, 50))
    >>> s = Series((60 + np.arange(4)) * 900.0, [3.0, 2.0, 1.0, 0.0], np.full(4, 1.0), np.full(4, 50), past)
    >>> first, carried = resume(s.window(0, 3), None)
    >>> first + resume(s.window(3), carried)[0] == scan(s)
    True
    """
    if not (math.isfinite(run_length) and run_length > 1):
        raise ValueError(f"run_length = {run_length} must be a number of windows above 1")
    least_effect(min_effect, 0.0)
    state = Carried(np.zeros(len(FALLS))) if carried is None else carried
    answers = [unreadable(series, t, min_n, subject) for t in range(len(series))]
    judged = np.array([t for t, answer in enumerate(answers) if answer is None], dtype=np.int64)
    known, refusal = _known(series.baseline, series.time[judged], season, subject)
    if known is None or len(judged) == 0:
        for t in judged:
            answers[t] = Verdict(State.INSUFFICIENT, None, None, None, int(series.n[t]), refusal)
        return [answer for answer in answers if answer is not None], state
    effect = least_effect(min_effect, known.expected.mean)
    ratio, last = known.ratios(series, judged, effect, state)
    wall = threshold(run_length)
    evidence, wanted = state.evidence, "" if effect == 0 else f" by {str(min_effect).strip()}"
    for place, t in enumerate(judged.tolist()):
        evidence = follow(evidence, ratio[place], 2 * wall * len(FALLS))
        total, n = float(np.mean(evidence)), int(series.n[t])
        fires = total >= wall
        size = number(float(f"{FALLS[np.argmax(evidence)]:.2g}"))
        said = f"has fallen below its baseline{wanted}, by about {size} sigma:" if fires else "shows no lasting fall:"
        text = (
            f"{subject} {said} {number(float(series.value[t]))} against {number(known.expected.value[place])}, "
            f"evidence since the reset {number(total)} (fires at {number(wall)}), {rows(n)}.{known.note}"
        )
        answers[t] = Verdict(State.FIRE if fires else State.OK, total, None, wall, n, text)
    return [answer for answer in answers if answer is not None], Carried(evidence, *last)


@dataclass(frozen=True)
class _Known:
    """The baseline as the test uses it: expected values, correlation, and the limits of its errors."""

    expected: Expectation
    fit: AutoRegression
    usual: float
    step: float
    note: str

    def ratios(
        self, series: Series, judged: NDArray[np.int64], effect: float, state: Carried
    ) -> tuple[Floats, tuple[float, float, float]]:
        """Return the likelihood ratios of the windows judged, and time, drop and width of the last of them."""
        fit = self.fit
        variance = fit.spread
        drop = self.expected.value - fit.below - effect - series.value[judged]
        spread = self.expected.spread  # the error of an hour's own mean is shared by the windows of that hour
        own = (self.expected.error - spread.long_run / spread.windows) * max(1.0, 3600 / self.step)
        widened = np.maximum(1.0, self.usual / series.n[judged]) + np.maximum(own, 0.0) / variance
        time = series.time[judged]
        before = np.concatenate([[state.time], time[:-1]])
        gap = np.maximum(np.rint((time - before) / self.step), 1.0)
        tied = fit.correlation**gap  # 0 after the infinite gap before the first window
        innovation = drop - tied * np.concatenate([[state.drop], drop[:-1]])
        old = np.concatenate([[state.widened], widened[:-1]])
        noise = variance * (1 - tied**2 + (widened - 1) + tied**2 * (old - 1))
        shift = math.sqrt(variance * (1 + fit.correlation) / (1 - fit.correlation)) * (1 - tied)
        return ratios(innovation, shift, noise), (float(time[-1]), float(drop[-1]), float(widened[-1]))


def _known(base: Series | None, time: Floats, season: str, subject: str) -> tuple[_Known | None, str]:
    good = np.zeros(0, bool) if base is None else (base.n > 0) & readable(base.value)
    have = int(np.sum(good))
    if base is None or have < MIN_WINDOWS:
        lacks = "no baseline is frozen yet" if base is None else f"the baseline has {have} windows"
        needs = "" if base is None else f", {MIN_WINDOWS} are needed"
        return None, f"{subject} is not judged: {lacks}{needs}."
    past = np.where(good, base.value, np.nan)
    everything = expectation(base.time, past, np.concatenate([base.time, time]), season)
    fit = autoregression(past - everything.value[: len(base)], base.time)
    if fit.effective < LEAST_EFFECTIVE:
        reason = (
            f"{subject} is not judged: {have} windows of the baseline follow each other so closely that they are worth "
            f"{fit.effective:.0f} independent ones, {LEAST_EFFECTIVE} are needed; use longer windows or baselines."
        )
        return None, reason
    expected = Expectation(
        everything.value[len(base) :],
        everything.error[len(base) :],
        everything.mean,
        everything.spread,
        everything.note,
    )
    step = float(np.min(np.diff(base.time)))
    note = f" {everything.note[0].upper()}{everything.note[1:]}." if everything.note else ""
    return _Known(expected, fit, 1 / float(np.mean(1 / base.n[good])), step, note), ""
