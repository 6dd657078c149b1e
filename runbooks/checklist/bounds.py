"""Exact bounds for counts and Holm's correction, from the standard library alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist


def binomial_tail(k: int, n: int, p: float) -> float:
    """Return P(X <= k) for X binomial(n, p), right to about 1e-10.

    The regularised incomplete beta function by its continued fraction (Lentz, 1976), so that a million rows cost as
    little as ten.

    >>> round(binomial_tail(0, 3000, 0.001), 4), binomial_tail(3, 3, 0.5)
    (0.0497, 1.0)
    """
    if k < 0:
        return 0.0
    if k >= n or p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    return _incomplete_beta(n - k, k + 1, 1.0 - p)


def upper_rate(k: int, n: float, alpha: float) -> float:
    """Return the one-sided upper bound of a rate after k of n, at level alpha (Clopper and Pearson, 1934).

    ``n`` may be an effective number of rows; it is rounded down, which is the safe side.

    >>> round(upper_rate(0, 3000, 0.05), 6), upper_rate(0, 0, 0.05)
    (0.000998, 1.0)
    """
    rows = int(n)
    if rows <= 0 or k >= rows:
        return 1.0
    return _solve(lambda p: binomial_tail(k, rows, p) - alpha)


def lower_rate(k: int, n: float, alpha: float) -> float:
    """Return the one-sided lower bound of a rate after k of n, at level alpha.

    >>> lower_rate(0, 100, 0.05), round(lower_rate(100, 100, 0.05), 4)
    (0.0, 0.9705)
    """
    rows = int(n)
    if rows <= 0 or k <= 0:
        return 0.0
    return _solve(lambda p: alpha - 1.0 + binomial_tail(min(k, rows) - 1, rows, p))


def upper_quantile(ascending: Sequence[float], share: float, alpha: float) -> float | None:
    """Return the distribution-free upper bound of a quantile, None where the sample is too small for one.

    The k-th smallest value, k the least with P(Binomial(n, share) < k) >= 1 - alpha (Wilks, 1941).

    >>> upper_quantile(range(1000), 0.99, 0.05), upper_quantile([1.0, 2.0], 0.99, 0.05)
    (995.0, None)
    """
    n = len(ascending)
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        if binomial_tail(middle - 1, n, share) >= 1 - alpha and middle <= n:
            high = middle
        elif middle > n:
            return None
        else:
            low = middle + 1
    return None if low > n or low < 1 or binomial_tail(low - 1, n, share) < 1 - alpha else float(ascending[low - 1])


def samples_for(rate: float) -> int:
    """Return the rows after which no violation at all says that the rate is below ``rate`` (the rule of three).

    >>> samples_for(1e-5)
    300000
    """
    return math.ceil(round(3.0 / rate, 6))


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return which hypotheses are rejected with the chance of any false rejection held at alpha (Holm, 1979).

    >>> holm([0.04, 0.01, 0.02], 0.05)
    [True, True, True]
    >>> holm([0.01, 0.04, 0.03], 0.05)
    [True, False, False]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    rejected = [False] * len(p_values)
    for place, index in enumerate(order):
        if p_values[index] > alpha / (len(p_values) - place):
            break
        rejected[index] = True
    return rejected


def below(z: float) -> float:
    """Return the standard normal probability below z.

    >>> below(0.0)
    0.5
    """
    return NormalDist().cdf(z)


def reach(alpha: float) -> float:
    """Return how many standard errors a one-sided normal bound of level alpha reaches.

    >>> round(reach(0.05), 3)
    1.645
    """
    return NormalDist().inv_cdf(1.0 - alpha)


def _solve(falling: Callable[[float], float]) -> float:
    """Return where a function that falls with p crosses zero between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(a, b, x) / a)
    return max(0.0, 1.0 - front * _fraction(b, a, 1.0 - x) / b)


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 100_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + step * d, tiny)
            c = _away(1.0 + step / c, tiny)
            value *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return value


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
