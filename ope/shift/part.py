"""A number with its interval, from draws of blocks of time."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

Floats = NDArray[np.float64]
DRAWS = 400


@dataclass(frozen=True)
class Part:
    """A part of a change: its size and the interval of it.

    Examples
    --------
    >>> str(Part(0.1234, 0.0811, 0.1533)), Part(0.1234, 0.0811, 0.1533).clear
    ('+0.123 [+0.081, +0.153]', True)
    """

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, float]:
        """Return plain data for JSON."""
        return asdict(self)

    def __neg__(self) -> Part:
        return Part(-self.value, -self.high, -self.low)

    def __str__(self) -> str:
        return f"{self._said(self.value)} [{self._said(self.low)}, {self._said(self.high)}]"

    def _said(self, number: float) -> str:
        """Write a number with as many digits as its interval deserves: two of half its width."""
        half = max((self.high - self.low) / 2, abs(self.value) * 1e-3)
        digits = min(9, max(0, 1 - math.floor(math.log10(half)))) if half > 1e-9 else 0
        return f"{number + 0.0:+.{digits}f}"


def block_draws(rng: np.random.Generator, blocks: int, draws: int = DRAWS) -> Floats:
    """Return how often each block is drawn, shape (draws, blocks): blocks, because rows beside each other are alike."""
    return rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=draws).astype(np.float64)


def part(value: float, drawn: Floats, blocks: int, level: float) -> Part:
    """Return the interval of a value from its draws.

    Student's t for the fewest blocks, around the value: percentiles of draws from twenty blocks are too narrow.

    References
    ----------
    Efron, Tibshirani (1993), An Introduction to the Bootstrap, chapter 12.
    """
    few = max(1, blocks - 1)
    error = float(np.std(drawn)) * math.sqrt(blocks / few)
    reach = float(t.ppf(0.5 + level / 2, few)) * error
    return Part(float(value), float(value - reach), float(value + reach))
