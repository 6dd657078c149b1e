"""The form that every importance-weighted estimator has: a sum over a sum."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Sums of squares do not resolve a spread smaller than this share of them (doubles keep 16 digits).
RESOLUTION = 1e-12


@dataclass(frozen=True)
class Ratio:
    r"""The value v that solves :math:`\sum_i (y_i - v m_i) = 0`, with what its error is made of.

    IPS has :math:`y = w r, m = 1`; SNIPS :math:`y = w r, m = w`; doubly robust forms add a model's term to y. One
    class, so that standard error and confidence sequence are written once.

    Parameters
    ----------
    n
        Rows.
    total, mass
        :math:`\sum y_i` and :math:`\sum m_i`.
    squares, cross, mass_squares
        :math:`\sum y_i^2`, :math:`\sum y_i m_i`, :math:`\sum m_i^2`.

    Examples
    --------
    >>> mean = Ratio(n=4, total=10.0, mass=4, squares=30.0, cross=10.0, mass_squares=4)  # of 1, 2, 3, 4
    >>> mean.value, round(mean.stderr, 4)
    (2.5, 0.6455)
    """

    n: float
    total: float
    mass: float
    squares: float
    cross: float
    mass_squares: float

    @property
    def value(self) -> float | None:
        """The estimate; None where the mass is 0."""
        return self.total / self.mass if self.mass > 0 else None

    def residual(self, value: float) -> float:
        r"""Return :math:`\sum_i (y_i - v m_i)^2`."""
        return max(self.squares - 2 * value * self.cross + value * value * self.mass_squares, 0.0)

    @property
    def stderr(self) -> float | None:
        r"""Delta-method standard error, :math:`\sqrt{n/(n-1) \sum (y_i - v m_i)^2} / \sum m_i`."""
        value = self.value
        if value is None or self.n < 2:
            return None
        return math.sqrt(self.residual(value) * self.n / (self.n - 1)) / self.mass

    @property
    def flat(self) -> bool:
        """Whether the terms do not differ by anything that doubles resolve, so that no error can be told."""
        value = self.value
        return value is None or self.residual(value) <= RESOLUTION * self.squares
