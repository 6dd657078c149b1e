"""Multinomial logistic regression on bent lines: the probability of each action in a state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from ope.models.basis import Basis

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

MOST_PAIRED = 6  # features whose products are columns: 15 products
STEPS = 200
COOLEST, HOTTEST = 0.2, 20.0  # temperatures


@dataclass(frozen=True, eq=False)
class SoftmaxRegression:
    r"""Probability of each action in a state, :math:`\pi(a | s) \propto \exp(\theta_a^\top \phi(s) / T)`.

    The columns are those of the reward model (``Basis``): lines that bend at four quantiles, and products of features.
    States outside the range that was fitted on count as its end, because a line that goes on makes probabilities that
    nobody saw. T is fitted on rows that the rest has not seen.

    Parameters
    ----------
    basis
        The columns.
    low, high
        Range of each feature.
    center, scale
        Of each column but the intercept.
    theta
        Coefficients, the intercept first, shape (columns + 1, actions).
    temperature
        T: above 1, the plain fit was too sure.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> states = rng.normal(size=(4000, 1))
    >>> action = (rng.random(4000) < 1 / (1 + np.exp(-2 * states[:, 0]))).astype(int)
    >>> model = SoftmaxRegression.fit(states, action, actions=2, penalty=1.0)
    >>> model.probability(np.array([[0.0], [1.0]]))[:, 1].round(1).tolist()
    [0.5, 0.9]

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017), On calibration of modern neural networks (the temperature).
    """

    basis: Basis
    low: Floats
    high: Floats
    center: Floats
    scale: Floats
    theta: Floats
    temperature: float = 1.0

    @staticmethod
    def fit(
        states: Floats, action: Ints, *, actions: int, penalty: float, eligible: Bools | None = None
    ) -> SoftmaxRegression:
        """Fit by maximum likelihood with a squared penalty on all but the intercepts.

        Parameters
        ----------
        states, action
            Shapes (rows, features) and (rows,), finite.
        actions
            Number of actions.
        penalty
            Of the sum of squared coefficients, where the likelihood is summed over rows.
        eligible
            Which actions could be taken, shape (rows, actions); None: all.
        """
        basis = Basis.learn(states, 1, pairs=range(min(states.shape[1], MOST_PAIRED)), crossed=())
        columns = np.ascontiguousarray(basis.expand(states, np.ones((len(states), 1))))
        center, scale = columns[:, 1:].mean(axis=0), columns[:, 1:].std(axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        columns[:, 1:] = (columns[:, 1:] - center) / scale
        width, rows = columns.shape[1], np.arange(len(action))

        def loss(flat: Floats) -> tuple[float, Floats]:
            theta = flat.reshape(width, actions)
            logits = columns @ theta
            if eligible is not None:
                logits[~eligible] = -np.inf
            logs = log_softmax(logits, axis=1)
            excess = np.exp(logs)
            excess[rows, action] -= 1.0
            slope = columns.T @ excess
            slope[1:] += penalty * theta[1:]
            total = -float(logs[rows, action].sum()) + 0.5 * penalty * float((theta[1:] ** 2).sum())
            return total / len(action), slope.ravel() / len(action)

        begin = np.zeros((width, actions))
        begin[0] = np.log(np.bincount(action, minlength=actions) + 1.0)
        begin[0] -= begin[0].mean()
        found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
        return SoftmaxRegression(
            basis, states.min(axis=0), states.max(axis=0), center, scale, found.reshape(width, actions)
        )

    def logits(self, states: Floats) -> Floats:
        """Return the logits before the temperature, shape (rows, actions)."""
        at = np.clip(states, self.low, self.high)
        columns = self.basis.expand(at, np.ones((len(states), 1)))
        found: Floats = self.theta[0] + ((columns[:, 1:] - self.center) / self.scale) @ self.theta[1:]
        return found

    def probability(self, states: Floats, eligible: Bools | None = None) -> Floats:
        """Return the probability of every action, shape (rows, actions); 0 where one is not eligible."""
        logits = self.logits(states) / self.temperature
        if eligible is not None:
            logits[~eligible] = -np.inf
        found: Floats = softmax(logits, axis=1)
        return found

    def cooled(self, states: Floats, action: Ints, eligible: Bools | None = None) -> SoftmaxRegression:
        """Return it with the temperature under which rows that it has not seen are likeliest."""
        logits = self.logits(states)
        if eligible is not None:
            logits[~eligible] = -np.inf
        rows = np.arange(len(action))

        def loss(log_temperature: float) -> float:
            return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, action].mean())

        found = minimize_scalar(loss, bounds=(np.log(COOLEST), np.log(HOTTEST)), method="bounded")
        return SoftmaxRegression(
            self.basis, self.low, self.high, self.center, self.scale, self.theta, float(np.exp(found.x))
        )
