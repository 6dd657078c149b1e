"""Doubly robust estimates: a reward model, corrected by the weighted errors that it makes on the log."""

from __future__ import annotations

import numpy as np

from ope.decisions import Decisions
from ope.estimator import Estimator
from ope.terms import Terms


def dr_terms(log: Decisions, _tuning: float | None = None) -> Terms:
    r"""Doubly robust: what the model says, plus what it gets wrong on the log.

    .. math:: \hat V = \frac1n \sum_{i=1}^n \big(\bar q_i + w_i (r_i - q_i)\big), \qquad
              \bar q_i = \sum_a \pi(a|x_i) \, q(x_i, a), \quad q_i = q(x_i, a_i)

    where :math:`w_i = \pi(a_i|x_i) / p_i` is the importance weight, :math:`\pi` the candidate, r the reward and q the
    predicted reward. Unbiased when the propensities are right, whatever q is, as long as q was not fitted on the same
    rows (``cross_fit``): a model that has seen a row's noise makes its residual too small, and the bias of ``dm`` comes
    through. The better q, the narrower; a useless q costs a little against ``ips``.

    Parameters
    ----------
    log
        Decisions with ``q`` and ``candidate``.

    Returns
    -------
    :math:`\bar q_i + w_i (r_i - q_i)`, shape (rows,), each of mass 1.

    Examples
    --------
    >>> from ope import evaluate
    >>> rng = np.random.default_rng(1)
    >>> context, action = rng.random(4000), rng.integers(0, 2, 4000)
    >>> candidate = np.tile([0.2, 0.8], (4000, 1))
    >>> wrong = np.stack([0 * context, 2 * context], axis=1)
    >>> log = Decisions(rng.normal(action * context, 0.1), np.full(4000, 0.5), candidate[np.arange(4000), action],
    ...                 action, candidate, q=wrong)
    >>> [round(estimate.value, 1) for estimate in evaluate(log, ["dm", "dr"])]
    [0.8, 0.4]

    References
    ----------
    Robins, Rotnitzky, Zhao (1994), Estimation of regression coefficients when some regressors are not always observed.
    Dudik, Langford, Li (2011), Doubly robust policy evaluation and learning.
    Chernozhukov et al. (2018), Double/debiased machine learning for treatment and structural parameters.
    """
    return log.q_candidate + log.weight * (log.reward - log.q_executed), None


def sndr_terms(log: Decisions, _tuning: float | None = None) -> Terms:
    r"""Self-normalised doubly robust: the model's errors are averaged by weight.

    .. math:: \hat V = \frac1n \sum_{i=1}^n \bar q_i + \frac{\sum_i w_i (r_i - q_i)}{\sum_i w_i}

    with the symbols of ``dr``. Consistent, with a bias of order 1/n. Where weights are large and q is poor it varies
    less than ``dr``, as ``snips`` does than ``ips``; with a good q they hardly differ.

    Parameters
    ----------
    log
        Decisions with ``q`` and ``candidate``.

    Returns
    -------
    Two columns: :math:`\bar q_i` of mass 1, and :math:`w_i (r_i - q_i)` of mass :math:`w_i`, each of shape (rows, 2).

    Examples
    --------
    >>> from ope import evaluate
    >>> rng = np.random.default_rng(1)
    >>> action = rng.integers(0, 2, 4000)
    >>> candidate = np.tile([0.2, 0.8], (4000, 1))
    >>> log = Decisions(rng.normal(5.0 + action, 0.1), np.full(4000, 0.5), candidate[np.arange(4000), action],
    ...                 action, candidate, q=np.zeros((4000, 2)))
    >>> dr, sndr = evaluate(log, ["dr", "sndr"])
    >>> sndr.stderr < dr.stderr / 5, sndr.low < 5.8 < sndr.high
    (True, True)

    References
    ----------
    Robins, Sued, Lei-Gomez, Rotnitzky (2007), Comment: performance of double-robust estimators when inverse
    probability weights are highly variable.
    """
    weight = log.weight
    total, mass = np.empty((2, len(log))), np.empty((2, len(log)))
    total[0], total[1] = log.q_candidate, weight * (log.reward - log.q_executed)
    mass[0], mass[1] = 1.0, weight
    return total.T, mass.T


DR = Estimator("dr", dr_terms, model=True)
SNDR = Estimator("sndr", sndr_terms, model=True)
