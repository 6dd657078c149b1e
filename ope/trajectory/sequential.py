"""Importance sampling over trajectories: of whole episodes and of each decision, plain and self-normalised."""

from __future__ import annotations

import numpy as np

from ope.estimator import EPISODES, Estimator
from ope.terms import Terms
from ope.trajectory.episodes import Episodes, Floats


def to_horizon(log: Episodes, column: Floats) -> Floats:
    """Carry the last step of a padded column on to the longest episode of the whole log."""
    return np.pad(column, ((0, 0), (0, log.horizon - column.shape[1])), mode="edge")


def tis_terms(log: Episodes, _tuning: float | None = None) -> Terms:
    r"""Trajectory importance sampling: the mean of weighted returns.

    .. math:: \hat V = \frac1n \sum_{i=1}^n w_{iT} G_i, \qquad
              w_{it} = \prod_{u \le t} \frac{\pi(a_{iu}|s_{iu})}{p_{iu}}, \quad G_i = \sum_t \gamma^t r_{it}

    where i counts episodes, each with its own last step T. Unbiased when propensities are right and the log supports
    the candidate. Its variance grows exponentially with the number of steps; ``pdis`` is never much worse and usually
    better.

    Parameters
    ----------
    log
        Episodes with the candidate's probability of each executed action.

    Returns
    -------
    :math:`w_{iT} G_i`, shape (episodes,), each of mass 1.

    Examples
    --------
    >>> from ope import evaluate
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(8000) < 0.5                       # 2,000 episodes of four steps, each pays its action
    >>> log = Episodes.of(np.repeat(np.arange(2000), 4), np.tile(np.arange(4), 2000), rng.normal(action, 0.1),
    ...                   np.full(8000, 0.5), np.where(action, 0.6, 0.4))
    >>> estimate = evaluate(log, ["tis"])[0]
    >>> estimate.low < 4 * 0.6 < estimate.high, estimate.n
    (True, 2000)

    References
    ----------
    Precup, Sutton, Singh (2000), Eligibility traces for off-policy policy evaluation.
    """
    return log.trajectory_weight * log.returns, None


def wis_terms(log: Episodes, _tuning: float | None = None) -> Terms:
    r"""Weighted importance sampling: the weighted mean of returns.

    .. math:: \hat V = \frac{\sum_i w_{iT} G_i}{\sum_i w_{iT}}

    with the symbols of ``tis``. Consistent, with a bias of order 1/n; it stays inside the range of the returns, which
    keeps it usable where ``tis`` is not. With few effective episodes it is close to the behaviour policy's value.

    Parameters
    ----------
    log
        Episodes with the candidate's probability of each executed action.

    Returns
    -------
    :math:`w_{iT} G_i` and the masses :math:`w_{iT}`, each of shape (episodes,).

    Examples
    --------
    >>> log = Episodes.of([0, 0, 1], [0, 1, 0], [1.0, 2.0, 5.0], [0.5, 0.5, 0.5], [0.5, 0.25, 0.75])
    >>> wis_terms(log)
    (array([1.5, 7.5]), array([0.5, 1.5]))

    References
    ----------
    Precup, Sutton, Singh (2000), Eligibility traces for off-policy policy evaluation.
    """
    return log.trajectory_weight * log.returns, log.trajectory_weight


def pdis_terms(log: Episodes, _tuning: float | None = None) -> Terms:
    r"""Per-decision importance sampling: each reward is weighted by the decisions up to it alone.

    .. math:: \hat V = \frac1n \sum_i \sum_t \gamma^t w_{it} r_{it}

    with the symbols of ``tis``. Unbiased like it, without the noise of decisions that came after a reward: clearly
    narrower where rewards come early, the same where only the last step pays.

    Parameters
    ----------
    log
        Episodes with the candidate's probability of each executed action.

    Returns
    -------
    The sum over its steps for each episode, shape (episodes,), each of mass 1.

    Examples
    --------
    >>> log = Episodes.of([0, 0, 1], [0, 1, 0], [1.0, 2.0, 5.0], [0.5, 0.5, 0.5], [0.5, 0.25, 0.75])
    >>> pdis_terms(log)
    (array([2. , 7.5]), None)

    References
    ----------
    Precup, Sutton, Singh (2000), Eligibility traces for off-policy policy evaluation.
    """
    return (log.weight * log.padded(log.reward)) @ log.discount, None


def wpdis_terms(log: Episodes, _tuning: float | None = None) -> Terms:
    r"""Self-normalised per-decision importance sampling: a weighted mean of rewards at each step.

    .. math:: \hat V = \sum_t \gamma^t \frac{\sum_i w_{it} r_{it}}{\sum_i w_{it}}

    with the symbols of ``tis``. The sums go over **all episodes**: one that has ended stays in them with the weight of
    its last step and reward 0, because under the candidate, too, such episodes pay nothing any more. The other
    convention averages over the episodes still alive; it answers what a step pays *given* that it is reached, differs
    visibly, and is not used here. Consistent, with a bias of order 1/n at each step; usually the narrowest without a
    model.

    Parameters
    ----------
    log
        Episodes with the candidate's probability of each executed action.

    Returns
    -------
    :math:`\gamma^t w_{it} r_{it}` and the masses :math:`w_{it}`, each of shape (episodes, steps).

    Examples
    --------
    >>> log = Episodes.of([0, 0, 1], [0, 1, 0], [1.0, 2.0, 5.0], [0.5, 0.5, 0.5], [0.5, 0.25, 0.75])
    >>> total, mass = wpdis_terms(log)
    >>> total.tolist(), mass.tolist()
    ([[1.0, 1.0], [7.5, 0.0]], [[1.0, 0.5], [1.5, 1.5]])

    References
    ----------
    Precup, Sutton, Singh (2000), Eligibility traces for off-policy policy evaluation.
    Thomas (2015), Safe reinforcement learning, section 3.10 (consistent weighted per-decision importance sampling).
    """
    total = log.weight * log.padded(log.reward) * log.discount
    total = np.pad(total, ((0, 0), (0, log.horizon - total.shape[1])))
    return total, to_horizon(log, log.weight)


TIS = Estimator("tis", tis_terms, log=EPISODES)
WIS = Estimator("wis", wis_terms, log=EPISODES)
PDIS = Estimator("pdis", pdis_terms, log=EPISODES)
WPDIS = Estimator("wpdis", wpdis_terms, log=EPISODES, by_step=True)
