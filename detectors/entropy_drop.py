"""A fall of the diversity of actions that is more than its noise: the trigger entropy_drop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from detectors.effect import least_effect
from detectors.entropy_floor import normalised_entropy
from detectors.long_run_variance import MIN_WINDOWS
from detectors.season import expectation
from detectors.series import Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, readable, rows, unreadable


def entropy_variance(counts: ArrayLike) -> Floats:
    """Return the sampling variance of each row's normalised entropy, for independent rows; NaN for an empty one.

    (sum p ln^2 p - H^2) / n by the delta method, freed of its own bias, (K - 1) / n^2. It vanishes for equal shares,
    where the next order, (K - 1) / 2n^2, is all there is: both are counted.

    Parameters
    ----------
    counts
        Times each of K actions was taken, shape (T, K).

    References
    ----------
    Basharin, G. P. (1959). On a statistical estimate for the entropy of a sequence of independent random variables.
    Theory of Probability and Its Applications 4, 333-336.

    Examples
    --------
    >>> np.sqrt(entropy_variance([[90, 10], [50, 50]])).round(4).tolist()
    [0.0945, 0.0102]
    """
    table = np.asarray(counts, np.float64)
    n = np.maximum(table.sum(axis=1), 1)
    share = table / n[:, None]
    logs = np.log(np.where(share > 0, share, 1.0))
    first = np.sum(share * logs**2, axis=1) - np.sum(share * logs, axis=1) ** 2
    second = np.maximum(np.sum(table > 0, axis=1) - 1, 0) / (2 * n**2)
    first -= 2 * n * second
    scale = math.log(max(table.shape[1], 2)) ** 2
    return np.where(table.sum(axis=1) > 0, (np.maximum(first, 0.0) / n + second) / scale, np.nan)


def scan(
    series: Series,
    *,
    k: float = 3.0,
    min_effect: str | float = "10%",
    min_n: int = 30,
    season: str = "none",
    subject: str = "Action entropy",
) -> list[Verdict]:
    """Fire where the entropy of the actions is k sigma, and by an effect that matters, below its baseline.

    Against ``entropy_floor``, which waits until half of the diversity is gone: this one sees a policy that begins to
    narrow, as soon as the fall stands out of the baseline's own noise.

    Parameters
    ----------
    series
        ``counts`` of the actions, shape (T, K), in windows and baseline; without them ``value`` is the entropy over
        ln K, and a window's own sampling error is not told apart from the noise between windows.
    k
        Standard errors; the limit is Student's t with the degrees of freedom that the baseline is worth.
    min_effect
        ``"10%"`` of the baseline's entropy, or ``"0.05"`` of ln K; the fall must reach it.
    min_n
        Rows below which a window is INSUFFICIENT.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"`` (see detectors.season).
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is z = (entropy - expected) / sqrt(variance between windows + sampling variance of this window +
        variance of the expectation), ``low`` its limit. A quiet window is held to a wider limit, because its entropy
        is noisier; the plug-in bias is taken off in windows and baseline alike (Miller-Madow).

    References
    ----------
    Miller, G. (1955). Note on the bias of information estimates. Information Theory in Psychology, 95-100.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def windows(first, shares, length, past=None):
    ...     zeros, n = np.zeros(length), np.full(length, 500)
    ...     time = (first + np.arange(length)) * 900.0
    ...     return Series(time, zeros, zeros, n, past, rng.multinomial(500, shares, length))
    >>> past = windows(0, [0.4, 0.3, 0.2, 0.1], 200)
    >>> [scan(windows(200, s, 1, past))[0].state.value for s in ([0.4, 0.3, 0.2, 0.1], [0.7, 0.2, 0.05, 0.05])]
    ['ok', 'fire']
    """
    least_effect(min_effect, 0.0)
    base, values, sampling = series.baseline, *_entropies(series)
    shown = Series(series.time, values, series.stderr, series.n, base)
    answers = [unreadable(shown, t, min_n, subject) for t in range(len(series))]
    past, own = (np.zeros(0), np.zeros(0)) if base is None else _entropies(base)
    have = int(np.sum(readable(past)))
    if base is None or have < MIN_WINDOWS:
        why = "no baseline is frozen yet" if base is None else f"the baseline has {have} windows with actions, "
        why += "" if base is None else f"{MIN_WINDOWS} are needed"
        reason = f"{subject} is not judged: {why}."
        return [
            answer or Verdict(State.INSUFFICIENT, None, None, None, int(n), reason)
            for answer, n in zip(answers, series.n, strict=True)
        ]
    expected = expectation(base.time, np.where(readable(past), past, np.nan), series.time, season)
    spread = expected.spread
    limit = float(stats.t.isf(stats.norm.sf(k), max(spread.effective - 1, 4.0)))
    effect = least_effect(min_effect, expected.mean)
    usual = float(np.mean(own[readable(own)])) if bool(np.any(readable(own))) else math.nan
    between = spread.variance if math.isnan(usual) else max(0.0, spread.variance - usual)
    for t, answer in enumerate(answers):
        if answer is None:
            here = spread.variance if math.isnan(sampling[t]) else between + max(float(sampling[t]), usual)
            facts: dict[str, Any] = {"mean": float(expected.value[t]), "variance": here + float(expected.error[t])}
            facts |= {"limit": limit, "effect": effect, "note": expected.note, "subject": subject}
            answers[t] = _judge(float(values[t]), int(series.n[t]), **facts)
    return [answer for answer in answers if answer is not None]


def _judge(
    value: float, n: int, *, mean: float, variance: float, limit: float, effect: float, note: str, subject: str
) -> Verdict:
    if mean < 1e-9:
        reason = f"{subject} {number(value)}: the baseline took one action only, so there is no diversity to lose."
        return Verdict(State.OK, 0.0, -limit, None, n, reason)
    z = float(np.clip((value - mean) / math.sqrt(max(variance, 1e-24)), -1e12, 1e12))
    far, matters = z <= -limit, mean - value >= effect
    text = f"{subject} {number(value)} is {abs(z):,.1f} sigma {'below' if z < 0 else 'above'} its baseline "
    text += f"{number(mean)} (limit {limit:.1f} sigma, {number(effect)}), {rows(n)}."
    if far and not matters:
        text += f" The fall of {number(mean - value)} is smaller than {number(effect)} and does not count."
    text += f" {note[0].upper()}{note[1:]}." if note else ""
    return Verdict(State.FIRE if far and matters else State.OK, z, -limit, None, n, text)


def _entropies(series: Series) -> tuple[Floats, Floats]:
    """Return the entropy of each window and its sampling variance, NaN where unknown."""
    if series.counts is not None and series.counts.ndim == 2 and series.counts.shape[1] >= 2:
        return normalised_entropy(series.counts), entropy_variance(series.counts)
    unknown = np.full(len(series), math.nan)
    return np.where(series.n > 0, series.value, np.nan), unknown
