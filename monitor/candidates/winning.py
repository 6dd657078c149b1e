"""How likely each of several independent random numbers is to be the largest, by quadrature: no luck, no seed."""

from __future__ import annotations

import numpy as np
from scipy import special

from monitor.candidates.scored import Floats

REACH = 6.5  # standard deviations; what lies further out has a probability below 1e-10
PANEL = 1.3  # standard deviations a panel
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_CELLS = 2**20  # numbers held at once
_TAILS = np.arange(REACH, 40.0, 2.0)  # a logit of a beta variable has exponential tails
_DENSITY = 1 / np.sqrt(2 * np.pi)


def largest_normal(centre: Floats, spread: Floats) -> Floats:
    r"""Return the probability of each normal variable to be the largest, shape (rows, variables).

    .. math:: P_a = \int \phi_a(t) \prod_{b \ne a} \Phi_b(t)\, dt

    Six-point Gauss-Legendre on panels no wider than 1.3 of the narrowest standard deviation that matters there. The
    error is below 1e-7 whatever the ratio of the standard deviations (measured 1e-10 against adaptive quadrature);
    Monte Carlo needs 10^13 draws for that.

    Parameters
    ----------
    centre, spread
        Means and standard deviations, shape (rows, variables).

    Examples
    --------
    >>> largest_normal(np.array([[0.0, 0.0, 0.0]]), np.array([[1.0, 1.0, 1.0]])).round(6).tolist()
    [[0.333333, 0.333333, 0.333333]]
    """
    rows, count = centre.shape
    spread = np.maximum(spread, 1e-9 * np.maximum(1.0, np.abs(centre)))  # a certain number is a very narrow one
    low = (centre - REACH * spread).max(axis=1)  # below it one variable is larger for sure
    high = (centre + REACH * spread).max(axis=1)
    matters = np.where(centre + REACH * spread > low[:, None], spread, np.inf).min(axis=1)
    fair = np.ceil((high - low) / (PANEL * matters))  # evenly wide panels
    apart = count * int(np.ceil(2 * REACH / PANEL))  # each variable's own panels
    found = np.empty_like(centre)
    order = np.argsort(fair)
    at = 0
    while at < rows:
        first = fair[order[at]]
        even = first <= apart
        size = max(1, int(_CELLS / (6 * count * max(1.0, min(2 * first, apart)))))
        batch = order[at : at + size]
        batch = batch[fair[batch] <= (min(2 * first, apart) if even else np.inf)]
        c, s = centre[batch], spread[batch]
        if even:
            steps = np.linspace(0.0, 1.0, int(fair[batch].max()) + 1)
            edges = low[batch, None] + (high - low)[batch, None] * steps
        else:
            z = np.linspace(-REACH, REACH, int(np.ceil(2 * REACH / PANEL)) + 1)
            edges = np.sort((c[:, :, None] + s[:, :, None] * z).reshape(len(batch), -1), axis=1)
        t, weight = _panels(edges)
        z = (t[:, :, None] - c[:, None, :]) / s[:, None, :]
        density = np.exp(-0.5 * z * z) * _DENSITY / s[:, None, :]
        found[batch] = np.einsum("nt,nta->na", weight, density * _others(special.ndtr(z)))
        at += len(batch)
    return found


def largest_beta(a: Floats, b: Floats) -> Floats:
    """Return the probability of each beta variable to be the largest, shape (variables,).

    As for normal variables, in the logits of the variables: there every beta density is smooth and has one peak.

    Parameters
    ----------
    a, b
        Parameters of the beta distributions, shape (variables,).

    Examples
    --------
    >>> largest_beta(np.array([1.0, 2.0]), np.array([1.0, 1.0])).round(6).tolist()
    [0.333333, 0.666667]
    """
    centre = special.digamma(a) - special.digamma(b)
    spread = np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))
    core = np.linspace(-REACH, REACH, 21)
    z = np.concatenate([-_TAILS[:0:-1], core, _TAILS[1:]])
    t, weight = (part[0] for part in _panels(np.sort((centre[:, None] + spread[:, None] * z).reshape(1, -1), axis=1)))
    found = np.zeros(len(a))
    step = max(1, _CELLS // len(a))
    for at in range(0, len(t), step):
        s = t[at : at + step, None]
        density = np.exp(a * special.log_expit(s) + b * special.log_expit(-s) - special.betaln(a, b))
        below = np.where(s < 0, special.betainc(a, b, special.expit(s)), 1 - special.betainc(b, a, special.expit(-s)))
        found += weight[at : at + step] @ (density * _others(below))
    return found


def _panels(edges: Floats) -> tuple[Floats, Floats]:
    """Return the nodes and weights of every panel between neighbouring edges, shape (rows, nodes)."""
    half = np.diff(edges, axis=1)[:, :, None] / 2
    middle = (edges[:, 1:, None] + edges[:, :-1, None]) / 2
    shape = (len(edges), -1)
    return (middle + half * _NODES).reshape(shape), (half * _WEIGHTS).reshape(shape)


def _others(below: Floats) -> Floats:
    """Return the product over all other variables along the last axis, without dividing by what may be 0."""
    before, after = np.ones_like(below), np.ones_like(below)
    np.cumprod(below[..., :-1], axis=-1, out=before[..., 1:])
    after[..., :-1] = np.cumprod(below[..., :0:-1], axis=-1)[..., ::-1]
    found: Floats = before * after
    return found
