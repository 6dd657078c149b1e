"""Thompson sampling candidates: each action with the probability that its drawn value is the largest. One JSON file.

.. code-block:: json

   {"kind": "thompson", "posterior": "gaussian", "features": ["inlet"], "actions": ["hold", "cool"],
    "theta": [[0.1, 0.0], [0.3, -0.2]],
    "covariance": [[[0.5, 0.0], [0.0, 0.5]], [[0.4, 0.1], [0.1, 0.4]]],
    "intercept": true, "mean": [22.0], "scale": [3.0]}

   {"kind": "thompson", "posterior": "beta", "actions": ["hold", "cool"], "alpha": [12.0, 30.0], "beta": [88.0, 170.0]}

``gaussian``: the value of action a is x'w with w ~ N(theta_a, covariance_a), independent of the other actions', and x
ends with a 1 if there is an ``intercept``. ``beta``: the value is a rate ~ Beta(alpha_a, beta_a), whatever the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monitor.candidates.files import described, features, names, numbers, positive
from monitor.candidates.linucb import matrices
from monitor.candidates.model import Model
from monitor.candidates.scored import CandidateError, Floats
from monitor.candidates.standard import STANDARD_KEYS, Standardised, standardised
from monitor.candidates.winning import largest_beta, largest_normal

MAX_ACTIONS = 256  # the work of a state grows with their square
_OFF = 1e-6  # how far the quadrature's probabilities may sum from 1
_LARGEST = 1e200  # of what is integrated over; beyond it standard deviations overflow
_KEYS = {
    "gaussian": {"theta", "covariance", "features", "intercept", *STANDARD_KEYS},
    "beta": {"alpha", "beta"},
}


@dataclass(frozen=True, eq=False)
class GaussianThompson:
    """Thompson sampling (Thompson, 1933; linear: Agrawal and Goyal, 2013) under a posterior that no longer learns.

    Sampling once to see what would have been played says little about one decision; off-policy estimates need the
    probability of the executed action, so it is integrated.
    """

    standard: Standardised
    theta: Floats
    covariance: Floats

    def __call__(self, states: Floats) -> Floats:
        """Return probabilities, shape (rows, actions); NaN where a value is not finite."""
        x = self.standard(states)
        centre = x @ self.theta.T
        variance = np.column_stack([np.einsum("nd,nd->n", x @ one, x) for one in self.covariance]).clip(min=0.0)
        finite = (np.abs(centre) < _LARGEST).all(axis=1) & (variance < _LARGEST).all(axis=1)
        found = np.full(centre.shape, np.nan)
        found[finite] = _whole(largest_normal(centre[finite], np.sqrt(variance[finite])))
        return found


def load_thompson(name: str, path: Path, configured: tuple[str, ...] = (), digest: str | None = None) -> Model:
    """Load a posterior; ``configured`` is the configuration's order of features, ``digest`` the file's SHA-256.

    Raises
    ------
    CandidateError
        If the file is missing or too large, or a field is wrong; names the file and the field.
    """
    every = set().union(*_KEYS.values())
    found = described(path, digest, "thompson", ("actions", "posterior"), every)
    posterior = found["posterior"]
    if posterior not in ("gaussian", "beta"):
        raise CandidateError(f"{path}: posterior must be one of {', '.join(_KEYS)}")
    if other := sorted(set(found) - {"kind", "actions", "posterior"} - _KEYS[posterior]):
        raise CandidateError(f"{path}: {other[0]} does not belong to a {posterior} posterior")
    actions = names(path, "actions", found["actions"])
    if len(actions) > MAX_ACTIONS:
        raise CandidateError(f"{path}: {len(actions)} actions; at most {MAX_ACTIONS} can be compared")
    if posterior == "beta":
        return _beta(name, path, found, actions)
    order = features(path, found, configured, none=found.get("intercept") is True)
    standard = standardised(path, found, len(order))
    theta = numbers(path, "theta", found.get("theta"), (len(actions), standard.size))
    covariance = matrices(path, "covariance", found.get("covariance"), actions, standard.size)
    return Model(name, order, actions, GaussianThompson(standard, theta, covariance))


def _beta(name: str, path: Path, found: Mapping[str, Any], actions: tuple[str, ...]) -> Model:
    alpha, beta = (positive(path, field, found.get(field), (len(actions),)) for field in ("alpha", "beta"))
    with np.errstate(all="ignore"):
        chosen = _whole(largest_beta(alpha, beta))
    if not np.isfinite(chosen).all():
        raise CandidateError(f"{path}: alpha and beta are so small or so large that nothing can be integrated")
    return Model(name, (), actions, lambda states: np.tile(chosen, (len(states), 1)))


def _whole(found: Floats) -> Floats:
    """Return probabilities that sum to exactly 1; NaN where the quadrature's own sum says that it failed."""
    total = found.sum(axis=-1, keepdims=True)
    return np.where(np.abs(total - 1) < _OFF, found / total, np.nan)
