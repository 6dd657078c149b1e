"""The form that every estimator has: a sum of ratios of sums over independent units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Terms = tuple[Floats, Floats | None]  # numerators, and masses; None: every mass is 1

# Sums of squares do not resolve a spread smaller than this share of them (doubles keep 16 digits).
RESOLUTION = 1e-12
FEW = 4  # columns


@dataclass(frozen=True, eq=False)
class TermSums:
    r"""Merged sums of the terms of units (rows, episodes, subjects), with what value and error are made of.

    .. math:: \hat V = \sum_{j=1}^k \frac{\sum_i y_{ij}}{\sum_i m_{ij}}

    IPS has one column with :math:`y = w r, m = 1`; SNIPS :math:`y = w r, m = w`; doubly robust forms add a model's
    term; per-decision forms have a column for each step. One class, so that standard errors, intervals and confidence
    sequences are written once. Sums of parts add up to the sums of the whole.

    Parameters
    ----------
    n
        Units.
    first
        :math:`\sum_i y_{ij}`, then :math:`\sum_i m_{ij}`, shape (2 k,).
    second
        Sums of products of all pairs of these, shape (2 k, 2 k).

    Examples
    --------
    >>> mean = TermSums.of(np.array([[1.0], [2.0], [3.0], [4.0]]))
    >>> mean.value, round(mean.stderr, 4)
    (2.5, 0.6455)
    >>> halves = TermSums.of(np.array([[1.0], [2.0]])) + TermSums.of(np.array([[3.0], [4.0]]))
    >>> halves.value
    2.5

    References
    ----------
    Casella, Berger (2002), Statistical Inference, section 5.5.4 (the delta method).
    """

    n: float
    first: Floats
    second: Floats

    @staticmethod
    def of(total: Floats, mass: Floats | None = None) -> TermSums:
        """Sum units; ``total`` and ``mass`` have shape (units,) or (units, k), a mass that is None is 1 everywhere."""
        n, y = len(total), total.reshape(len(total), -1)
        k = y.shape[1]
        if mass is not None:
            return TermSums(n, *_products([*y.T, *mass.reshape(n, -1).T]))
        if k == 1:
            sum_of, squares = float(y.sum()), float(y[:, 0] @ y[:, 0])
            return TermSums.ratio(n, sum_of, n, squares, sum_of, n)
        first, second = np.full(2 * k, float(n)), np.full((2 * k, 2 * k), float(n))
        first[:k], second[:k, :k] = _products([*y.T])
        second[:k, k:], second[k:, :k] = first[:k, None], first[None, :k]
        return TermSums(n, first, second)

    @staticmethod
    def ratio(n: float, total: float, mass: float, squares: float, cross: float, mass_squares: float) -> TermSums:
        r"""Return one ratio from its stored sums: y, m, y^2, y m, m^2."""
        return TermSums(n, np.array([total, mass]), np.array([[squares, cross], [cross, mass_squares]]))

    def __add__(self, other: TermSums) -> TermSums:
        return TermSums(self.n + other.n, self.first + other.first, self.second + other.second)

    @property
    def columns(self) -> int:
        """Number of ratios k."""
        return len(self.first) // 2

    @property
    def value(self) -> float | None:
        """The estimate; None where a mass is 0."""
        total, mass = self.first[: self.columns], self.first[self.columns :]
        return float((total / mass).sum()) if (mass > 0).all() else None

    @property
    def residual(self) -> float | None:
        r"""Sum over units of the squared influence, :math:`\sum_i \big(\sum_j (y_{ij} - v_j m_{ij}) / M_j\big)^2`."""
        if self.value is None:
            return None
        total, mass = self.first[: self.columns], self.first[self.columns :]
        gradient = np.concatenate([1.0 / mass, -total / mass**2])
        return max(float(gradient @ self.second @ gradient), 0.0)

    @property
    def stderr(self) -> float | None:
        """Delta-method standard error; the randomness of every normaliser is in it."""
        residual = self.residual
        return None if residual is None or self.n < 2 else math.sqrt(residual * self.n / (self.n - 1))

    @property
    def flat(self) -> bool:
        """Whether the terms do not differ by anything that doubles resolve, so that no error can be told."""
        residual = self.residual
        if residual is None:
            return True
        k, mass = self.columns, self.first[self.columns :]
        sizes = np.sqrt(np.diag(self.second)[:k]) / mass
        return residual <= RESOLUTION * float(sizes.sum()) ** 2


def _products(columns: list[Floats]) -> tuple[Floats, Floats]:
    """Return the sum of each column, and of the products of each two."""
    if len(columns) > FEW:
        both = np.stack(columns)
        return both.sum(axis=1), both @ both.T
    sums, products = np.empty(len(columns)), np.empty((len(columns), len(columns)))
    for i, one in enumerate(columns):  # without a copy of all, which costs more than they do
        sums[i] = one.sum()
        for j, other in enumerate(columns[: i + 1]):
            products[i, j] = products[j, i] = one @ other
    return sums, products
