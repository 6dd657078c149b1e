"""Fitted Q evaluation with bent lines of each feature."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ope.models.basis import Basis
from ope.trajectory.episodes import Floats
from ope.trajectory.fitted_q_steps import Predict, Steps, settle

ROWS = 8_192  # of a block: columns are made a block at a time
PENALTY = 1e-4  # of a standardised column's weight
MOST_CROSSED = 300  # lines by action, as in ``OutcomeModel``


def fit_linear(steps: Steps, _seed: int = 0) -> Predict:
    r"""Fit :math:`q(s, a) = \phi(s, a)^\top \beta` by least squares, sweep by sweep.

    The columns are those of ``Basis``, linear in the action's probabilities, so that the value of what follows is a
    product with the same :math:`\beta` and a sweep costs its square: the rows are read once. It can diverge where the
    candidate goes where the log does not; then it is refused.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> state, action = rng.normal(size=(2000, 1)), rng.integers(0, 2, 2000)
    >>> follows = np.where(np.arange(2000) % 2 == 0, np.arange(1, 2001), -1)
    >>> steps = Steps(state, action, action * state[:, 0], np.full((2000, 2), 0.5), follows, gamma=0.0, reach=1.0)
    >>> fit_linear(steps)(np.array([[1.0], [-1.0]])).round(1).tolist()
    [[-0.0, 1.0], [0.0, -1.0]]

    References
    ----------
    Lagoudakis, Parr (2003), Least-squares policy iteration (its fixed point).
    """
    actions = steps.actions
    crossed = _telling(steps)[: max(1, MOST_CROSSED // max(1, actions - 1))]
    basis = Basis.learn(steps.state, actions, pairs=[], crossed=crossed)
    size = len(basis.features()) + 1
    gram, leads, paid = np.zeros((size, size)), np.zeros((size, size)), np.zeros(size)
    for begin in range(0, len(steps.reward), ROWS):
        rows = slice(begin, begin + ROWS)
        x = basis.expand(steps.state[rows], np.eye(actions)[steps.action[rows]])
        follows = steps.follows[rows]
        after = basis.expand(steps.state[follows], steps.candidate[follows]) * (follows >= 0)[:, None]
        gram += x.T @ x
        leads += steps.gamma * (x.T @ after)
        paid += x.T @ steps.reward[rows]
    ridge = PENALTY * np.maximum(np.diag(gram), 1e-9 * len(steps.reward))
    factor = cho_factor(gram + np.diag(ridge))
    start, carry = cho_solve(factor, paid), cho_solve(factor, leads)
    beta = settle(
        lambda now: start + carry @ now,
        np.zeros(size),
        steps.largest,
        lambda moved: math.sqrt(max(float(moved @ gram @ moved), 0.0) / len(steps.reward)),  # of the predictions
    )

    def predict(state: Floats) -> Floats:
        q = np.empty((len(state), actions))
        for action in range(actions):
            for begin in range(0, len(state), ROWS):
                part = state[begin : begin + ROWS]
                chosen = np.zeros((len(part), actions))
                chosen[:, action] = 1.0
                q[begin : begin + ROWS, action] = basis.expand(part, chosen) @ beta
        return q

    return predict


def _telling(steps: Steps) -> list[int]:
    """Return the features, those first that go with what an episode still pays."""
    to_go = steps.reward.astype(np.float64)
    for row in np.flatnonzero(steps.follows >= 0)[::-1]:  # a row follows later than it, so it is done before it
        to_go[row] += steps.gamma * to_go[steps.follows[row]]
    spread = steps.state.std(axis=0)
    tells = np.abs((steps.state - steps.state.mean(axis=0)).T @ (to_go - to_go.mean()))
    order = np.argsort(-tells / np.where(spread > 0, spread, np.inf), kind="stable")
    return [int(feature) for feature in order]
