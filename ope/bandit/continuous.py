"""Continuous actions: density ratios as weights, and a kernel for candidates that are sure of their action."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ope.decisions import Decisions, Floats, Ints

# Density of a kernel of standard deviation 1 (Gaussian), or of support (-1, 1) (Epanechnikov).
KERNELS: dict[str, Callable[[Floats], Floats]] = {
    "epanechnikov": lambda u: np.maximum(0.75 * (1.0 - u * u), 0.0),
    "gaussian": lambda u: np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi),
}


def kernel_density(
    action: Floats, target: Floats, bandwidth: float | None = None, kernel: str = "epanechnikov"
) -> Floats:
    r"""Return the density at the executed actions of a candidate that aims at ``target`` and misses it by a kernel.

    .. math:: \pi_h(a_i|x_i) = \prod_d \frac1h K\Big(\frac{a_{id} - \pi_d(x_i)}{h}\Big), \qquad
              h = 1.06 \, s \, n^{-1/4}

    A deterministic candidate never plays exactly what was logged. What is estimated is this blurred one; for smooth
    rewards it differs from the candidate by the order of :math:`h^2`. The bandwidth is smaller than the
    :math:`n^{-1/5}` that is best for the squared error, so that this is small beside the standard error.

    Parameters
    ----------
    action, target
        The executed action, and the candidate's, finite, shape (rows,) or (rows, dimensions).
    bandwidth
        h, above 0, in units of the action; None: as above, with s the mean over dimensions of the actions' spread.
    kernel
        A key of KERNELS: "epanechnikov", which needs the log only near the target, or "gaussian".

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite, the bandwidth is not above 0, or the kernel is unknown.

    Examples
    --------
    >>> kernel_density(np.array([0.0, 0.5, 2.0]), np.zeros(3), bandwidth=1.0).tolist()
    [0.75, 0.5625, 0.0]

    References
    ----------
    Kallus, Zhou (2018), Policy evaluation and optimization with continuous treatments.
    Silverman (1986), Density estimation for statistics and data analysis (the constant 1.06).
    """
    if kernel not in KERNELS:
        raise ValueError(f"no kernel is called {kernel!r}; available: {', '.join(KERNELS)}")
    if action.shape != target.shape or action.ndim not in (1, 2):
        raise ValueError(f"action and target have shapes {action.shape} and {target.shape}: give both for each row")
    played, aimed = (column[:, None] if column.ndim == 1 else column for column in (action, target))
    for name, column in (("action", played), ("target", aimed)):
        if not (fine := np.isfinite(column).all(axis=1)).all():
            raise ValueError(f"{name} is not a finite number in row {int(np.argmin(fine))}: leave the row out")
    h = (
        1.06 * float(played.std(axis=0).mean()) * len(played) ** -0.25
        if bandwidth is None and len(played)
        else bandwidth
    )
    if h is None or not 0 < h < math.inf:
        raise ValueError(f"bandwidth is {h}, but must be above 0: give one in units of the action")
    found: Floats = (KERNELS[kernel]((played - aimed) / h) / h).prod(axis=1)
    return found


def from_densities(
    reward: Floats, density: Floats, candidate: Floats, *, cluster: Ints | None = None, state: Floats | None = None
) -> Decisions:
    r"""Return a log of continuous actions, for ``ips``, ``snips``, ``clipped_ips`` and ``sub_gaussian_ips``.

    .. math:: w_i = \pi(a_i|x_i) / f(a_i|x_i)

    A density can be above 1; only the ratio matters, so that both are given in units of the largest.

    Parameters
    ----------
    reward, density
        Reward of each row, and the behaviour policy's density at the executed action, above 0, shape (rows,).
    candidate
        The candidate's density at the executed action, shape (rows,): its own, or ``kernel_density``.
    cluster, state
        As in ``Decisions``.

    Raises
    ------
    ValueError
        If shapes differ, or a density is not a number, negative, or 0 where an action was executed; names the row.

    Examples
    --------
    >>> from ope import evaluate
    >>> rng = np.random.default_rng(1)
    >>> action = rng.normal(0.0, 1.0, 20_000)                 # the candidate always plays 0.5
    >>> density = np.exp(-(action**2) / 2) / np.sqrt(2 * np.pi)
    >>> near = kernel_density(action, np.full(20_000, 0.5))
    >>> log = from_densities(rng.normal(-((action - 1) ** 2), 0.1), density, near)
    >>> round(evaluate(log, ["snips"])[0].value, 1)           # - (0.5 - 1)^2, and a little of the blur
    -0.3
    """
    if density.shape != reward.shape or candidate.shape != reward.shape:
        raise ValueError(
            f"density and candidate have shapes {density.shape} and {candidate.shape}, but reward has {reward.shape}"
        )
    for name, column, least in (("density", density, "above 0"), ("candidate", candidate, "0 or more")):
        fine = np.isfinite(column) & ((column > 0) if name == "density" else (column >= 0))
        if not fine.all():
            row = int(np.argmin(fine))
            raise ValueError(f"{name} is {column[row]:g} in row {row}: a density at an executed action is {least}")
    unit = max(float(density.max(initial=0.0)), float(candidate.max(initial=0.0)), 1e-300)
    return Decisions(reward, density / unit, candidate / unit, cluster=cluster, state=state)
