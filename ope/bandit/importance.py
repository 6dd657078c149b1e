"""Inverse propensity scoring and its self-normalised form."""

from __future__ import annotations

from ope.decisions import Decisions
from ope.estimator import Estimator
from ope.sums import WeightSums
from ope.terms import Terms, TermSums


def ips_terms(log: Decisions, _tuning: float | None = None) -> Terms:
    r"""Inverse propensity scoring: the mean of weighted rewards.

    .. math:: \hat V = \frac1n \sum_{i=1}^n w_i r_i, \qquad
              \widehat{se}^2 = \frac{1}{n (n-1)} \sum_i (w_i r_i - \hat V)^2

    where :math:`w_i = \pi(a_i|x_i) / p_i` is the importance weight, :math:`\pi` the candidate, :math:`p_i` the
    behaviour policy's probability of the executed action, :math:`r_i` the reward and n the number of usable rows.

    Unbiased when the propensities are right and the log supports the candidate. Adding a constant to all rewards
    changes its error, and its variance is usually larger than that of ``snips``, which is the better default.

    Parameters
    ----------
    log
        Decisions with the candidate's probability of the executed action.

    Returns
    -------
    :math:`w_i r_i`, shape (rows,), each of mass 1.

    Examples
    --------
    >>> import numpy as np
    >>> from ope import evaluate
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(4000) < 0.5                       # the log plays action 1 half of the time
    >>> log = Decisions(rng.normal(action, 0.1), np.full(4000, 0.5), np.where(action, 0.8, 0.2))
    >>> estimate = evaluate(log, ["ips"])[0]                  # the candidate 80% of the time
    >>> estimate.low < 0.8 < estimate.high, estimate.trust.value
    (True, 'trusted')

    References
    ----------
    Horvitz, Thompson (1952), A generalization of sampling without replacement from a finite universe.
    Strehl, Langford, Li, Kakade (2010), Learning from logged implicit exploration data.
    """
    return log.weight * log.reward, None


def snips_terms(log: Decisions, _tuning: float | None = None) -> Terms:
    r"""Self-normalised inverse propensity scoring: the weighted mean of rewards.

    .. math:: \hat V = \frac{\sum_i w_i r_i}{\sum_i w_i}, \qquad
              \widehat{se}^2 = \frac{n}{n-1} \frac{\sum_i w_i^2 (r_i - \hat V)^2}{\big(\sum_i w_i\big)^2}

    with the symbols of ``ips``. Consistent, with a bias of order 1/n; it stays inside the range of the rewards and
    moves with a constant that is added to them. The standard error is the delta method's for a ratio: the randomness
    of the normaliser is in it.

    Parameters
    ----------
    log
        Decisions with the candidate's probability of the executed action.

    Returns
    -------
    :math:`w_i r_i` and the masses :math:`w_i`, each of shape (rows,).

    Examples
    --------
    >>> import numpy as np
    >>> from ope import evaluate
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(4000) < 0.5
    >>> log = Decisions(rng.normal(action, 0.1), np.full(4000, 0.5), np.where(action, 0.8, 0.2))
    >>> estimate = evaluate(log, ["snips"])[0]
    >>> estimate.low < 0.8 < estimate.high, estimate.anytime_low < estimate.low
    (True, True)

    References
    ----------
    Swaminathan, Joachims (2015), The self-normalized estimator for counterfactual learning.
    """
    return log.weight * log.reward, log.weight


def _ips(sums: WeightSums) -> TermSums:
    return TermSums.ratio(sums.n, sums.wr, sums.n, sums.w2r2, sums.wr, sums.n)


def _snips(sums: WeightSums) -> TermSums:
    return TermSums.ratio(sums.n, sums.wr, sums.w, sums.w2r2, sums.w2r, sums.w2)


IPS = Estimator("ips", ips_terms, of_weights=_ips, span=lambda bounds, _: bounds.reach)
SNIPS = Estimator("snips", snips_terms, of_weights=_snips, span=lambda bounds, _: bounds.ratio_reach)
