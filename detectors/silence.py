"""Decisions that stopped coming: the trigger no_data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detectors.season import expectation
from detectors.series import Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, percent

_SURE = 0.001
"""Probability of so few rows by chance (Poisson) above which a quiet hour is not called silence."""


def scan(
    series: Series,
    *,
    lookback: int = 3,
    floor: float = 0.1,
    season: str = "none",
    subject: str = "Decisions",
) -> list[Verdict]:
    """Fire on windows in a row without rows, or with far fewer than that hour usually has.

    Silence is a finding: every other detector answers NO_DATA then and none of them fires. A window without rows is
    never OK here.

    Parameters
    ----------
    series
        ``n`` is read, ``value`` is not; windows without rows must be in it.
    lookback
        Windows in a row that are judged together.
    floor
        Share of the expected rows below which the volume counts as lost.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"``: what the expected volume follows.
    subject
        What is counted, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the number of rows in the last ``lookback`` windows, ``low`` the least that is healthy. With a
        baseline so quiet that no rows at all in these windows are likely by chance, the silence must last until
        its chance is below 0.001; without a baseline ``lookback`` empty windows fire.

    Examples
    --------
    >>> s = Series(np.arange(5) * 300.0, [9, 8, 0, 0, 0], np.zeros(5), [9, 8, 0, 0, 0])
    >>> [v.state.value for v in scan(s)]
    ['ok', 'ok', 'no_data', 'no_data', 'fire']
    >>> scan(s)[-1].reason
    'Decisions: none in the last 3 windows.'
    """
    return resume(series, None, lookback=lookback, floor=floor, season=season, subject=subject)[0]


@dataclass(frozen=True)
class Carried:
    """Rows, and rows that were usual, in the last windows: those of a silence that lasts, at least lookback - 1."""

    n: NDArray[np.int64]
    usual: Floats


def resume(
    series: Series,
    carried: Carried | None,
    *,
    lookback: int = 3,
    floor: float = 0.1,
    season: str = "none",
    subject: str = "Decisions",
) -> tuple[list[Verdict], Carried]:
    """Scan the windows that follow those of an earlier call, and return what the next one needs.

    ``scan`` is this with nothing carried; parameters are the same.

    Examples
    --------
    >>> s = Series(np.arange(5) * 300.0, [9, 8, 0, 0, 0], np.zeros(5), [9, 8, 0, 0, 0])
    >>> first, carried = resume(s.window(0, 4), None)
    >>> first + resume(s.window(4), carried)[0] == scan(s)
    True
    """
    if lookback < 1:
        raise ValueError(f"lookback = {lookback} must be at least 1 window")
    n = np.maximum(series.n, 0)
    usual = np.full(len(series), np.nan)
    note = ""
    base = series.baseline
    if base is not None and len(base) and int(np.sum(base.n)) > 0:
        expected = expectation(base.time, np.maximum(base.n, 0), series.time, season)
        usual, note = np.maximum(expected.value, 0.0), f" {expected.note}.".capitalize() if expected.note else ""
    before = 0
    if carried is not None:
        before = len(carried.n)
        n, usual = np.concatenate([carried.n, n]), np.concatenate([carried.usual, usual])
    verdicts, silent = [], before - int(np.max(np.flatnonzero(n[:before]), initial=-1)) - 1
    for t in range(before, len(n)):
        silent = 0 if n[t] > 0 else silent + 1
        taken = max(lookback, silent)
        window = slice(max(0, t + 1 - taken), t + 1)
        seen, due = int(np.sum(n[window])), float(np.sum(usual[window]))
        known = bool(np.isfinite(due))
        lost = silent >= lookback
        if known:
            lost = t + 1 >= lookback and seen < floor * due and float(stats.poisson.cdf(seen, due)) <= _SURE
        over = f"in the last {taken} windows" if taken > 1 else "in this window"
        found = f"{seen:,}" if seen else "none"
        state = State.FIRE if lost else State.OK
        if not lost and silent:
            state, found = State.NO_DATA, f"none in this window, {found}"
        least = floor * due if known else None
        compared = f", {number(due)} are usual ({percent(floor)} is the floor)" if known else ""
        verdicts.append(Verdict(state, float(seen), least, None, seen, f"{subject}: {found} {over}{compared}.{note}"))
    kept = max(0, len(n) - max(silent, lookback - 1))
    return verdicts, Carried(n[kept:], usual[kept:])
