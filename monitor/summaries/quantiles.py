"""Quantiles of the reward within 0.8%, from integer counts that merge exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.summaries.base import Summary
from monitor.summaries.cells import representatives


@dataclass(frozen=True, eq=False, slots=True)
class Quantiles(Summary):
    """Counts of the reward in logarithmic cells of both signs.

    Against KLL, t-digest and REQ sketches: a merge is exactly commutative, the error is the same in the tail as in the
    middle, and 0.5 to 0.8% of the value itself. Infinite rewards have cells of their own; null and NaN are in none.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> from monitor.summaries.cells import RELATIVE_ERROR
    >>> from monitor.summaries.plan import Plan
    >>> reward = np.random.default_rng(7).lognormal(size=10_000)
    >>> q = Quantiles.of(pa.table({"reward": reward}), Plan())
    >>> exact = float(np.quantile(reward, 0.99, method="inverted_cdf"))
    >>> abs(q.quantile(0.99) / exact - 1) <= RELATIVE_ERROR
    True

    References
    ----------
    Masson, Rim and Lee (2019), DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees.
    """

    KIND: ClassVar[int] = 8
    SPARSE: ClassVar[bool] = True

    @property
    def n(self) -> int:
        """Values counted."""
        return int(self.parts.weights.sum())

    def quantile(self, q: float | NDArray[Any]) -> Any:
        """Return the least value with at least share ``q`` at or below it (float, or an array like ``q``); NaN of none.

        Raises
        ------
        ValueError
            If ``q`` is not between 0 and 1.
        """
        shares = np.asarray(q, dtype=np.float64)
        if not bool(np.all((shares >= 0) & (shares <= 1))):
            raise ValueError(f"quantile({q}) is not between 0 and 1: write 0.99 for the 99th percentile")
        reached = np.cumsum(self.parts.weights)
        n = int(reached[-1]) if len(reached) else 0
        if not n:
            return math.nan if shares.ndim == 0 else np.full(shares.shape, np.nan)
        ranks = np.clip(np.ceil(shares * n), 1, n)
        values = representatives(self.parts.keys[np.searchsorted(reached, ranks)])
        return float(values) if shares.ndim == 0 else values

    def cvar(self, alpha: float) -> float:
        """Return the conditional value at risk: the mean of the worst (lowest) share ``alpha`` of rewards; NaN of none.

        Raises
        ------
        ValueError
            If ``alpha`` is not in (0, 1].
        """
        if not 0 < alpha <= 1:
            raise ValueError(f"cvar({alpha}) is not in (0, 1]: write 0.05 for the worst 5%")
        if not self.n:
            return math.nan
        values, taken = self._tail(alpha)
        return float(np.sum(values * taken) / (alpha * self.n))

    def tail_variance(self, alpha: float) -> float:
        """Return the variance of the worst (lowest) share ``alpha`` of rewards, to the width of the cells; NaN of none.

        Raises
        ------
        ValueError
            If ``alpha`` is not in (0, 1].
        """
        mean = self.cvar(alpha)
        if not self.n:
            return math.nan
        values, taken = self._tail(alpha)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sum((values - mean) ** 2 * taken) / (alpha * self.n))

    def _tail(self, alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        before = np.cumsum(self.parts.weights) - self.parts.weights
        taken = np.clip(alpha * self.n - before, 0.0, self.parts.weights)
        used = taken > 0
        return representatives(self.parts.keys)[used], taken[used]
