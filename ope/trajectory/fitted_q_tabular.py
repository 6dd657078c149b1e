"""Fitted Q evaluation with a value for each state and action."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ope.trajectory.episodes import Floats, Ints
from ope.trajectory.fitted_q_steps import Predict, Steps, settle

PRIOR = 1.0  # rows that a value starts with: the state's mean, which starts with as many of the mean of all


def fit_tabular(steps: Steps, _seed: int = 0) -> Predict:
    """Fit a table: the mean over the rows of a state and action of what they paid and led to.

    A pair with few rows is drawn to its state's mean by one row, and a state to the mean of all: an action that was
    never logged in a state is worth what the state is. No sweep of such means can diverge. Use it where states are
    few; each pair should have some rows.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> state, action = np.tile([[0.0], [1.0]], (500, 1)), rng.integers(0, 2, 1000)
    >>> follows = np.where(np.arange(1000) % 2 == 0, np.arange(1, 1001), -1)
    >>> steps = Steps(state, action, action * 1.0, np.full((1000, 2), 0.5), follows, gamma=1.0, reach=2.0)
    >>> fit_tabular(steps)(np.array([[0.0], [1.0]])).round(1).tolist()
    [[0.5, 1.5], [0.0, 1.0]]
    """
    values, code = distinct(steps.state)
    states, actions = len(values), steps.actions
    pair = code * actions + steps.action
    rows = np.bincount(pair, minlength=states * actions).astype(np.float64)
    paid = np.bincount(pair, steps.reward, minlength=states * actions)
    on = steps.follows >= 0
    leads = sparse.csr_array(
        (np.full(int(on.sum()), steps.gamma), (pair[on], code[steps.follows[on]])), shape=(states * actions, states)
    )
    of_state = sparse.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape=(states, len(code)))
    visits = np.bincount(code, minlength=states).astype(np.float64)
    candidate = (of_state @ steps.candidate) / visits[:, None]

    def sweep(q: Floats) -> Floats:
        total = paid + leads @ (candidate * q).sum(axis=1)
        by_state = total.reshape(states, actions).sum(axis=1)
        base = (by_state + PRIOR * total.sum() / len(code)) / (visits + PRIOR)
        found: Floats = (total + PRIOR * np.repeat(base, actions)) / (rows + PRIOR)
        return found.reshape(states, actions)

    table = settle(sweep, np.zeros((states, actions)), steps.largest)
    unseen = (visits[:, None] * (candidate * table)).sum() / visits.sum()

    def predict(state: Floats) -> Floats:
        at, known = _found(values, state)
        q = np.full((len(state), actions), unseen)
        q[known] = table[at[known]]
        return q

    return predict


def binned(state: Floats, bins: int = 5) -> Floats:
    """Return each feature's number of its bin between quantiles, so that continuous states become a table's.

    Examples
    --------
    >>> binned(np.array([[0.1], [0.2], [7.0], [9.0]]), 2).ravel().tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    found = np.empty(state.shape)
    for number, column in enumerate(state.T):
        edges = np.unique(np.quantile(column, np.arange(1, bins) / bins))
        found[:, number] = np.searchsorted(edges, column, side="left")
    return found


def distinct(state: Floats) -> tuple[NDArray[np.void], Ints]:
    """Return the distinct states in order, as records, and the number of each row's."""
    values, code = np.unique(_records(state), return_inverse=True)
    return values, code.astype(np.int64)


def _records(state: Floats) -> NDArray[np.void]:
    rows = np.ascontiguousarray(state + 0.0)  # -0.0 and 0.0 are one state
    return rows.view([(f"f{i}", np.float64) for i in range(rows.shape[1])]).ravel()


def _found(values: NDArray[np.void], state: Floats) -> tuple[Ints, NDArray[np.bool_]]:
    records = _records(state)
    at = np.minimum(np.searchsorted(values, records), len(values) - 1)
    return at, values[at] == records
