"""Are the logged propensities those that acted? Sums of 1/p that must count rows, action by action."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ERROR = 0.01  # chance that any of the intervals of one log misses


@dataclass(frozen=True, eq=False)
class Cells:
    r"""Sums of terms that each have a known mean, in cells that share the rows: one for each action, or part of states.

    .. math:: E \sum_i \frac{1\{A_i = a\}}{p_i} = n_a, \qquad
              E \sum_i \frac{\pi(a|x_i) 1\{A_i = a\}}{p_i} = \sum_i \pi(a|x_i)

    with :math:`n_a` the rows in which a could be taken. Cells of parts add up to those of the whole.

    Parameters
    ----------
    n
        Rows.
    expected
        What each sum should come to, shape (cells,).
    total, squares, top
        Sum of each cell's terms, of their squares, and the largest that can occur or did, shape (cells,).

    Examples
    --------
    >>> action = np.repeat([0, 1], [700, 300])                   # chosen with probabilities 0.7 and 0.3, logged as 0.5
    >>> found = Cells.of(action, 1 / np.full(1000, 0.5), np.array([1000.0, 1000.0]))
    >>> (found.total / found.expected).tolist()
    [1.4, 0.6]
    """

    n: int
    expected: Floats
    total: Floats
    squares: Floats
    top: Floats

    @staticmethod
    def of(cell: Ints, term: Floats, expected: Floats, most: Floats | None = None) -> Cells:
        """Sum terms by cell; ``most`` is the largest term that can occur in each cell, None: the largest that did."""
        count = len(expected)
        total = np.bincount(cell, term, count).astype(np.float64, copy=False)
        squares = np.bincount(cell, term * term, count).astype(np.float64, copy=False)
        if most is None:
            most = np.zeros(count)
            np.maximum.at(most, cell, term)
        return Cells(len(cell), expected, total, squares, most)

    def widened(self, count: int) -> Cells:
        """Return at least this many cells, where the number of actions is learned on the way: n is expected of each."""
        more = max(count - len(self.total), 0)
        if not more:
            return self
        none = np.zeros(more)
        expected = np.append(self.expected, np.full(more, float(self.n)))
        total, squares, top = (np.append(item, none) for item in (self.total, self.squares, self.top))
        return Cells(self.n, expected, total, squares, top)

    def __add__(self, other: Cells) -> Cells:
        return Cells(
            self.n + other.n,
            self.expected + other.expected,
            self.total + other.total,
            self.squares + other.squares,
            np.maximum(self.top, other.top),
        )

    def interval(self) -> tuple[Floats, Floats]:
        r"""Return intervals of the sums' means that hold together, and respect heavy tails, shape (cells,) each.

        .. math:: \sum_i y_i \mp z \sqrt{n} s, \quad \text{and above} \; + \frac{y_{max} \log (2 k / 0.01)}{3}

        for k cells: terms are skewed to the right, so that the lower end is safe and the upper one is not (see
        ``ope.verdict.health.mean_weight_interval``). Terms and what is expected of them rise and fall together, so the
        spread around a fixed sum is more than the true one. The upper end of a cell without a row, and without a
        largest term that can occur, is infinite: nothing is known of how rare its rows are.
        """
        many = max(len(self.total), 1)
        spread = np.sqrt(np.maximum(self.squares - self.total**2 / max(self.n, 1), 0.0) * self.n / max(self.n - 1, 1))
        reach = float(ndtri(1 - ERROR / 2 / many)) * spread
        linear = np.where(self.top > 0, self.top, np.inf) * math.log(2 * many / ERROR) / 3
        return self.total - reach, self.total + reach + linear


@dataclass(frozen=True)
class Deviation:
    """The cell that is furthest from what it should be, by the nearer end of its interval.

    Parameters
    ----------
    cell
        Which.
    ratio, low, high
        Its sum over what was expected (1 is right), with the interval.
    size
        How far the interval stays away from 1, on the scale that was asked for; 0 where it holds 1.
    """

    cell: int
    ratio: float
    low: float
    high: float
    size: float


def furthest(cells: Cells, *, below: bool, scale: Floats | float | None = None) -> Deviation | None:
    """Return the worst cell, None where no interval leaves 1 out.

    Parameters
    ----------
    cells
        Sums by cell.
    below
        Whether a sum that is too small counts too: only where all eligible actions are known. An action that could
        often not be taken has a small sum of 1/p and right propensities.
    scale
        What a deviation of the sum is divided by for its size; None: by what each sum should come to.

    Examples
    --------
    >>> action = np.random.default_rng(0).choice(2, 5000, p=[0.7, 0.3])
    >>> found = furthest(Cells.of(action, np.full(5000, 2.0), np.array([5000.0, 5000.0])), below=True)
    >>> found.cell, round(found.ratio, 1), found.size > 0.3
    (0, 1.4, True)
    """
    low, high = cells.interval()
    above = low - cells.expected
    under = cells.expected - high if below else np.zeros_like(above)
    whole = cells.expected if scale is None else np.broadcast_to(np.asarray(scale, dtype=np.float64), above.shape)
    size = np.divide(np.maximum(above, under), whole, out=np.zeros_like(above), where=whole > 0)
    if not len(size) or size.max() <= 0:
        return None
    worst = int(np.argmax(size))
    expected = max(float(cells.expected[worst]), np.finfo(float).tiny)
    ratios = [float(column[worst]) / expected for column in (cells.total, low, high)]
    return Deviation(worst, ratios[0], ratios[1], ratios[2], float(size[worst]))


def state_edges(state: Floats, parts: int = 4) -> Floats:
    """Return the quantiles that cut each feature into parts of equal counts, shape (features, parts - 1)."""
    if not len(state):
        return np.zeros((state.shape[1], parts - 1))
    finite = np.where(np.isfinite(state), state, np.nan)
    empty = np.isnan(finite).all(axis=0)
    finite[:, empty] = 0.0
    return np.ascontiguousarray(np.nanquantile(finite, np.linspace(0, 1, parts + 1)[1:-1], axis=0).T)


def by_state(
    action: Ints, propensity: Floats, state: Floats, eligible: NDArray[np.bool_] | None, edges: Floats, most: Floats
) -> Cells:
    r"""Return sums of 1/p by action and part of the states: propensities that ignore a feature show here only.

    The parts do not depend on the actions, so no row needs to be held out. Every feature is cut alone: what goes wrong
    only where two features meet is not seen, and neither is a feature that the log does not have (a confounder).

    Parameters
    ----------
    action, propensity, state
        Of each row; ``state`` has shape (rows, features), NaN where missing.
    eligible
        Which actions could be taken, shape (rows, actions); None: all, as far as is known.
    edges
        From ``state_edges``.
    most
        Largest 1/p of each action that can occur or did anywhere, shape (actions,): a part may have seen none of it.

    Returns
    -------
    Cells in the order feature, part, action; missing values are the last part of each feature.
    """
    features, parts, actions = edges.shape[0], edges.shape[1] + 2, len(most)
    found, inverse = list[Cells](), 1 / propensity
    for feature in range(features):
        column = state[:, feature]
        part = np.where(np.isnan(column), parts - 1, np.searchsorted(edges[feature], column, side="right"))
        if eligible is None:
            could = np.repeat(np.bincount(part, minlength=parts), actions)
        else:
            could = np.stack([eligible[part == number].sum(axis=0) for number in range(parts)]).ravel()
        expected = could.astype(np.float64)
        found.append(Cells.of(part * actions + action, inverse, expected, np.tile(most, parts)))
    columns = [
        np.concatenate([getattr(item, name) for item in found]) for name in ("expected", "total", "squares", "top")
    ]
    return Cells(len(action), *columns)
