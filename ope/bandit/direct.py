"""The direct method: what a reward model says of the candidate's choices."""

from __future__ import annotations

from ope.decisions import Decisions
from ope.estimator import Estimator
from ope.terms import Terms
from ope.verdict.trust import Trust


def dm_terms(log: Decisions, _tuning: float | None = None) -> Terms:
    r"""Direct method: the mean of what the model predicts for the candidate.

    .. math:: \hat V = \frac1n \sum_{i=1}^n \bar q_i, \qquad \bar q_i = \sum_a \pi(a|x_i) \, q(x_i, a)

    where q is the predicted reward of every action and :math:`\pi` the candidate. The rewards of the log enter only
    through q.

    Narrow and, where q is wrong, wrong: no number of rows cures it, and the interval covers only which contexts the log
    happens to have, never the model's error. It is there to be compared with: where it leaves the interval of ``dr``,
    the model is wrong for the candidate's actions. ``dr`` is the better default.

    Parameters
    ----------
    log
        Decisions with ``q`` and ``candidate``.

    Returns
    -------
    :math:`\bar q_i`, shape (rows,), each of mass 1.

    Examples
    --------
    >>> import numpy as np
    >>> from ope import evaluate
    >>> rng = np.random.default_rng(1)
    >>> context, action = rng.random(4000), rng.integers(0, 2, 4000)
    >>> candidate = np.tile([0.2, 0.8], (4000, 1))
    >>> log = Decisions(rng.normal(action * context, 0.1), np.full(4000, 0.5), candidate[np.arange(4000), action],
    ...                 action, candidate, q=np.stack([0 * context, context], axis=1))
    >>> estimate = evaluate(log, ["dm"])[0]
    >>> round(estimate.value, 2), estimate.trust.value, estimate.reasons[0]
    (0.4, 'weak', "The interval of dm leaves out the reward model's own error, which no number of rows removes.")

    References
    ----------
    Dudik, Langford, Li (2011), Doubly robust policy evaluation and learning.
    """
    return log.q_candidate, None


DM = Estimator(
    "dm",
    dm_terms,
    weighted=False,
    model=True,
    at_most=Trust.WEAK,
    note="The interval of dm leaves out the reward model's own error, which no number of rows removes.",
)
