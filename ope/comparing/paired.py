"""What a paired comparison is made of: terms less what was earned, and the p value that may be looked at for ever."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ope.sequence import TUNED_FOR
from ope.terms import Terms, TermSums


def anytime_p(sums: TermSums, clock: float, worst_case: float, level: float = 0.95) -> float:
    r"""Return the p value of "the value is at most ``worst_case``" that may be looked at as often as one likes.

    .. math:: p_t = \sqrt{s + 1} \exp\Big(-\frac{s}{s + 1} \frac{S_t}{2}\Big), \qquad
              S_t = \frac{(\hat V - v_0)^2}{R + (\hat V - v_0)^2 / n}, \qquad s = t \rho^2

    the inverse of the normal-mixture martingale whose boundary ``anytime_interval`` is: with the same :math:`\rho`
    (tuned at ``level``) it is at most 1 - level exactly when that interval lies above ``worst_case``. R is the sum of
    squared influences. By Ville's inequality the chance that it is ever at most alpha is at most alpha, asymptotically.

    Examples
    --------
    >>> from ope.sequence import anytime_interval
    >>> sums = TermSums.of(np.random.default_rng(0).normal(0.1, 1.0, size=2000))
    >>> low, _high = anytime_interval(sums, 2000)
    >>> round(anytime_p(sums, 2000, low), 6)
    0.05

    References
    ----------
    Robbins (1970); Johari, Koomen, Pekelis, Walsh (2022), Always valid inference.
    """
    value, residual = sums.value, sums.residual
    if value is None or residual is None or clock <= 0 or value <= worst_case or sums.n < 2:
        return 1.0
    square = (value - worst_case) ** 2
    evidence = square / (residual + square / sums.n)
    twice = -2 * math.log(1 - level)
    spread = clock * (twice + math.log(max(twice, 1.0)) + 1) / TUNED_FOR
    return min(1.0, math.exp(0.5 * (math.log1p(spread) - spread / (spread + 1) * evidence)))


def paired(terms: Terms, earned: Any) -> Terms:
    """Return the terms with what was earned taken away: in their column where the mass is 1, else in one more."""
    total, mass = terms
    if mass is None:
        flat = total.reshape(len(earned), -1).copy()
        flat[:, 0] -= earned
        return flat, None
    columns = [column.reshape(len(earned), -1) for column in (total, mass)]
    one = np.ones((len(earned), 1))
    return np.concatenate([columns[0], -earned[:, None]], axis=1), np.concatenate([columns[1], one], axis=1)


def by_unit(piece: Any, terms: Terms) -> Terms:
    """Add the terms of the rows of each cluster."""
    cluster = getattr(piece, "cluster", None)
    if cluster is None or not len(piece):
        return terms
    begins = np.flatnonzero(np.append(True, np.diff(cluster) > 0))
    total, mass = terms
    masses = np.ones_like(total) if mass is None else mass
    return np.add.reduceat(total, begins, axis=0), np.add.reduceat(masses, begins, axis=0)
