"""Predicted values for model-based estimators: the log's own column, or models that never saw the row they predict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.estimate.rows import Rows
from monitor.estimate.states import complete
from monitor.estimate.tally import View
from monitor.estimate.trajectories import trajectories
from monitor.settings import ConfigurationError
from ope import Decisions
from ope.models.crossfit import cross_fit
from ope.models.in_sample import in_sample_suspected
from ope.trajectory.episodes import Episodes
from ope.trajectory.fitted_q import fit_q


def with_given(log: Decisions | Episodes, view: View, rows: Rows, name: str, spec: str) -> Decisions | Episodes:
    """Return the log with its own column of values.

    Raises
    ------
    ConfigurationError
        If it has another number of values than the candidate has actions; names the row and the fix.
    """
    assert rows.q is not None
    if rows.q.shape[1] != len(view.names):
        raise ConfigurationError(
            f"--q {name}: it has {rows.q.shape[1]} values in row 1 and every other, but candidate {spec} has "
            f"{len(view.names)} actions: give one value for each action, in the order {', '.join(view.names[:8])}"
        )
    if isinstance(log, Episodes):
        return trajectories(view, rows, log.gamma, rows.q[view.used])
    return replace(log, q=rows.q[view.used])


def suspected(log: Decisions | Episodes) -> str | None:
    """Return a sentence where the log's own values seem to be fitted on these very rows; None of episodes."""
    if isinstance(log, Episodes) or log.q is None or log.action is None or log.state is None:
        return None
    try:
        return in_sample_suspected(log.q, complete(log.state), log.action, log.reward, unit=log.cluster)
    except ValueError:
        return None  # too few rows to tell


def of_decisions(log: Decisions, seed: int = 0) -> Decisions:
    """Return the log with cross-fitted rewards.

    Raises
    ------
    ValueError
        If there are too few rows to fit anything on.
    """
    assert log.action is not None
    assert log.candidate is not None
    assert log.state is not None
    actions = log.candidate.shape[1]
    q = cross_fit(complete(log.state), log.action, log.reward, actions, unit=log.cluster, seed=seed)
    return replace(log, q=q)


def of_episodes(log: Episodes, seed: int = 0) -> Episodes:
    """Return the log with values that were cross-fitted by episode.

    The number of the step is a feature beside those of the state: what still follows depends on how much is left.

    Raises
    ------
    ValueError
        If there are too few episodes, or the fit has no answer.
    """
    assert log.state is not None
    step = np.arange(len(log.reward)) - np.repeat(log.begin[:-1], log.length)
    state = complete(np.concatenate([log.state, step[:, None]], axis=1))
    return replace(log, q=fit_q(replace(log, state=state), seed=seed).q)
