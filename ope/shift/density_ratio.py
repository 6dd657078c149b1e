"""How many times more often another log visits a place: a classifier that tells the two logs apart."""

from __future__ import annotations

import numpy as np

from ope.models.basis import Floats

STEPS = 12
LEAST_SHARE = 0.02  # of effective rows: with fewer, a handful of rows would carry the mean


def density_ratio(here: Floats, there: Floats, penalty: float = 2.0) -> Floats | None:
    r"""Return the weights that make the rows of one log look like another, mean 1.

    .. math:: \rho(x) = p_{there}(x) / p_{here}(x), \quad \log \rho(x) = c + b^\top x + d^\top x^2

    by a ridge-penalised logistic regression on standardised columns and their squares. Used to ask how wrong a model
    is where another log is, from rows whose rewards are known; never to estimate a value alone.

    Parameters
    ----------
    here, there
        Columns of the two logs, shape (rows, columns).
    penalty
        Of the squared coefficients, against log-likelihoods of balanced classes.

    Returns
    -------
    Weights of ``here``, shape (rows,), or None where fewer than 2% of its rows would carry them.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> here, there = rng.normal(0, 1, (5000, 1)), rng.normal(0.5, 1, (1000, 1))
    >>> weight = density_ratio(here, there)
    >>> round(float((weight * here[:, 0]).mean()), 1), density_ratio(here, there + 20) is None
    (0.5, True)

    References
    ----------
    Sugiyama, Suzuki, Kanamori (2012), Density Ratio Estimation in Machine Learning, chapter 4.
    """
    if not len(here) or not len(there) or not here.shape[1]:
        return None
    center, scale = here.mean(axis=0), here.std(axis=0)
    varies = scale > 1e-9
    x = np.vstack([here, there])[:, varies]
    z = np.clip((x - center[varies]) / scale[varies], -5.0, 5.0)
    square = z**2 - 1.0
    square = square[:, np.ptp(z[: len(here)], axis=0) > 0]
    x = np.hstack([np.ones((len(z), 1)), z, square / 2.0])
    label = np.concatenate([np.zeros(len(here)), np.ones(len(there))])
    balance = np.where(label == 1.0, 1.0, len(there) / len(here))
    ridge = np.diag(np.concatenate([[1e-6], np.full(x.shape[1] - 1, penalty)]))
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        odds = np.clip(x @ beta, -30.0, 30.0)
        p = 1.0 / (1.0 + np.exp(-odds))
        gradient = x.T @ (balance * (label - p)) - ridge @ beta
        curvature = (x * (balance * p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(curvature, gradient)
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / largest if largest > 0 else 1.0)
        if largest < 1e-6:
            break
    weight: Floats = np.exp(np.clip(x[: len(here)] @ beta, -30.0, 30.0))
    total = float(weight.sum())
    if total <= 0 or total**2 / float(weight @ weight) < max(50.0, LEAST_SHARE * len(here)):
        return None
    return weight * len(here) / total
