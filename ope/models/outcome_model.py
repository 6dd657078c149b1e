"""What an action pays in a state: ridge regression on bent lines, judged on blocks of time that were left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ope.models.basis import Basis, Bools, Floats, Ranges
from ope.shift.by_block import by_block

Ints = NDArray[np.int64]

FOLDS = 5
PENALTIES = (1e-5, 1e-3, 1e-2, 1e-1)  # as a share of a standardised column's weight
MOST_PAIRED = 8  # features whose products are columns: 28 products
MOST_CROSSED = 300  # lines by action
EXTRAPOLATED = 2.0  # times the leverage that one baseline row in a thousand has


@dataclass(frozen=True, eq=False)
class OutcomeModel:
    r"""Mean reward :math:`\mu(s, a) = \phi(s, a)^\top \beta`, with what its error over any mean of rows is made of.

    The penalty is the one that predicts left-out blocks of time best, and ``r2`` says how well: rows that stand beside
    each other are alike, so that folds of rows would flatter the model. A mean of columns times ``draws`` of beta gives
    the mean's error without fitting again: the one-step bootstrap by blocks (Kline, Santos, 2012).

    Parameters
    ----------
    basis, ranges
        The columns, and where they were seen.
    beta
        Coefficients, the intercept first, shape (columns + 1,).
    r2
        Share of the variance that is predicted in blocks that were left out; below 0 when none is.
    steps
        By how much each block moves beta, shape (blocks, columns + 1).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> states, action = rng.normal(size=(4000, 2)), rng.integers(0, 2, 4000)
    >>> reward = np.abs(states[:, 0]) + action * states[:, 1] + rng.normal(0, 0.1, 4000)
    >>> model = OutcomeModel.fit(states, action, reward, np.arange(4000) // 100, actions=2)
    >>> round(model.r2, 1), model.predict(np.array([[2.0, 1.0]]), np.array([[0.0, 1.0]])).round().tolist()
    (1.0, [3.0])

    References
    ----------
    Dudik, Langford, Li (2011), Doubly robust policy evaluation and learning (the direct method).
    """

    basis: Basis
    ranges: Ranges
    beta: Floats
    r2: float
    steps: Floats
    _inverse: Floats
    _limit: float

    @staticmethod
    def fit(
        states: Floats, action: Ints, reward: Floats, block: Ints, *, actions: int, blocks: int = 0
    ) -> OutcomeModel:
        """Fit on the baseline's rows.

        Parameters
        ----------
        states, action, reward
            Shape (rows, features), finite; index of the action; reward.
        block
            Block of time of each row, from 0.
        actions
            Number of actions; 1 for a model of the state alone.
        blocks
            Number of blocks where some have no row here; 0: as many as are seen.

        Raises
        ------
        ValueError
            If there are fewer than 50 rows, or all of them are in one block.
        """
        if len(reward) < 50:
            raise ValueError(f"{len(reward)} rows of the baseline can be used: what an action pays needs 50 at least")
        if len(np.unique(block)) < 2:
            raise ValueError("all rows of the baseline are in one block of time: no error can be told from one")
        count, d = max(blocks, int(block.max()) + 1), states.shape[1]
        simple = Basis.learn(states, actions, pairs=[], crossed=[])
        weight = _important(_design(simple, states, action)[:, 1:], simple, reward, d)
        order = np.argsort(-weight, kind="stable")
        crossed = order[: max(1, MOST_CROSSED // max(1, actions - 1))] if d else order
        basis = Basis.learn(states, actions, pairs=order[:MOST_PAIRED].tolist(), crossed=crossed.tolist())
        x = _design(basis, states, action)
        spread = x[:, 1:].std(axis=0)
        kept = np.concatenate([[True], spread > 1e-9])
        center = np.concatenate([[0.0], x[:, 1:].mean(axis=0)])
        size = np.concatenate([[1.0], np.where(spread > 1e-9, spread, 1.0)])
        x -= center
        x /= size
        x[:, ~kept] = 0.0
        penalty, r2 = _penalty(x, reward, block % FOLDS)
        n = len(reward)
        diagonal = np.full(x.shape[1], penalty * n)
        diagonal[0] = 0.0
        diagonal[~kept] = n
        inverse = np.linalg.inv(x.T @ x + np.diag(diagonal))
        scaled = inverse @ (x.T @ reward)
        residual = reward - x @ scaled
        score = by_block(x * residual[:, None], block, count)
        score -= np.bincount(block, minlength=count)[:, None] * (diagonal / n * scaled)
        leverage = ((x @ inverse) * x).sum(axis=1)
        unscale = _unscaling(center, size)
        return OutcomeModel(
            basis,
            Ranges.learn(states, action, actions),
            unscale @ scaled,
            r2,
            (score @ inverse) @ unscale.T,
            unscale @ inverse @ unscale.T,
            float(EXTRAPOLATED * np.quantile(leverage, 0.999)),
        )

    def columns(self, states: Floats, chosen: Floats) -> Floats:
        """Return the model's columns with the intercept first; ``chosen`` as in ``Basis.expand``."""
        return self.basis.expand(states, chosen)

    def predict(self, states: Floats, chosen: Floats) -> Floats:
        """Return the mean reward of each row."""
        found: Floats = self.columns(states, chosen) @ self.beta
        return found

    def draws(self, weights: Floats) -> Floats:
        """Return beta with each block counted ``weights`` times, shape (draws, columns + 1)."""
        found: Floats = self.beta + (weights - 1.0) @ self.steps
        return found

    def supported(self, states: Floats, action: Ints) -> Bools:
        """Return which rows lie where the baseline has rows: in range, and not held by extrapolation alone."""
        inside = ~self.ranges.outside(states, action).any(axis=1)
        x = self.columns(states, np.eye(self.basis.actions)[np.maximum(action, 0)])
        leverage = ((x @ self._inverse) * x).sum(axis=1)
        near: Bools = inside & (leverage <= self._limit)
        return near


def _design(basis: Basis, states: Floats, action: Ints) -> Floats:
    return basis.expand(states, np.eye(basis.actions)[action])


def _unscaling(center: Floats, size: Floats) -> Floats:
    """Return the matrix that takes coefficients of standardised columns to those of the columns."""
    found = np.diag(1.0 / size)
    found[0, 1:] = -center[1:] / size[1:]
    return found


def _important(x: Floats, basis: Basis, reward: Floats, features: int) -> Floats:
    """Return how much each feature's line moves the reward in a first fit without products."""
    spread = x.std(axis=0)
    z = x - x.mean(axis=0)
    z /= np.where(spread > 1e-9, spread, 1.0)
    beta = np.linalg.solve(z.T @ z + 1e-3 * len(z) * np.eye(z.shape[1]), z.T @ (reward - reward.mean()))
    of, found = basis.features(), np.zeros(features)
    for f in range(features):
        mine = [c for c, names in enumerate(of) if names == (f,)]
        found[f] = float(np.std(z[:, mine] @ beta[mine]))
    return found


def _penalty(x: Floats, reward: Floats, fold: Ints) -> tuple[float, float]:
    """Return the penalty that predicts left-out folds best, and its share of the variance."""
    folds = [f for f in range(FOLDS) if (fold == f).any() and not (fold == f).all()]
    grams = {f: x[fold == f].T @ x[fold == f] for f in folds}
    moments = {f: x[fold == f].T @ reward[fold == f] for f in folds}
    gram, moment = sum(grams.values()), sum(moments.values())
    variance = float(np.sum((reward - reward.mean()) ** 2))
    best = (np.inf, PENALTIES[-1])
    for penalty in PENALTIES:
        error = 0.0
        for f in folds:
            n = len(reward) - int((fold == f).sum())
            ridge = np.full(x.shape[1], penalty * n)
            ridge[0] = 1e-9 * n
            beta = cho_solve(cho_factor(gram - grams[f] + np.diag(ridge)), moment - moments[f])
            square = float(reward[fold == f] @ reward[fold == f])
            error += square - 2 * float(beta @ moments[f]) + float(beta @ grams[f] @ beta)
        best = min(best, (error, penalty))
    return best[1], 1.0 - best[0] / variance if variance > 0 else 0.0
