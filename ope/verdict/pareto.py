"""How heavy is the tail of the weights? The shape k of a generalised Pareto distribution of the largest ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KEPT = 1_000  # largest weights: three square roots of 100,000 rows, and of no use beyond
FEWEST = 10  # a shape from fewer is its prior
PRIOR = 10.0  # rows that the prior k = 1/2 counts as


@dataclass(frozen=True, eq=False)
class Tail:
    """The largest weights of a log, exactly: those of the parts merge to those of the whole.

    Parameters
    ----------
    n
        Rows so far.
    top
        Their ``KEPT`` largest weights, in any order.

    Examples
    --------
    >>> weights = np.random.default_rng(0).pareto(1.5, 20_000)
    >>> halves = Tail().add(weights[:10_000]).add(weights[10_000:])
    >>> round(halves.shape, 2), halves.shape == Tail().add(weights).shape
    (0.67, True)
    """

    n: int = 0
    top: Floats = field(default_factory=lambda: np.empty(0))

    def add(self, weights: Floats) -> Tail:
        """Return the tail of these weights too."""
        floor = self.top.min() if len(self.top) >= KEPT else -math.inf
        found = weights[weights > floor]
        if not len(found):
            return Tail(self.n + len(weights), self.top)
        top = np.concatenate([self.top, found])
        return Tail(self.n + len(weights), np.partition(top, len(top) - KEPT)[-KEPT:] if len(top) > KEPT else top)

    def __add__(self, other: Tail) -> Tail:
        merged = self.add(other.top)
        return Tail(self.n + other.n, merged.top)

    @property
    def shape(self) -> float | None:
        """Their shape, k; None where they are too few, or equal (then they are bounded)."""
        return None if self.n < 1 else pareto_k(self.top, self.n)


def pareto_k(largest: Floats, n: int) -> float | None:
    r"""Return the shape of the generalised Pareto distribution of the largest of n weights.

    .. math:: P(w - u > x \mid w > u) = \Big(1 + \frac{k x}{\sigma}\Big)^{-1/k}

    over the threshold u that :math:`M = \min(n / 5, 3 \sqrt n)` weights exceed. Above 1/2 the weights have no variance,
    above 0.7 a mean of n of them is useless at any n that is met, above 1 they have no mean. It is a statement about
    rows that were **not** seen, and a wrong one for weights of few values, which bound themselves: 300 logs of twelve
    states, all of them fine, gave k up to 4.7. So it is not told where most of the largest weights occur more than
    once, and it is read together with the effective sample size, never alone.

    Parameters
    ----------
    largest
        At least the M + 1 largest weights, in any order; with fewer, M is what there is.
    n
        How many weights these are the largest of.

    Returns
    -------
    k, shrunk to 1/2 by as much as ten rows can; None where fewer than ten exceed the threshold, or half of them have
    a value that another one has.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> [round(pareto_k(rng.pareto(shape, 5000), 5000), 1) for shape in (0.7, 1.5, 4.0)]
    [1.5, 0.6, 0.3]
    >>> pareto_k(np.repeat([0.0, 25.0], [900, 100]), 1000) is None
    True

    References
    ----------
    Zhang, Stephens (2009), A new and efficient estimation method for the generalized Pareto distribution.
    Vehtari, Simpson, Gelman, Yao, Gabry (2024), Pareto smoothed importance sampling.
    """
    wanted = min(int(min(n / 5, 3 * math.sqrt(n))), len(largest) - 1)
    if wanted < FEWEST:
        return None
    values = np.sort(largest)
    excess = values[-wanted:] - values[-wanted - 1]
    quartile = float(excess[int(wanted / 4 + 0.5) - 1])
    distinct = 1 + int(np.count_nonzero(np.diff(excess)))
    if quartile <= 0 or distinct < wanted / 2 or not math.isfinite(float(excess[-1])):
        return None
    candidates = 30 + int(math.sqrt(wanted))
    theta = 1 / excess[-1] + (1 - np.sqrt(candidates / (np.arange(1, candidates + 1) - 0.5))) / (3 * quartile)
    theta = theta[theta != 0]
    shapes = np.log1p(-theta[:, None] * excess).mean(axis=1)
    likelihood = wanted * (np.log(-theta / shapes) - shapes - 1)
    posterior = np.exp(likelihood - likelihood.max())
    best = float((theta * posterior).sum() / posterior.sum())
    shape = float(np.log1p(-best * excess).mean())
    return (wanted * shape + PRIOR * 0.5) / (wanted + PRIOR)
