"""The log as trajectories: episodes of several steps, in which an action changes the states that follow."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from monitor.candidates.scored import Floats
from monitor.estimate.facts import Facts
from monitor.estimate.rows import Rows
from monitor.estimate.tally import View
from monitor.settings import ConfigurationError
from ope.trajectory.episodes import Episodes

_OR = "or ask for estimators of single decisions alone: --estimators snips,dr"


def trajectories(view: View, rows: Rows, gamma: float, q: Floats | None = None) -> Episodes:
    """Return a candidate's episodes, with predicted values where they are given.

    Raises
    ------
    ConfigurationError
        If the log lacks ``episode_id`` or ``step`` somewhere, or an episode has a gap or a step twice; names it. A row
        that was left out (refused, without a reward or a probability) is a gap.
    """
    for name in ("episode_id", "step"):
        if name not in rows.table.column_names:
            raise ConfigurationError(f"estimators of trajectories need the column {name}: log it, {_OR}")
        empty = rows.table[name].null_count
        if empty:
            row = int(np.argmax(rows.table[name].is_null().to_numpy())) + 1
            raise ConfigurationError(f"{name} is missing in usable row {row} and {empty - 1:,} others: log it, {_OR}")
    log = view.log
    try:
        return Episodes.of(
            rows.text("episode_id")[view.used].astype(str),
            np.asarray(rows.table["step"].to_numpy(), dtype=np.int64)[view.used],
            log.reward,
            log.propensity,
            log.probability,
            action=log.action,
            candidate=log.candidate,
            q=q,
            behaviour=log.behaviour,
            state=log.state,
            gamma=gamma,
        )
    except ValueError as error:
        raise ConfigurationError(f"{error}, {_OR}") from None


def require_whole(view: View, rows: Rows, facts: Facts) -> None:
    """Raise ConfigurationError if a row was left out; names it.

    The numbers of the steps show a gap, but not that an episode has lost its end, which is where many are paid: what is
    left looks like a whole episode that earned less.
    """
    left = np.setdiff1d(np.arange(len(rows)), view.used)
    if len(left):
        row = int(left[0])
        episode, step = (rows.table[name][row].as_py() for name in ("episode_id", "step"))
        why = f"has no {facts.target}" if np.isnan(rows.reward[row]) else "has no probability of the candidate"
        raise ConfigurationError(
            f"episode {episode!r} is not whole: its step {step} {why} (and {len(left) - 1:,} other rows): log it, or "
            f"leave the episode out, {_OR}"
        )
    for count, why in facts.rejected.values():
        raise ConfigurationError(
            f"{count:,} rows are refused, any of which may be the end of an episode ({why}): mend the log, {_OR}"
        )


def mean_return(log: Episodes) -> float:
    """Return the mean discounted sum of rewards of the log's own policy.

    >>> mean_return(Episodes.of(["a", "a", "b"], [0, 1, 0], [1.0, 2.0, 3.0], [0.5] * 3, [0.5] * 3, gamma=0.5))
    2.5
    """
    step = np.arange(len(log.reward)) - np.repeat(log.begin[:-1], log.length)
    discounted: Floats = log.reward * log.gamma**step
    return float(discounted.sum() / max(len(log), 1))


def numbered(rows: Rows) -> bool:
    """Return whether any row has a step."""
    return "step" in rows.table.column_names and bool(pc.any(pc.is_valid(rows.table["step"])).as_py())
