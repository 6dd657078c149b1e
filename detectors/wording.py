"""Numbers and common answers in the words of a verdict."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.series import Series
from detectors.verdict import State, Verdict


def number(value: float) -> str:
    """Write a number for a person: three or four digits that matter, thousands apart.

    Against ``repr``, which shows 0.41200000000000003, and ``%g``, which shows 1.23e+04 decisions.

    Parameters
    ----------
    value
        Any float.

    Examples
    --------
    >>> [number(x) for x in (0.41234, 12345.6, 3.14159, 0.0, 2.5e-7)]
    ['0.412', '12,346', '3.142', '0', '2.5e-07']
    """
    size = abs(value)
    if not math.isfinite(value) or size >= 1e9 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if size >= 1 else f"{value:.3g}"


def percent(share: float) -> str:
    """Write a share as a percentage.

    Parameters
    ----------
    share
        1.0 is all.

    Examples
    --------
    >>> percent(0.0015)
    '0.15%'
    """
    return f"{number(100 * share)}%"


def rows(n: int) -> str:
    """Write a number of decisions.

    Examples
    --------
    >>> rows(1), rows(12000)
    ('1 decision', '12,000 decisions')
    """
    return "1 decision" if n == 1 else f"{n:,} decisions"


def finite(value: float) -> float | None:
    """Return the number, or None where there is none to show: verdicts are stored as JSON, which has no NaN.

    Examples
    --------
    >>> finite(2.0), finite(float("inf"))
    (2.0, None)
    """
    return float(value) if math.isfinite(value) else None


def readable(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which values can be measurements: numbers whose square is one too.

    Parameters
    ----------
    values
        Any shape.

    Examples
    --------
    >>> readable([1.0, float("nan"), float("inf"), 1e300]).tolist()
    [True, False, False, False]
    """
    return np.abs(np.asarray(values, np.float64)) <= 1e100


def unreadable(series: Series, at: int, min_n: int, subject: str) -> Verdict | None:
    """Answer for a window that cannot be judged, or None for one that can.

    Every detector asks this first, so that an empty window reads the same everywhere and is never OK.

    Parameters
    ----------
    series
        The windows.
    at
        Index of the window.
    min_n
        Rows below which the answer is INSUFFICIENT.
    subject
        What is measured, as the sentence names it.

    Examples
    --------
    >>> s = Series([0, 900], [float("nan"), 1.0], [0.1, 0.1], [0, 5])
    >>> unreadable(s, 0, 30, "Mean reward").reason
    'Mean reward cannot be judged: the window has no decisions.'
    >>> unreadable(s, 1, 30, "Mean reward").state
    <State.INSUFFICIENT: 'insufficient'>
    """
    n = int(series.n[at])
    if n <= 0:
        reason = f"{subject} cannot be judged: the window has no decisions."
        return Verdict(State.NO_DATA, None, None, None, 0, reason)
    if not abs(float(series.value[at])) <= 1e100:  # readable(), for one number
        reason = f"{subject} cannot be judged: the window has {rows(n)} but no value that is a number."
        return Verdict(State.NO_DATA, None, None, None, n, reason)
    if series.held and series.held[at]:
        return Verdict(State.INSUFFICIENT, None, None, None, n, f"{subject} is not judged: {series.held[at]}.")
    if n < min_n:
        reason = f"{subject} is not judged on {rows(n)}: at least {min_n:,} are needed."
        return Verdict(State.INSUFFICIENT, None, None, None, n, reason)
    return None
