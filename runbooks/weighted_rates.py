"""Rates of verdicts in everything that a sample stands for, from what was judged of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runbooks.checklist.bounds import lower_rate, upper_rate


@dataclass(frozen=True)
class Rate:
    """A share with its interval; ``n`` were judged, which is worth ``effective`` equally likely ones."""

    value: float
    low: float
    high: float
    n: int
    effective: float


def weighted_rate(judged: Sequence[tuple[bool, float]], level: float = 0.95) -> Rate | None:
    """Return the share of a verdict, each item weighted by the inverse of its inclusion probability; None of nothing.

    The ratio estimator of Hajek (1971). The interval is exact (Clopper and Pearson, 1934) at Kish's effective number,
    as Korn and Graubard (1998) do for rare things in weighted samples: against a normal interval it has width when
    nothing was found. It is of the version's behaviour, so that judging all of a day is no certainty either.

    Parameters
    ----------
    judged
        Of each judged item: whether it has the verdict, and its inclusion probability.
    level
        Of the interval, two-sided.

    Examples
    --------
    >>> rate = weighted_rate([(True, 1.0), (False, 0.1), (False, 0.1)])
    >>> round(rate.value, 4), round(rate.low, 4), round(rate.high, 4), round(rate.effective, 2)
    (0.0476, 0.0, 0.9874, 2.19)
    """
    if not judged:
        return None
    weights = [1.0 / inclusion for _has, inclusion in judged]
    total = sum(weights)
    value = sum(weight for weight, (has, _p) in zip(weights, judged, strict=True) if has) / total
    effective = total**2 / sum(weight**2 for weight in weights)
    alpha, n = (1.0 - level) / 2.0, int(effective)
    found = value * n  # rounded to the wider side of each bound
    low = min(lower_rate(int(found), n, alpha), value)
    high = max(upper_rate(-int(-found // 1), n, alpha), value)
    return Rate(value, low, high, len(judged), effective)
