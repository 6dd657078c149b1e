"""A window's value beyond a limit on its bad side: a fixed one, a multiple of the baseline, or the baseline itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from detectors.effect import least_effect
from detectors.long_run_variance import MIN_WINDOWS
from detectors.season import Expectation, expectation
from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import number, readable, rows, unreadable

_SIDES = {"above": 1.0, "below": -1.0}


@dataclass(frozen=True)
class _Rule:
    """What a window is held to."""

    sign: float
    k: float
    min_effect: str | float
    subject: str

    @property
    def side(self) -> str:
        return "above" if self.sign > 0 else "below"


def scan(
    series: Series,
    *,
    threshold: float | None = None,
    ratio: float | None = None,
    side: str = "above",
    k: float = 3.0,
    min_effect: str | float = "0",
    min_n: int = 30,
    season: str = "none",
    subject: str = "The value",
) -> list[Verdict]:
    """Fire where a window's value is beyond its limit by k standard errors, or, without a limit, beyond its baseline.

    Against ``frozen_sigma``, which asks for a drop from the baseline only: here the bad side is chosen, and where
    people know what is too much (an agreed share of slow answers, a hard maximum of the divergence from a reference),
    that number is the limit. Against comparing the plain value: a window of few rows passes any limit by chance.

    With a limit, the value less k standard errors must be beyond it. The error is the larger of the in-window one and
    the spread of the baseline's window values, because rows of one window share shocks. Without a limit,

        z = (value - expected) / sqrt(variance of a window value + variance of the expectation)

    as in ``frozen_sigma``, where the variance of a window value is at least its in-window one: a baseline of zeros
    must not make the first event a thousand sigma.

    Parameters
    ----------
    series
        Windows; a baseline where there is no ``threshold``. Only the judged window is read, not its past.
    threshold
        The limit, in the metric's unit.
    ratio
        The limit as a multiple of the baseline's expectation; ignored where there is a ``threshold``.
    side
        ``"above"`` or ``"below"``: where the bad values are.
    k
        Standard errors.
    min_effect
        Without a limit: ``"2%"`` of the baseline's mean, or ``"0.05"`` in the metric's unit; the change must reach it.
    min_n
        Rows below which a window is INSUFFICIENT.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"`` (see detectors.season).
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        With a limit, ``statistic`` is the value's confidence bound that is nearer to it; without one, z.

    Raises
    ------
    ValueError
        If ``side``, ``k``, ``min_effect`` or ``season`` cannot be read.

    References
    ----------
    Alwan, L. C. and Roberts, H. V. (1988). Time-series modeling for statistical process control. JBES 6, 87-95.

    Examples
    --------
    >>> now = Series([0, 900], [0.02, 0.08], [0.01, 0.01], [400, 400])
    >>> [v.state.value for v in scan(now, threshold=0.01, subject="Slow share")]
    ['ok', 'fire']
    >>> scan(now, threshold=0.01, subject="Slow share")[1].reason
    'Slow share 0.08 less 3 standard errors is 0.05, above 0.01, 400 decisions.'
    """
    if side not in _SIDES:
        raise ValueError(f'side = {side!r} is unknown: write "above" or "below"')
    if isinstance(k, str) or not 0 < k < 38:
        raise ValueError(f"k = {k!r} is not a number of sigma: write a number from 1 to 10")
    rule = _Rule(_SIDES[side], k, min_effect, subject)
    least_effect(min_effect, 0.0)
    base = series.baseline
    good = np.zeros(0, bool) if base is None else (base.n > 0) & readable(base.value)
    expected, usual = None, 0.0
    if base is not None and int(good.sum()) >= MIN_WINDOWS:
        expected = expectation(base.time, np.where(good, base.value, np.nan), series.time, season)
        usual = 1 / float(np.mean(1 / base.n[good]))
    fixed = threshold is not None
    verdicts = []
    for t in range(len(series)):
        answer = unreadable(series, t, min_n, subject)
        if answer is None and expected is None and not fixed:
            answer = _without_baseline(series, t, int(good.sum()), subject)
        if answer is None and (fixed or ratio is not None):
            limit = float(threshold if threshold is not None else _multiple(expected, ratio, t))
            answer = _against_limit(series, t, limit, expected, usual, rule)
        elif answer is None and expected is not None:
            answer = _against_baseline(series, t, expected, usual, rule)
        if answer is not None:
            verdicts.append(answer)
    return verdicts


def _multiple(expected: Expectation | None, ratio: float | None, t: int) -> float:
    return math.nan if expected is None or ratio is None else ratio * float(expected.value[t])


def _without_baseline(series: Series, t: int, have: int, subject: str) -> Verdict:
    reason = f"{subject} is not judged: no baseline is frozen yet."
    if series.baseline is not None:
        reason = f"{subject} is not judged: the baseline has {have} windows, {MIN_WINDOWS} are needed."
    return Verdict(State.INSUFFICIENT, None, None, None, int(series.n[t]), reason)


def _variance(series: Series, t: int, expected: Expectation | None, usual: float) -> float:
    """Return the variance of a window's value, NaN where nothing is known about it."""
    error = float(series.stderr[t])
    inside = error**2 if readable(error) and error >= 0 else math.nan
    if expected is None:
        return inside
    between = expected.spread.variance * max(1.0, usual / int(series.n[t]))
    return float(np.fmax(inside, between))


