"""A window mean against the windows just before it: the trigger reward_rolling_2sigma."""

from __future__ import annotations

import math

import numpy as np

from detectors.effect import least_effect
from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import number, readable, rows, unreadable


def scan(
    series: Series,
    *,
    k: float = 2.0,
    lookback: int = 30,
    min_effect: str | float = "0",
    min_n: int = 30,
    subject: str = "Mean reward",
) -> list[Verdict]:
    """Fire where a window mean lies k sigma below the mean of the previous windows.

    The rule that the literature asks for, kept as a warning. **The boiling frog**: the previous windows follow a
    decline, so that against w of them a straight decline without noise never passes z = -sqrt(3 (w + 1) / w), which
    is -1.76 at w = 30: it never fires at all. With noise it fires in 3% of healthy windows (2 sigma of a Student t
    with 29 degrees of freedom) and in 4% of windows that lose 0.01 sigma each: no power. ``frozen_sigma`` sees it.

    Parameters
    ----------
    series
        Windows in order; the baseline is not read.
    k
        Standard deviations of the previous window means.
    lookback
        w, previous windows compared with; at least half of them must have rows.
    min_effect
        ``"2%"`` of the size of the rolling mean, or ``"0.05"`` in the metric's unit.
    min_n
        Rows below which a window is INSUFFICIENT (and is left out of later rolling means).
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is z, ``low`` is -k.

    Raises
    ------
    ValueError
        If ``lookback`` is below 2 or ``min_effect`` cannot be read.

    References
    ----------
    Montgomery, D. C. (2019). Introduction to Statistical Quality Control, chapter 9.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> means = np.append(rng.normal(1.0, 0.1, 40), 0.5)
    >>> verdicts = scan(Series(np.arange(41) * 900.0, means, np.full(41, 0.1), np.full(41, 100)))
    >>> verdicts[5].state.value, verdicts[-1].state.value
    ('insufficient', 'fire')
    """
    if lookback < 2:
        raise ValueError(f"lookback = {lookback} is too short: a rolling spread needs at least 2 windows")
    least_effect(min_effect, 0.0)
    needed = max(2, math.ceil(lookback / 2))
    counted = (series.n >= max(min_n, 1)) & readable(series.value)
    if series.held:
        counted &= np.array([not reason for reason in series.held])
    verdicts = []
    for t in range(len(series)):
        answer = unreadable(series, t, min_n, subject)
        if answer is not None:
            verdicts.append(answer)
            continue
        window = slice(max(0, t - lookback), t)
        previous = series.value[window][counted[window]]
        value, n = float(series.value[t]), int(series.n[t])
        if len(previous) < needed:
            reason = f"{subject} is not judged: {len(previous)} of the previous {lookback} windows can be used, "
            verdicts.append(Verdict(State.INSUFFICIENT, None, None, None, n, f"{reason}{needed} are needed."))
            continue
        mean = float(np.mean(previous))
        floor = 1e-12 + 1e-9 * float(np.max(np.abs(previous)))  # a constant run has no spread: keep z finite
        sigma = max(float(np.std(previous, ddof=1)), floor)
        z = float(np.clip((value - mean) / sigma, -1e12, 1e12))
        effect = least_effect(min_effect, mean)
        fires = z < -k and mean - value >= effect
        wanted = "" if effect == 0 else f", {str(min_effect).strip()}"
        reason = (
            f"{subject} {number(value)} is {abs(z):,.1f} sigma {'below' if z < 0 else 'above'} the mean {number(mean)} "
            f"of the previous {len(previous)} windows (limit {number(k)} sigma{wanted}), {rows(n)}."
        )
        verdicts.append(Verdict(State.FIRE if fires else State.OK, z, -float(k), None, n, reason))
    return verdicts
