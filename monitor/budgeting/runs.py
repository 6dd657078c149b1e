"""How often healthy windows pass a limit several times in a row, where they follow each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_NODES = 160
_REACH = 9.0  # standard deviations beyond the limit: what is past them weighs nothing
_MOST = 0.98  # correlation from which neighbouring windows are one
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(_NODES)


def false_alarms(k: float, in_a_row: int, correlation: float) -> float:
    """Return the expected false alarms a window of "k sigma, several windows in a row" on healthy data.

    Windows are a stationary Gaussian AR(1). An alarm is the first window at which the run is long enough, so that
    each run counts once: P(m in a row) - P(m + 1 in a row), by integrating the transition density over the tail.

    Parameters
    ----------
    k
        Limit in standard deviations of one window.
    in_a_row
        Windows beyond it that are asked for.
    correlation
        Between neighbouring windows; a negative one counts as none.

    Examples
    --------
    >>> round(1 / false_alarms(3.0, 1, 0.0)), round(17280 * false_alarms(3.0, 2, 0.0), 3)
    (742, 0.031)
    >>> round(17280 * false_alarms(3.0, 2, 0.6), 1)
    2.1
    """
    return _in_a_row(k, in_a_row, correlation) - _in_a_row(k, in_a_row + 1, correlation)


def least_k(share: float, in_a_row: int, correlation: float) -> float | None:
    """Return the smallest k, in tenths from 3.0 to 6.0, with at most ``share`` false alarms a window; None for none.

    >>> least_k(1 / 34560, 1, 0.0), least_k(1 / 34560, 2, 0.6)
    (4.1, 3.4)
    """
    tenths = range(30, 61)
    return next((k / 10 for k in tenths if false_alarms(k / 10, in_a_row, correlation) <= share), None)


def _in_a_row(k: float, windows: int, correlation: float) -> float:
    rho = min(max(correlation, 0.0), _MOST)
    z: NDArray[np.float64] = k + _REACH * (_POINTS + 1) / 2
    weight = _WEIGHTS * _REACH / 2
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    spread = math.sqrt(1 - rho**2)
    steps = np.exp(-(((z[None, :] - rho * z[:, None]) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    for _ in range(windows - 1):
        density = (density * weight) @ steps
    return float(np.sum(density * weight))
