"""The interval that holds at any number of rows."""

from __future__ import annotations

import math

from ope.intervals.sample import Interval, Sample


def bernstein(sample: Sample, level: float) -> Interval | None:
    r"""Return all values v that the empirical Bernstein inequality does not rule out.

    .. math:: \Big|\frac1n \sum_i X_i\Big| \le \sqrt{\frac{2 s_X^2 L}{n}} + \frac{7 B L}{3 (n - 1)}, \qquad
              X_i = y_i - v m_i, \quad L = \log\frac{4}{\alpha}

    where :math:`s_X^2` is the sample variance of X under v and B the span: the most by which two X can differ. At the
    true v the mean of X is 0, for a plain mean (m = 1) and for a ratio alike, so that the randomness of the normaliser
    is covered without a second bound; the set is an interval whose ends are roots of a quadratic.

    No limit theorem is used: with independent units and a span that is right, coverage is at least ``level`` at any
    number of rows. It is conservative by design, 1.5 times as wide as ``delta`` with a million rows and several times
    as wide with hundreds. A span that is read off the log is only as good as the log's largest weight.

    Parameters
    ----------
    sample
        The sums of one ratio, and ``span``.
    level
        Coverage probability, at least.

    Returns
    -------
    (low, high), or None where the weights are too few to bound the ratio at all.

    Raises
    ------
    ValueError
        If the estimator has no span, or is a sum of several ratios.

    Examples
    --------
    >>> import numpy as np
    >>> from ope.terms import TermSums
    >>> reward = np.random.default_rng(0).integers(0, 2, 1000).astype(float)
    >>> low, high = bernstein(Sample(TermSums.of(reward), span=1.0), 0.95)
    >>> round(low, 2), round(high, 2)
    (0.48, 0.59)

    References
    ----------
    Maurer, Pontil (2009), Empirical Bernstein bounds and sample variance penalization, theorem 4.
    Fieller (1954), Some problems in interval estimation (the inversion for a ratio).
    """
    sums, span = sample.sums, sample.known_span("bernstein")
    value = sums.value
    assert value is not None
    n, (_, mass) = sums.n, (sums.first / sums.n).tolist()
    log = math.log(4 / (1 - level))
    linear, factor = 7 * span * log / (3 * (n - 1)), 2 * log / n
    (spread, with_mass), (_, mass_spread) = ((sums.second - sums.first * sums.first[:, None] / n) / (n - 1)).tolist()
    at_value = max(spread - 2 * value * with_mass + value * value * mass_spread, 0.0)
    square = mass * mass - factor * mass_spread
    if square <= 0:
        return None
    slope = factor * (with_mass - value * mass_spread)

    def reach(half: float) -> float:
        root = math.sqrt(max(half * half - square * (linear * linear - factor * at_value), 0.0))
        return float((half + root) / square)

    return value - reach(mass * linear + slope), value + reach(mass * linear - slope)
