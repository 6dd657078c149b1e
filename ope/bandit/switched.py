"""Doubly robust estimates that leave rows of large weight to the model, at once or by degrees."""

from __future__ import annotations

import numpy as np

from ope.bandit.shrinkage import CUTS, Floats, least_error
from ope.decisions import Decisions
from ope.estimator import Estimator
from ope.sums import WeightSums
from ope.terms import Terms


def switch_dr_terms(log: Decisions, tuning: float | None = None) -> Terms:
    r"""Switch: the model alone answers where a weight exceeds lambda, ``dr`` elsewhere.

    .. math:: \hat V = \frac1n \sum_{i=1}^n \big(\bar q_i + 1[w_i \le \lambda] \, w_i (r_i - q_i)\big)

    with the symbols of ``dr``. Its bias is the model's error on the rows that are switched off, which its interval does
    not count. ``least_error`` chooses lambda unless it is given. Where no weight exceeds it, this is ``dr``; where all
    do, ``dm``.

    Parameters
    ----------
    log
        Decisions with ``q`` and ``candidate``.
    tuning
        lambda; None: infinity.

    Returns
    -------
    :math:`\bar q_i + 1[w_i \le \lambda] w_i (r_i - q_i)`, shape (rows,), each of mass 1.

    Examples
    --------
    >>> rng = np.random.default_rng(4)
    >>> share = rng.beta(0.5, 0.5, 4000)                       # how often the log plays action 1: sometimes hardly ever
    >>> action = (rng.random(4000) < share).astype(int)
    >>> log = Decisions(rng.normal(action, 0.5), np.where(action, share, 1 - share), np.full(4000, 0.5), action,
    ...                 np.full((4000, 2), 0.5), np.tile([0.0, 1.0], (4000, 1)), np.stack([1 - share, share], axis=1))
    >>> most = SWITCH_DR.tune(log)
    >>> dr, switched = switch_dr_terms(log)[0], switch_dr_terms(log, most)[0]
    >>> round(most, 1), round(float(dr.std() / switched.std()), 1)
    (90.5, 2.0)

    References
    ----------
    Wang, Agarwal, Dudik (2017), Optimal and adaptive off-policy evaluation in contextual bandits.
    """
    weight = log.weight if tuning is None else _switch(log.weight, tuning)
    return log.q_candidate + weight * (log.reward - log.q_executed), None


def dr_os_terms(log: Decisions, tuning: float | None = None) -> Terms:
    r"""Doubly robust with optimistic shrinkage: the larger a weight, the more is left to the model.

    .. math:: \hat V = \frac1n \sum_{i=1}^n
              \Big(\bar q_i + \frac{\lambda w_i}{w_i^2 + \lambda} (r_i - q_i)\Big)

    with the symbols of ``dr``. A weight of :math:`\sqrt\lambda` counts for half, larger ones for less. Smoother than
    ``switch_dr``, so that one row at the threshold decides nothing; its interval does not count its bias either.
    ``least_error`` chooses lambda unless it is given. At infinity this is ``dr``, at 0 ``dm``.

    Parameters
    ----------
    log
        Decisions with ``q`` and ``candidate``.
    tuning
        lambda; None: infinity.

    Returns
    -------
    :math:`\bar q_i + \lambda w_i (r_i - q_i) / (w_i^2 + \lambda)`, shape (rows,), each of mass 1.

    Examples
    --------
    >>> log = Decisions(np.array([1.0]), np.array([0.1]), np.array([0.2]), np.array([0]), np.array([[0.2, 0.8]]),
    ...                 q=np.array([[0.5, 0.0]]))
    >>> [round(float(dr_os_terms(log, tuning)[0][0]), 3) for tuning in (0.0, 4.0, float("inf"))]
    [0.1, 0.6, 1.1]

    References
    ----------
    Su, Dimakopoulou, Krishnamurthy, Dudik (2020), Doubly robust off-policy evaluation with shrinkage.
    """
    weight = log.weight if tuning is None else _shrink(log.weight, tuning)
    return log.q_candidate + weight * (log.reward - log.q_executed), None


def _switch(weight: Floats, tuning: Floats | float) -> Floats:
    return np.where(weight <= tuning, weight, 0.0)


def _shrink(weight: Floats, tuning: Floats | float) -> Floats:
    """Shrink; a lambda of infinity is allowed and leaves the weights alone, one of 0 leaves nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        left: Floats = weight / (1.0 + weight * weight / tuning)
    return left if np.all(tuning) else np.nan_to_num(left)  # 0 / 0


def _switched_at(log: Decisions) -> float:
    return least_error(log, _switch, CUTS, model=True)


def _shrunk_at(log: Decisions) -> float:
    return least_error(log, _shrink, CUTS**2, model=True)


def _switched(tuning: float, weights: WeightSums) -> str:
    if tuning >= weights.w_max:
        return f"No weight is cut (the largest is {weights.w_max:.3g}), so this is dr."
    return f"lambda is {tuning:.3g}: rows of larger weight are left to the model, whose error there is in no interval."


def _shrunk(tuning: float, _weights: WeightSums) -> str:
    if np.isinf(tuning):
        return "No weight is shrunk (lambda is infinite), so this is dr."
    return (
        f"lambda is {tuning:.3g}: a weight of {np.sqrt(tuning):.3g} counts for half, and the model's error "
        "where weights shrink is in no interval."
    )


SWITCH_DR = Estimator("switch_dr", switch_dr_terms, model=True, tune=_switched_at, tuned=_switched)
DR_OS = Estimator("dr_os", dr_os_terms, model=True, tune=_shrunk_at, tuned=_shrunk)
