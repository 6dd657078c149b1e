"""LinUCB candidates: the action with the highest upper confidence bound. One JSON file.

.. code-block:: json

   {"kind": "linucb", "features": ["inlet", "load"], "actions": ["hold", "cool"], "alpha": 1.0,
    "theta": [[0.1, 0.0], [0.3, -0.2]],
    "A_inv": [[[0.5, 0.0], [0.0, 0.5]], [[0.4, 0.1], [0.1, 0.4]]],
    "epsilon": 0.05, "ties": "first", "intercept": false, "mean": [22.0, 0.5], "scale": [3.0, 0.2]}

``theta`` has one row an action; ``A_inv`` one matrix an action; ``alpha`` is one number, or one an action. With
``intercept`` a 1 follows the features, so that both have one column more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.candidates.files import described, features, names, numbers
from monitor.candidates.model import Model
from monitor.candidates.scored import CandidateError, Floats
from monitor.candidates.standard import STANDARD_KEYS, Standardised, standardised

TIES = ("first", "share")
_SYMMETRIC = 1e-6  # of the largest number in the matrix


@dataclass(frozen=True, eq=False)
class LinUcb:
    r"""Disjoint LinUCB (Li, Chu, Langford and Schapire, 2010), as it would act without learning any further.

    .. math:: a(x) = \arg\max_a \theta_a^\top x + \alpha_a \sqrt{x^\top A_a^{-1} x}

    Of actions with exactly the same bound the ``first`` in the file's order is played, as argmax does, or they
    ``share``. With probability ``epsilon`` an action is drawn evenly from all, the best one included. Without epsilon
    the candidate is deterministic: only rows in which the log played its action count.
    """

    standard: Standardised
    theta: Floats
    inverse: Floats
    alpha: Floats
    epsilon: float
    share: bool

    def __call__(self, states: Floats) -> Floats:
        """Return probabilities, shape (rows, actions); NaN where a bound is not finite."""
        x = self.standard(states)
        width = np.column_stack([np.einsum("nd,nd->n", x @ one, x) for one in self.inverse])
        bounds = x @ self.theta.T + self.alpha * np.sqrt(width.clip(min=0.0))
        best = bounds == bounds.max(axis=1, keepdims=True)
        if not self.share:
            best &= best.cumsum(axis=1) == 1
        actions = best.shape[1]
        with np.errstate(invalid="ignore"):  # no bound is the largest where one is not a number
            found: Floats = best * ((1 - self.epsilon) / best.sum(axis=1, keepdims=True)) + self.epsilon / actions
        return np.where(np.isfinite(bounds).all(axis=1, keepdims=True), found, np.nan)


def load_linucb(name: str, path: Path, configured: tuple[str, ...] = (), digest: str | None = None) -> Model:
    """Load LinUCB; ``configured`` is the configuration's order of features, ``digest`` the file's SHA-256.

    Raises
    ------
    CandidateError
        If the file is missing or too large, or a field is wrong; names the file and the field.
    """
    optional = ("features", *STANDARD_KEYS, "intercept", "epsilon", "ties")
    found = described(path, digest, "linucb", ("actions", "alpha", "theta", "A_inv"), optional)
    order = features(path, found, configured, none=found.get("intercept") is True)
    actions = names(path, "actions", found["actions"])
    standard = standardised(path, found, len(order))
    theta = numbers(path, "theta", found["theta"], (len(actions), standard.size))
    inverse = matrices(path, "A_inv", found["A_inv"], actions, standard.size)
    alpha = numbers(path, "alpha", found["alpha"], (len(actions),) if isinstance(found["alpha"], list) else ())
    epsilon = float(numbers(path, "epsilon", found.get("epsilon", 0.0), ()))
    ties = found.get("ties", "first")
    if (alpha < 0).any():
        raise CandidateError(f"{path}: alpha must not be negative")
    if not 0 <= epsilon <= 1:
        raise CandidateError(f"{path}: epsilon is {epsilon:g}, but must be from 0 to 1")
    if ties not in TIES:
        raise CandidateError(f"{path}: ties must be one of {', '.join(TIES)}")
    return Model(name, order, actions, LinUcb(standard, theta, inverse, alpha, epsilon, ties == "share"))


def matrices(path: Path, field: str, value: object, actions: tuple[str, ...], size: int) -> Floats:
    """Return a symmetric matrix without negative eigenvalues for each action.

    Raises
    ------
    CandidateError
        If one is not; names the action.
    """
    found = numbers(path, field, value, (len(actions), size, size))
    for action, one in zip(actions, found, strict=True):
        span = np.abs(one).max(initial=0.0)
        if np.abs(one - one.T).max(initial=0.0) > _SYMMETRIC * span:
            raise CandidateError(f"{path}: {field} of action {action} is not symmetric")
        if np.linalg.eigvalsh(one).min(initial=0.0) < -_SYMMETRIC * span:
            raise CandidateError(f"{path}: {field} of action {action} has a negative eigenvalue: a variance cannot")
    return found
