"""Episodes that pay less than they did, at all of their steps or at some: the test of Greenberg and Mannor."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.effect import least_effect
from detectors.long_run_variance import MIN_WINDOWS
from detectors.profiles import LEAST_P, Profile
from detectors.series import Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, percent, readable

_ROWS_A_STEP = 3


def scan(
    series: Series,
    *,
    alpha: float = 0.001,
    lookback: int = 20,
    min_effect: str | float = "0",
    min_n: int = 10,
    share: float = 0.3,
    subject: str = "The return of an episode",
) -> list[Verdict]:
    """Fire where the rewards of the last episodes are below those of reference episodes, step by step.

    Against a test of the plain mean, in which the noisiest steps drown the others: rewards inside an episode are
    neither independent nor alike, and with steps weighed by the inverse covariance far fewer episodes are needed.
    Against treating steps as independent, which calls one bad start fifty bad steps.

    Parameters
    ----------
    series
        ``vectors``: the mean reward at each step over the ``n`` episodes that ended in a window, shape (T, steps), the
        same steps in windows and baseline; one episode a window will do. Episodes must be independent of each other.
        Steps of different length are binned by progress before; a window with a missing step is left out.
    alpha
        Level of a window, of both tests together; 0.0001 at least.
    lookback
        Windows that are judged together.
    min_effect
        ``"2%"`` of the size of the mean return of the reference, or ``"0.5"`` in its unit; the fall must reach it.
    min_n
        Episodes below which the answer is INSUFFICIENT.
    share
        Share of the steps that the second test looks for: those that fell most.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the p-value of both tests together (Bonferroni), ``low`` the level. The threshold comes from
        a bootstrap over whole episodes of the reference; it needs 30 windows there, and 3 for each step.

    Raises
    ------
    ValueError
        If ``alpha`` is less than the bootstrap can tell, or ``min_effect`` cannot be read.

    References
    ----------
    Greenberg, I. and Mannor, S. (2021). Detecting rewards deterioration in episodic reinforcement learning. ICML.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def episodes(first, drop, length, past=None):
    ...     rewards = rng.normal(1.0, [0.1, 0.1, 2.0], (length, 3)) - drop
    ...     zeros, n = np.zeros(length), np.ones(length)
    ...     return Series((first + np.arange(length)) * 60.0, zeros, zeros, n, past, vectors=rewards)
    >>> past = episodes(0, 0.0, 300)
    >>> [scan(episodes(300, drop, 20, past))[-1].state.value for drop in (0.0, 0.1)]
    ['ok', 'fire']
    """
    least_effect(min_effect, 0.0)
    if alpha < LEAST_P:
        raise ValueError(f"alpha = {alpha:g} is less than {LEAST_P:.2g}, the least that the bootstrap can tell")
    profile = _reference(series)
    good = _usable(series)
    verdicts = []
    for t in range(len(series)):
        n = max(0, int(series.n[t]))
        if n == 0 or not good[t]:
            why = "no decisions" if n == 0 else f"{n:,} episodes but no reward for each step"
            reason = f"{subject} cannot be judged: the window has {why}."
            verdicts.append(Verdict(State.NO_DATA, None, None, None, n, reason))
            continue
        why = series.held[t] if series.held else ""
        if why or isinstance(profile, str):
            reason = f"{subject} is not judged: {why or profile}."
            verdicts.append(Verdict(State.INSUFFICIENT, None, None, None, n, reason))
            continue
        begin = max(0, t + 1 - lookback)
        part = begin + np.flatnonzero(good[begin : t + 1])
        assert series.vectors is not None
        chosen = (series.vectors[part], series.n[part].astype(np.float64))
        verdicts.append(_judge(profile, *chosen, alpha, min_effect, min_n, share, subject))
    return verdicts


def _usable(series: Series) -> NDArray[np.bool_]:
    """Return which windows have episodes and a reward at every step."""
    if series.vectors is None or series.vectors.ndim != 2 or series.vectors.shape[1] == 0:
        return np.zeros(len(series), np.bool_)
    return np.asarray((series.n > 0) & np.all(readable(series.vectors), axis=1))


def _reference(series: Series) -> Profile | str:
    """Return the reference of a series, or why there is none."""
    base = series.baseline
    if base is None or base.vectors is None or series.vectors is None:
        return "no reference episodes are frozen yet"
    steps = base.vectors.shape[1]
    if series.vectors.shape[1] != steps:
        return f"its {series.vectors.shape[1]} steps differ from the {steps} steps of the reference"
    good, needed = _usable(base), max(MIN_WINDOWS, _ROWS_A_STEP * steps)
    if int(good.sum()) < needed:
        return f"the baseline has {int(good.sum())} windows with whole episodes, {needed} are needed for {steps} steps"
    return Profile.of(base.vectors[good], base.n[good])


def _judge(
    profile: Profile,
    vectors: Floats,
    weights: Floats,
    alpha: float,
    min_effect: str | float,
    min_n: int,
    share: float,
    subject: str,
) -> Verdict:
    n, steps = int(weights.sum()), len(profile.mean)
    if n < min_n:
        reason = f"{subject} is not judged on {n} episodes: at least {min_n:,} are needed."
        return Verdict(State.INSUFFICIENT, None, None, None, n, reason)
    worst = min(steps, max(1, math.ceil(share * steps)))
    uniform, partial = profile.p_values(vectors, weights, worst)
    p = min(1.0, 2 * min(uniform, partial))
    change = weights @ vectors / weights.sum() - profile.mean
    scores, usual = change @ profile.precision, float(profile.mean.sum())
    lowest = np.sort(np.argsort(scores, kind="stable")[:worst])
    everywhere = uniform <= partial
    # The fall of all steps alike, by generalised least squares: the plain mean would be that of the noisiest steps.
    fall = -float(scores.sum() / profile.precision.sum()) * steps if everywhere else -float(change[lowest].sum())
    effect = least_effect(min_effect, usual)
    text = f"{subject} is {number(abs(fall))} {'below' if fall > 0 else 'above'} its reference {number(usual)} by "
    if everywhere:
        text += "all steps, the steady ones counting most,"
    else:
        named = ", ".join(str(step + 1) for step in lowest[:8]) + (", ..." if worst > 8 else "")
        text += f"the {percent(worst / steps)} of the steps that fell most ({named}),"
    text += f" over the last {n:,} episodes (p = {p:.2g}, limit {number(alpha)})."
    fires = p <= alpha and fall >= effect and fall > 0
    if p <= alpha and not fires:
        text += f" The fall is smaller than {number(effect)} and does not count."
    return Verdict(State.FIRE if fires else State.OK, p, alpha, None, n, text, p)
