"""Mean and variance of the reward, the same in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from monitor.summaries.base import Summary


@dataclass(frozen=True, eq=False, slots=True)
class Moments(Summary):
    """Count, sum and sum of squares of the finite rewards, least and greatest, zeros, missing and infinite.

    The sums are kept as unevaluated pairs of floats, so that they neither depend on the order of merging nor cancel:
    against Welford's mean and M2 they stay plain additions. Null and NaN are missing. Infinite rewards are counted
    and left out of the sums, where one of them would erase the month. -0.0 is a zero. A sum of squares above 1.8e308
    is infinite, and so is the variance.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Plan
    >>> reward = Moments.of(pa.table({"reward": [1e9 + 1, 1e9 + 2, 1e9 + 3, None]}), Plan())
    >>> reward.n, reward.missing, reward.mean, reward.variance
    (3, 1, 1000000002.0, 1.0)

    References
    ----------
    Dekker (1971), A floating-point technique for extending the available precision.
    """

    KIND: ClassVar[int] = 2
    FIELDS: ClassVar[tuple[str, ...]] = ("reward",)

    def _count(self, index: int) -> int:
        return int(self.parts.counts[index]) if self.layout.reward else 0

    @property
    def n(self) -> int:
        """Finite rewards."""
        return self._count(0)

    @property
    def missing(self) -> int:
        """Null or NaN rewards (none where the plan counts them as zero)."""
        return self._count(1)

    @property
    def zeros(self) -> int:
        """Rewards that are exactly zero."""
        return self._count(2)

    @property
    def infinite(self) -> int:
        """Rewards that are plus or minus infinity; not in ``n``."""
        return self._count(3)

    @property
    def sum(self) -> float:
        """Sum of the finite rewards."""
        return float(self.parts.compensated[0]) if self.layout.reward else 0.0

    @property
    def sum_sq(self) -> float:
        """Sum of their squares."""
        return float(self.parts.compensated[1]) if self.layout.reward else 0.0

    @property
    def mean(self) -> float:
        """Mean of the finite rewards, NaN of none."""
        return self.sum / self.n if self.n else math.nan

    @property
    def variance(self) -> float:
        """Sample variance (n - 1), NaN below two rewards."""
        if self.n < 2:
            return math.nan
        pairs = [float(number) for number in self.parts.compensated]
        if not all(map(math.isfinite, pairs)):
            return math.inf
        total = Fraction(pairs[0]) + Fraction(pairs[2])
        squares = Fraction(pairs[1]) + Fraction(pairs[3])
        return max(0.0, float((squares - total * total / self.n) / (self.n - 1)))

    @property
    def min(self) -> float:
        """Least finite reward, NaN of none."""
        return float(self.parts.low[0]) if self.n else math.nan

    @property
    def max(self) -> float:
        """Greatest finite reward, NaN of none."""
        return float(self.parts.high[0]) if self.n else math.nan
