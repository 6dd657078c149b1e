"""Did a reward model see the rows that it is to correct? What its residuals give away."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ope.models.crossfit import Floats, Ints, cross_fit

MOST_ROWS = 20_000  # looked at: a tree of neighbours and a model for them in half a second
ERRORS = 4.0  # standard errors by which the residuals must be smaller than the noise


def in_sample_suspected(
    q: Floats, states: Floats | None, action: Ints, reward: Floats, *, unit: Any = None, seed: int = 0
) -> str | None:
    r"""Return a sentence where predictions are better than the rewards' own noise allows, None where they are not.

    .. math:: \frac1{2m} \sum_{i \sim j} \Big( e_i^2 + e_j^2 - (f_i - f_j)^2 \Big) < 0
              \quad \text{by more than 4 standard errors}

    where e are the residuals of the given q, f those of a cross-fitted model, and :math:`i \sim j` the m pairs of
    nearest neighbours that took the same action. Neighbours have nearly the same expected reward, so that half the
    squared difference is the noise, and what the cross-fitted model misses cancels; a model that has not seen the rows
    cannot have smaller residuals, however good it is. To compare with the cross-fitted model alone would accuse every
    better model.

    It is a suspicion: where rewards hardly have noise and depend on many features in a way that neighbours do not
    share, a good model is accused. And a model with few parameters that was fitted on very many rows is not found,
    nor does it do harm.

    Parameters
    ----------
    q
        Predicted reward of every action, shape (rows, actions).
    states
        Features, finite, shape (rows, features); None: every two rows of one action are neighbours.
    action, reward, unit, seed
        As in ``cross_fit``; the seed also draws the 20,000 rows that are looked at.

    Raises
    ------
    ValueError
        As ``cross_fit``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> states, action = np.round(rng.normal(size=(3000, 1)), 2), rng.integers(0, 2, 3000)
    >>> reward = rng.normal(action * states[:, 0], 1.0)
    >>> true = np.stack([0 * states[:, 0], states[:, 0]], axis=1)
    >>> in_sample_suspected(true, states, action, reward)     # nothing predicts better
    >>> cell = np.unique(np.column_stack([states, action]), axis=0, return_inverse=True)[1].ravel()
    >>> learnt = true.copy()                                  # the mean of each cell's few rows
    >>> learnt[np.arange(3000), action] = (np.bincount(cell, reward) / np.bincount(cell))[cell]
    >>> in_sample_suspected(learnt, states, action, reward)[:60]
    'q misses the logged rewards by less than their noise (mean s'

    References
    ----------
    Rice (1984), Bandwidth choice for nonparametric regression (noise from differences of neighbours).
    """
    rows = np.arange(len(reward))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    near = None if states is None else states[rows]
    took, paid = np.asarray(action)[rows], np.asarray(reward, dtype=np.float64)[rows]
    own = None if unit is None else np.asarray(unit)[rows]
    fair = paid - cross_fit(near, took, paid, q.shape[1], unit=own, seed=seed)[np.arange(len(rows)), took]
    given = paid - q[rows, took]
    i, j = _neighbours(near, took, seed)
    if len(i) < 2:
        return None
    noise, missed = (fair[i] - fair[j]) ** 2 / 2, (given[i] ** 2 + given[j] ** 2) / 2
    below = noise - missed
    if not below.mean() > ERRORS * below.std() / np.sqrt(len(below)):
        return None
    return (
        f"q misses the logged rewards by less than their noise (mean square {missed.mean():.4g}, the noise is about "
        f"{noise.mean():.4g}): it was probably fitted on these rows, which hands its bias to the doubly robust "
        "estimates. Fit it on other rows, or leave it out and have it cross-fitted."
    )


def _neighbours(states: Floats | None, action: Ints, seed: int) -> tuple[Ints, Ints]:
    """Return pairs of rows of one action, each pair once: the nearest, or any where there are no states."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for a in np.unique(action):
        rows = np.flatnonzero(action == a)
        if len(rows) < 2:
            continue
        if states is None or states.shape[1] == 0:
            drawn = np.random.default_rng((seed, int(a))).permutation(rows)
            pairs.append(drawn[: len(drawn) // 2 * 2].reshape(-1, 2))
            continue
        spread = states.std(axis=0)
        z = states[rows] / np.where(spread > 0, spread, 1.0)
        found = cKDTree(z).query(z, k=2)[1]
        me = np.arange(len(rows))
        other = np.where(found[:, 0] == me, found[:, 1], found[:, 0])  # of equal states itself need not be first
        pairs.append(rows[np.unique(np.sort(np.stack([me, other], axis=1), axis=1), axis=0)])
    every = np.concatenate(pairs)
    return every[:, 0], every[:, 1]