def _against_limit(
    series: Series, t: int, limit: float, expected: Expectation | None, usual: float, rule: _Rule
) -> Verdict:
    value, n = float(series.value[t]), int(series.n[t])
    variance = _variance(series, t, expected, usual)
    low, high = (None, limit) if rule.sign > 0 else (limit, None)
    if not (math.isfinite(variance) and math.isfinite(limit)):
        reason = f"{rule.subject} {number(value)} is not judged: its error is not known."
        return Verdict(State.INSUFFICIENT, None, None, None, n, reason)
    bound = value - rule.sign * rule.k * math.sqrt(variance)
    beyond, plainly = rule.sign * (bound - limit) > 0, rule.sign * (value - limit) > 0
    word, joined = rule.side, "less" if rule.sign > 0 else "plus"
    if beyond:
        text = f"{joined} {rule.k:g} standard errors is {number(bound)}, {word} {number(limit)}"
    elif plainly:
        text = f"is {word} {number(limit)}, but not by {rule.k:g} standard errors"
    else:
        text = f"is not {word} {number(limit)}"
    reason = f"{rule.subject} {number(value)} {text}, {rows(n)}."
    return Verdict(State.FIRE if beyond else State.OK, float(np.clip(bound, -1e100, 1e100)), low, high, n, reason)


def _against_baseline(series: Series, t: int, expected: Expectation, usual: float, rule: _Rule) -> Verdict:
    value, n, mean = float(series.value[t]), int(series.n[t]), float(expected.value[t])
    effect = least_effect(rule.min_effect, expected.mean)
    # The variance is estimated: k sigma keeps its normal probability by Student's t, as in frozen_sigma.
    limit = float(stats.t.isf(stats.norm.sf(rule.k), max(expected.spread.effective - 1, 4.0)))
    error = math.sqrt(_variance(series, t, expected, usual) + float(expected.error[t]))
    z = float(np.clip((value - mean) / error, -1e12, 1e12)) if error > 0 else 1e12 * np.sign(value - mean)
    far, large = rule.sign * z >= limit, rule.sign * (value - mean) >= effect
    wanted = "" if effect == 0 else f", {str(rule.min_effect).strip()}"
    reason = (
        f"{rule.subject} {number(value)} is {abs(z):,.1f} sigma {'below' if z < 0 else 'above'} its baseline "
        f"{number(mean)} (limit {limit:.1f} sigma {rule.side}{wanted}), {rows(n)}."
    )
    if far and not large:
        reason += f" The change of {number(abs(value - mean))} is smaller than {number(effect)} and does not count."
    if expected.note:
        reason += f" {expected.note[0].upper()}{expected.note[1:]}."
    low, high = (None, limit) if rule.sign > 0 else (-limit, None)
    return Verdict(State.FIRE if far and large else State.OK, float(z), low, high, n, reason)
