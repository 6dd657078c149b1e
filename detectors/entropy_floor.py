"""The diversity of actions against its floor: the trigger entropy_collapse."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from detectors.series import Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, percent, readable, rows, unreadable


def normalised_entropy(counts: ArrayLike) -> Floats:
    """Return the Shannon entropy of each row of counts over ln K, corrected for few rows; NaN for an empty one.

    The plug-in entropy is low by (seen actions - 1) / 2n (Miller-Madow), which would read a quiet hour as a collapse.

    Parameters
    ----------
    counts
        Times each of K actions was taken, shape (T, K).

    References
    ----------
    Miller, G. (1955). Note on the bias of information estimates. Information Theory in Psychology, 95-100.

    Examples
    --------
    >>> normalised_entropy([[50, 50], [100, 0], [0, 0]]).round(3).tolist()
    [1.0, 0.0, nan]
    """
    table = np.asarray(counts, np.float64)
    total = table.sum(axis=1)
    if table.shape[1] < 2:
        return np.full(len(table), np.nan)
    share = table / np.maximum(total, 1)[:, None]
    plain = -np.sum(share * np.log(np.where(share > 0, share, 1.0)), axis=1)
    corrected = plain + np.maximum(np.sum(table > 0, axis=1) - 1, 0) / (2 * np.maximum(total, 1))
    return np.where(total > 0, np.clip(corrected / math.log(table.shape[1]), 0.0, 1.0), np.nan)


def scan(
    series: Series,
    *,
    threshold: float = 0.5,
    min_n: int = 30,
    subject: str = "Action entropy",
) -> list[Verdict]:
    """Fire where the entropy of the actions falls below a share of its baseline.

    Against ``jensen_shannon`` on the actions, which fires on any change of mix: this one asks only whether the policy
    still uses its choices. A collapsed policy often earns well until the world changes.

    Parameters
    ----------
    series
        ``value`` is the entropy over ln K, between 0 and 1; where ``counts`` of the actions are present (shape (T, K)),
        it is taken from them instead, bias-corrected, in windows and baseline alike.
    threshold
        Share of the baseline's mean entropy that is the floor.
    min_n
        Rows below which a window is INSUFFICIENT.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the normalised entropy, ``low`` the floor. A baseline that only ever took one action has floor
        0: there is nothing left to lose, and the sentence says so.

    Examples
    --------
    >>> past = Series([0, 900], [0.9, 0.9], [0, 0], [500, 500])
    >>> now = Series([1800, 2700], [0.88, 0.2], [0, 0], [500, 500], past)
    >>> [v.state.value for v in scan(now)]
    ['ok', 'fire']
    >>> scan(now)[1].reason
    'Action entropy 0.2 is 22.2% of its baseline 0.9 (floor 50%, 0.45), 500 decisions.'
    """
    values, past = _entropies(series), None if series.baseline is None else _entropies(series.baseline)
    known = np.array([]) if past is None else past[readable(past)]
    shown = Series(series.time, values, series.stderr, series.n, series.baseline)
    verdicts = []
    for t in range(len(shown)):
        answer = unreadable(shown, t, min_n, subject)
        if answer is None and len(known) == 0:
            reason = f"{subject} is not judged: no baseline with actions is frozen yet."
            answer = Verdict(State.INSUFFICIENT, None, None, None, int(shown.n[t]), reason)
        verdicts.append(answer or _judge(float(values[t]), float(np.mean(known)), int(shown.n[t]), threshold, subject))
    return verdicts


def _judge(value: float, mean: float, n: int, threshold: float, subject: str) -> Verdict:
    floor = threshold * mean
    if mean < 1e-9:
        reason = f"{subject} {number(value)}: the baseline took one action only, so there is no diversity to lose."
        return Verdict(State.OK, value, 0.0, None, n, reason)
    state = State.FIRE if value < floor else State.OK
    share = percent(float(f"{value / mean:.3g}"))
    reason = f"{subject} {number(value)} is {share} of its baseline {number(mean)} "
    return Verdict(state, value, floor, None, n, f"{reason}(floor {percent(threshold)}, {number(floor)}), {rows(n)}.")


def _entropies(series: Series) -> Floats:
    if series.counts is not None and series.counts.ndim == 2 and series.counts.shape[1] >= 2:
        return normalised_entropy(series.counts)
    return np.where(series.n > 0, series.value, np.nan)
