"""A model of trajectories and what the log says against it, blended by how wrong each of them seems to be."""

from __future__ import annotations

import numpy as np

from ope.estimator import EPISODES, Estimator
from ope.sums import WeightSums
from ope.terms import Terms, TermSums
from ope.trajectory.episodes import Episodes, Floats
from ope.trajectory.sequential_model import wdr_terms
from ope.verdict.trust import Trust

QUARTILE = 0.6745  # of the normal distribution: half of all values are nearer than this many standard errors


def magic_terms(log: Episodes, tuning: float | None = None) -> Terms:
    r"""Model and guided importance sampling combining: between ``dm_fqe`` and ``wdr``, where the error seems smallest.

    .. math:: \hat V = (1 - \lambda) \, \hat V_{dm} + \lambda \, \hat V_{wdr}

    where :math:`\lambda` makes the estimated squared error smallest (``least_error``). Of the published estimator's
    many lengths of the part that the log decides this has the two ends: nothing, and all steps. Nearer to the truth
    than ``wdr`` where the log is small and the model good; it goes to ``wdr`` as the log grows and shows that the model
    is wrong.

    Parameters
    ----------
    log
        Episodes with ``q`` and the candidate's probability of every action.
    tuning
        :math:`\lambda` from 0 to 1; None: 1.

    Returns
    -------
    Numerators and masses as of ``wdr``.

    Examples
    --------
    >>> log = Episodes.of([0, 0], [0, 1], [1.0, 2.0], [0.5, 0.5], [0.25, 0.5], action=[0, 1],
    ...                   candidate=[[0.25, 0.75], [0.5, 0.5]], q=[[4.0, 2.0], [1.0, 2.0]])
    >>> [magic_terms(log, share)[0].tolist() for share in (0.0, 1.0)]
    [[[2.5, -0.0, 0.0]], [[2.5, -0.75, 0.0]]]

    References
    ----------
    Thomas, Brunskill (2016), Data-efficient off-policy policy evaluation for reinforcement learning (MAGIC).
    """
    total, mass = wdr_terms(log)
    total[:, 1:] *= 1.0 if tuning is None else tuning
    return total, mass


def least_error(log: Episodes) -> float:
    r"""Return the :math:`\lambda` of the smallest estimated squared error.

    .. math:: (1 - \lambda)^2 (s_{dm}^2 + b^2) + 2 \lambda (1 - \lambda) s_{dm,wdr} + \lambda^2 s_{wdr}^2

    with the variances and the covariance of the delta method, and b the model's bias: how far ``dm_fqe`` is from the
    50% interval of ``wdr``, as published; inside, nothing speaks against the model.
    """
    sums: TermSums | None = None
    for piece in log.blocks():
        found = TermSums.of(*wdr_terms(piece))
        sums = found if sums is None else sums + found
    if sums is None or not (sums.first[sums.columns :] > 0).all():
        return 1.0
    k = sums.columns
    total, mass = sums.first[:k], sums.first[k:]
    both: Floats = np.concatenate([1.0 / mass, -total / mass**2])
    model = np.where(np.arange(2 * k) % k == 0, both, 0.0)  # of the first ratio alone
    wdr, dm, joint = (float(one @ sums.second @ other) for one, other in ((both, both), (model, model), (model, both)))
    bias = max(0.0, abs(float((total[1:] / mass[1:]).sum())) - QUARTILE * np.sqrt(max(wdr, 0.0)))
    wrong = dm + bias**2
    return float(np.clip((wrong - joint) / (wrong + wdr - 2 * joint), 0.0, 1.0)) if wrong + wdr > 2 * joint else 1.0


def _said(share: float, _weights: WeightSums) -> str:
    return f"lambda is {share:.3g}: what the log says against the model counts for {share:.0%}."


MAGIC = Estimator(
    "magic",
    magic_terms,
    log=EPISODES,
    model=True,
    by_step=True,
    tune=least_error,
    tuned=_said,
    at_most=Trust.WEAK,
    note="The interval of magic leaves out the error of the model's share.",
)
