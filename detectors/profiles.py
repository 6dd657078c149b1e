"""What the rewards of reference episodes look like, step by step, and how far a group of episodes lies below that."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from detectors.series import Floats

_FOLDS = 5
_DRAWS = 20_000
_AT_ONCE = 2_000_000

LEAST_P = 2 / (1 + _DRAWS)
"""Smallest p-value of both tests together: no draw was as low."""


def shrunk_covariance(vectors: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the covariance of one episode, its correlations shrunk towards none by as much as they are noise.

    Parameters
    ----------
    vectors
        Centred mean rewards of each step, shape (N, steps).
    weights
        Episodes behind each row, shape (N,).

    References
    ----------
    Schaefer, J. and Strimmer, K. (2005). A shrinkage approach to large-scale covariance matrix estimation. Statistical
    Applications in Genetics and Molecular Biology 4.

    Examples
    --------
    >>> x = np.array([[1.0, 1.0], [-1.0, -1.0]] * 50)
    >>> shrunk_covariance(x, np.ones(100)).round(2).tolist()
    [[1.01, 1.01], [1.01, 1.01]]
    """
    x = np.asarray(vectors, np.float64) * np.sqrt(np.asarray(weights, np.float64))[:, None]
    n = len(x)
    spread = np.sqrt(np.sum(x**2, axis=0) / max(n - 1, 1))
    floor = max(1e-12, 1e-6 * float(spread.max(initial=0.0)))  # a step that always pays the same
    spread = np.maximum(spread, floor)
    z = x / spread
    correlation = z.T @ z / max(n - 1, 1)
    noise = (np.square(z).T @ np.square(z) / n - (z.T @ z / n) ** 2) / max(n - 1, 1)
    off = ~np.eye(len(spread), dtype=bool)
    size = float(np.sum(correlation[off] ** 2))
    kept = 1 - min(1.0, max(0.0, float(np.sum(noise[off])) / size)) if size > 0 else 0.0
    return np.asarray(np.where(off, kept * correlation, 1.0) * np.outer(spread, spread), np.float64)


@dataclass
class Profile:
    """A fitted reference.

    Parameters
    ----------
    mean
        Mean reward at each step, shape (steps,).
    precision
        Inverse covariance of one episode's rewards; its row sums weigh the steps.
    scores
        Reference rows in the units of the test, precision x (row - mean), each by a fit that has not seen it,
        shape (N, steps).
    weights
        Episodes behind each, shape (N,).

    References
    ----------
    Greenberg, I. and Mannor, S. (2021). Detecting rewards deterioration in episodic reinforcement learning. ICML.
    """

    mean: Floats
    precision: Floats
    scores: Floats
    weights: Floats
    _drawn: dict[tuple[int, int], tuple[Floats, Floats]] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(vectors: ArrayLike, weights: ArrayLike) -> Profile:
        """Fit a reference; a fifth of the rows at a time is scored by the others.

        A covariance that has seen a row makes it look closer than a new one ever will be.

        Parameters
        ----------
        vectors
            Mean rewards of each step, shape (N, steps), finite.
        weights
            Episodes behind each row, shape (N,).

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> fitted = Profile.of(rng.normal(1.0, [0.1, 1.0], (200, 2)), np.ones(200))
        >>> (fitted.precision.sum(axis=0) / fitted.precision.sum()).round(2).tolist()  # the steady step counts
        [0.99, 0.01]
        """
        x, n = np.asarray(vectors, np.float64), np.asarray(weights, np.float64)
        scores = np.zeros_like(x)
        for part in np.array_split(np.arange(len(x)), _FOLDS):
            others = np.setdiff1d(np.arange(len(x)), part)
            mean, precision = _fit(x[others], n[others])
            scores[part] = (x[part] - mean) @ precision
        mean, precision = _fit(x, n)
        return Profile(mean, precision, scores - n @ scores / n.sum(), n)

    def statistics(self, scores: Floats, worst: int) -> tuple[Floats, Floats]:
        """Return the uniform and the partial statistic of groups of episodes.

        All steps down by as much: the sum of the scores, that is the row sums of the precision times the deviations,
        the most powerful test there is for normal rewards. Some steps down: the sum of the ``worst`` lowest ones.

        Parameters
        ----------
        scores
            Mean scores of each group, shape (groups, steps).
        worst
            Steps that the partial statistic adds up.
        """
        partial = np.sort(scores, axis=1)[:, :worst].sum(axis=1)
        return np.asarray(scores.sum(axis=1)), np.asarray(partial)

    def p_values(self, vectors: Floats, weights: Floats, worst: int) -> tuple[float, float]:
        """Return the p-values of the uniform and the partial statistic of one group of episodes.

        By a bootstrap over whole rows of the reference, so that the steps of an episode stay together; the draws are
        widened by the reference's own error. The seed is fixed: the same group has the same answer.

        Parameters
        ----------
        vectors, weights
            The judged rows, as for ``of``.
        worst
            Steps that the partial statistic adds up.
        """
        size, total = len(vectors), float(weights.sum())
        now = weights @ ((vectors - self.mean) @ self.precision) / total
        uniform, partial = self.statistics(now[None, :], worst)
        if (size, worst) not in self._drawn:
            self._drawn[size, worst] = self._draw(size, worst)
        # The draws are of sums over sqrt(episodes): the error of the mean of this group, and that of the reference.
        wider = np.sqrt(1 / total + 1 / float(self.weights.sum()))
        drawn = self._drawn[size, worst]
        found = [
            (1 + float(np.sum(null * wider <= one[0]))) / (1 + _DRAWS)
            for one, null in zip((uniform, partial), drawn, strict=True)
        ]
        return found[0], found[1]

    def _draw(self, size: int, worst: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng(20_210_718)
        uniform, partial = [], []
        many = max(1, _AT_ONCE // (size * self.scores.shape[1]))
        for first in range(0, _DRAWS, many):
            chosen = rng.integers(0, len(self.scores), (min(many, _DRAWS - first), size))
            n = self.weights[chosen]
            sums = np.einsum("bi,bis->bs", n, self.scores[chosen]) / np.sqrt(n.sum(axis=1))[:, None]
            one, two = self.statistics(sums, worst)
            uniform.append(one)
            partial.append(two)
        return np.concatenate(uniform), np.concatenate(partial)


def _fit(x: Floats, n: Floats) -> tuple[Floats, Floats]:
    mean = n @ x / n.sum()
    return mean, np.asarray(np.linalg.pinv(shrunk_covariance(x - mean, n), hermitian=True))
