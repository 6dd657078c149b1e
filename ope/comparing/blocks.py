"""How much less rows say than their number: the spread of sums over stretches of time, of every length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 30
"""Stretches from which a spread is read; fewer make it a guess (its own error is a quarter at 30)."""


def dispersion(pulls: Floats, independent: float, *, shifts: bool = True) -> float:
    r"""Return how many times the variance of a sum is what independent rows would give; at least 1.

    .. math:: D = \max\Big(1, \max_L \frac{\sum_b (\sum_{i \in b} u_i)^2}{R}\Big), \quad L = 1, 2, 4, \dots

    with b the stretches of L neighbouring minutes. Rows of one person or one heat wave come together, and an interval
    that counts them as so many rows is too narrow. Against a model of the correlation (``detectors.long_run_variance``)
    it asks for nothing but stretches that are longer than what correlates, and it never makes an interval narrower.

    Parameters
    ----------
    pulls
        What the rows of each minute pull the estimate by, summed, in order of time, shape (minutes,).
    independent
        R: the sum of the squared pulls of single rows.
    shifts
        False: a level that moved once is no spread, because each stretch is compared with the one before it (von
        Neumann, 1941). For a test of that level: an hour without the candidate must not look like clusters.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> round(dispersion(rng.normal(size=2000), 2000.0), 1)
    1.3
    >>> round(dispersion(np.repeat(rng.normal(size=100), 20), 2000.0), 1)  # twenty minutes move together
    19.4

    References
    ----------
    Flyvbjerg, Petersen (1989), Error estimates on averages of correlated data.
    """
    if not independent > 0:
        return 1.0
    most, sums = 1.0, pulls
    while len(sums) >= FEWEST:
        steps = np.diff(sums)
        spread = float(sums @ sums) if shifts else float(steps @ steps) / 2 * len(sums) / len(steps)
        most = max(most, spread / independent)
        sums = sums[: len(sums) // 2 * 2].reshape(-1, 2).sum(axis=1)
    return most
