"""States and actions as the columns of a linear model, and the region in which its answers are more than a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

KNOTS = (0.2, 0.4, 0.6, 0.8)  # quantiles at which a feature's line may bend
MARGIN = 0.05  # of a feature's range: how far beyond it a value still counts as seen
MOST_BENT = 200  # columns of bends by action; beyond them, an action only changes the slope


@dataclass(frozen=True, eq=False)
class Basis:
    r"""Columns :math:`\phi(s, a)`: bent lines of each feature, products of features, and both by action.

    A linear model over them is the simplest that sees curved rewards and actions that pay differently by state; trees
    fit steps better, but their mean over another mix of states has no closed-form error.

    Parameters
    ----------
    center, scale
        Of each feature, shape (features,).
    knots
        Standardised values at which each feature's line may bend.
    pairs, crossed
        Features whose products are columns; features that have their own line for each action.
    bent
        Whether the lines by action may bend, too.
    actions
        Number of actions, 1 for a model of the state alone.

    Examples
    --------
    >>> basis = Basis.learn(np.random.default_rng(1).normal(size=(500, 2)), 3, pairs=[0, 1], crossed=[0, 1])
    >>> basis.expand(np.zeros((4, 2)), np.eye(3)[[0, 1, 2, 2]]).shape, len(basis.features())
    ((4, 34), 33)
    """

    center: Floats
    scale: Floats
    knots: tuple[tuple[float, ...], ...]
    pairs: tuple[tuple[int, int], ...]
    crossed: tuple[int, ...]
    bent: bool
    actions: int

    @staticmethod
    def learn(states: Floats, actions: int, *, pairs: Sequence[int], crossed: Sequence[int]) -> Basis:
        """Place the knots by the baseline's states, shape (rows, features)."""
        center, scale = states.mean(axis=0), states.std(axis=0)
        scale = np.where(scale > 1e-12 * (1 + np.abs(center)), scale, 1.0)
        found = []
        for column in ((states - center) / scale).T:
            distinct = np.unique(column)
            if len(distinct) <= len(KNOTS) + 2:  # few values: a bend between each two lets them all differ
                found.append(tuple(float(k) for k in distinct[1:-1]))
            else:
                inner = np.unique(np.quantile(column, KNOTS))
                found.append(tuple(float(k) for k in inner if distinct[0] < k < distinct[-1]))
        bends = sum(1 + len(found[f]) for f in crossed)
        return Basis(
            center,
            scale,
            tuple(found),
            tuple(combinations(sorted(pairs), 2)),
            tuple(sorted(crossed)),
            bends * (actions - 1) <= MOST_BENT,
            actions,
        )

    def expand(self, states: Floats, chosen: Floats) -> Floats:
        """Return the columns, the intercept first, shape (rows, columns + 1).

        ``chosen`` weighs the actions, shape (rows, actions): one-hot for an executed action, a policy's probabilities
        for its mean over actions, because the columns are linear in them.
        """
        z = np.ascontiguousarray(((states - self.center) / self.scale).T)
        found = np.empty((len(self.features()) + 1, len(states)))  # by column: each is written once, in one piece
        found[0], at, first = 1.0, 1, []
        for line, knots in zip(z, self.knots, strict=True):
            first.append(at)
            found[at] = line
            for number, knot in enumerate(knots, start=1):
                np.maximum(line - knot, 0.0, out=found[at + number])
            at += 1 + len(knots)
        for i, j in self.pairs:
            np.multiply(z[i], z[j], out=found[at])
            at += 1
        for weight in np.ascontiguousarray(chosen.T)[1:]:
            found[at] = weight
            at += 1
            for f in self.crossed:
                for bend in range(1 + len(self.knots[f]) if self.bent else 1):
                    np.multiply(weight, found[first[f] + bend], out=found[at])
                    at += 1
        return found.T

    def values(self, states: Floats, beta: Floats) -> Floats:
        """Return a linear model's value of every action, shape (rows, actions): one expansion serves them all."""
        plain = self.expand(states, np.zeros((len(states), self.actions)))
        first = np.cumsum([1, *(1 + len(knots) for knots in self.knots)])
        lines = [first[f] + bend for f in self.crossed for bend in range(1 + len(self.knots[f]) if self.bent else 1)]
        own = beta[first[-1] + len(self.pairs) :].reshape(self.actions - 1, 1 + len(lines))
        found = np.repeat((plain @ beta)[:, None], self.actions, axis=1)
        found[:, 1:] += own[:, 0] + plain[:, lines] @ own[:, 1:].T
        return found

    def features(self) -> list[tuple[int, ...]]:
        """Return the features that each column is made of, in the order of ``expand``; none for an action alone."""
        lines = [[(f,)] * (1 + len(knots)) for f, knots in enumerate(self.knots)]
        found: list[tuple[int, ...]] = [column for line in lines for column in line]
        found += list(self.pairs)
        for _action in range(1, self.actions):
            found.append(())
            for f in self.crossed:
                found += lines[f] if self.bent else [(f,)]
        return found


@dataclass(frozen=True, eq=False)
class Ranges:
    """Range of each feature by action, widened by a twentieth; nan where an action was taken too rarely to tell."""

    low: Floats  # (actions, features)
    high: Floats

    @staticmethod
    def learn(states: Floats, action: NDArray[np.int64], actions: int, least: int = 30) -> Ranges:
        """Learn them from the baseline; an action with fewer than ``least`` rows has none."""
        low, high = (np.full((actions, states.shape[1]), np.nan) for _ in range(2))
        width = MARGIN * np.ptp(states, axis=0)
        for a in range(actions):
            rows = states[action == a]
            if len(rows) >= least:
                low[a], high[a] = rows.min(axis=0) - width, rows.max(axis=0) + width
        return Ranges(low, high)

    def outside(self, states: Floats, action: NDArray[np.int64]) -> Bools:
        """Return which features of which rows the baseline never saw with this action, shape (rows, features)."""
        known = action >= 0
        low, high = self.low[np.where(known, action, 0)], self.high[np.where(known, action, 0)]
        inside = (states >= low) & (states <= high) & known[:, None]
        return ~inside
