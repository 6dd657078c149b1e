"""Fitted Q evaluation: what an action is worth under the candidate, with everything that follows, fitted on the log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ope.trajectory.episodes import Episodes
from ope.trajectory.fitted_q_linear import fit_linear
from ope.trajectory.fitted_q_mlp import fit_mlp
from ope.trajectory.fitted_q_steps import Fit, Steps
from ope.trajectory.fitted_q_tabular import fit_tabular

FOLDS = 5
FITTED: dict[str, Fit] = {"tabular": fit_tabular, "linear": fit_linear, "mlp": fit_mlp}


def fit_q(log: Episodes, model: str = "linear", *, folds: int = FOLDS, seed: int = 0) -> Episodes:
    r"""Return the log with q, each episode's predicted by a model that was fitted on the other episodes.

    .. math:: q \leftarrow \arg\min_f \sum_i \sum_t \Big( r_{it} + \gamma \sum_a \pi(a|s_{i,t+1}) \, q(s_{i,t+1}, a)
              - f(s_{it}, a_{it}) \Big)^2

    again and again until q settles; after an episode's last step nothing follows, also where the log was cut off there.
    Cross-fitted by episode, because a model hands the doubly robust estimators its bias on the episodes that it has
    seen; ``folds=1`` fits on all and is only there to show that.

    Parameters
    ----------
    log
        Episodes with ``state``, ``action`` and ``candidate``.
    model
        "tabular": a value for each distinct state and action, so the state should be a number of few values, or binned
        (``ope.trajectory.fitted_q_tabular.binned``); "linear": bent lines of each feature by action; "mlp": a small
        network, needs torch, slower, and the only one of them that can diverge slowly.
    folds
        Parts of the episodes.
    seed
        Of the parts, and of the network.

    Raises
    ------
    DivergedError
        If values leave what any policy could earn, or do not settle.
    ValueError
        If the model is unknown, a column is missing, or there are fewer episodes than folds.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> action = rng.integers(0, 2, 4000)                     # 2,000 episodes of two steps, each pays its action
    >>> candidate = np.tile([0.2, 0.8], (4000, 1))
    >>> log = Episodes.of(np.repeat(np.arange(2000), 2), np.tile([0, 1], 2000), action, np.full(4000, 0.5),
    ...                   candidate[np.arange(4000), action], action=action, candidate=candidate,
    ...                   state=np.tile([0.0, 1.0], 2000)[:, None])
    >>> fit_q(log, "tabular").q[:2].round(1).tolist()         # now, and 0.8 in the second step
    [[0.8, 1.8], [0.0, 1.0]]

    References
    ----------
    Le, Voloshin, Yue (2019), Batch policy learning under constraints.
    Chernozhukov et al. (2018), Double/debiased machine learning for treatment and structural parameters.
    """
    if model not in FITTED:
        raise ValueError(f"no model is called {model!r}; available: {', '.join(FITTED)}")
    if len(log) < max(2, folds):
        raise ValueError(f"{len(log)} episodes cannot be cut into {folds} parts to fit on: collect more")
    steps = Steps.of(log)
    part = np.repeat(np.random.default_rng(seed).permutation(len(log)) % folds, log.length)
    q = np.empty_like(steps.candidate)
    for fold in range(folds):
        held = part == fold
        others = steps if folds == 1 else steps.of_episodes(~held)
        q[held] = FITTED[model](others, seed + fold)(steps.state[held])
    return replace(log, q=q)
