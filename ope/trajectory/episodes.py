"""A log of trajectories as arrays: what every sequential estimator reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ope import shapes
from ope.predicted import Predicted
from ope.sums import WeightSums
from ope.trajectory.episode_rows import checked_steps, grouped, said

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = ("reward", "propensity", "probability", "action")
TABLES = ("candidate", "q", "behaviour")  # a column for each action

# Steps of the longest episode that an estimator with a ratio for each step can have: its sums of products of all pairs
# of steps are 32 MB at this many, and grow with their square.
MOST_STEPS = 1_000
CELLS = 131_072  # episodes of a block times the longest: a padded array of it is a megabyte

# Weights are products over steps and may leave what doubles hold. One beyond this is this: its fourth power is still
# finite, and no estimate hangs on it, because a log with such a weight is refused.
LARGEST = 1e50


@dataclass(frozen=True, eq=False)
class Episodes(Predicted):
    r"""Logged episodes, with what one candidate would have done in each step; made by ``Episodes.of``.

    Rows are kept flat, an episode's steps beside each other, and padded to the longest episode only a block at a time:
    one episode of a million steps must not cost a million cells for each other one. An estimator's unit is the episode.
    Use ``Decisions`` where one decision does not change the next state.

    Parameters
    ----------
    reward, propensity, probability
        As in ``Decisions``, of each step, shape (rows,).
    begin
        Row where each episode begins, and the number of rows, shape (episodes + 1,).
    action, candidate, q, behaviour, state
        As in ``Decisions``; q is the value of an action with everything that follows, discounted to its own step.
    gamma
        Discount of each further step, in [0, 1].
    label
        Names of the episodes, for messages, shape (episodes,).
    first_step
        Number of the first step, for messages.
    horizon
        Steps of the longest episode of the whole log, which a piece of it keeps; 0: of these episodes.

    Raises
    ------
    ValueError
        If shapes do not fit; when read, if a number is missing, infinite or out of range. Names episode and step.

    Examples
    --------
    >>> log = Episodes.of(["a", "a", "b"], [0, 1, 0], [1.0, 2.0, 3.0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.5], gamma=0.5)
    >>> log.weight.tolist(), log.trajectory_weight.tolist(), log.returns.tolist()
    ([[1.5, 0.75], [1.0, 1.0]], [0.75, 1.0], [2.0, 3.0])
    """

    reward: Floats
    propensity: Floats
    probability: Floats
    begin: Ints
    action: Ints | None = None
    candidate: Floats | None = None
    q: Floats | None = None
    behaviour: Floats | None = None
    state: Floats | None = None
    gamma: float = 1.0
    label: NDArray[Any] | None = None
    first_step: int = 0
    horizon: int = 0

    @staticmethod
    def of(
        episode: Any,
        step: Any,
        reward: Any,
        propensity: Any,
        probability: Any,
        *,
        action: Any = None,
        candidate: Any = None,
        q: Any = None,
        behaviour: Any = None,
        state: Any = None,
        gamma: float = 1.0,
    ) -> Episodes:
        """Make episodes from rows in any order.

        Parameters
        ----------
        episode, step
            Which episode, and the number of the step in it, shape (rows,). Every episode has the same first number (0
            or 1, say) and every number after it once; lengths may differ.
        reward, propensity, probability, action, candidate, q, behaviour, state, gamma
            See the class; one row for each.

        Raises
        ------
        ValueError
            If steps repeat, are left out or start elsewhere; names the episode and the step.

        Examples
        --------
        >>> Episodes.of(["a", "a"], [0, 2], [1.0, 2.0], [0.5, 0.5], [0.8, 0.2])
        Traceback (most recent call last):
        ...
        ValueError: episode 'a' has no step 1, but a step 2: log every step, or leave the episode out
        """
        ids, steps = np.asarray(episode), np.asarray(step)
        if ids.ndim != 1 or ids.shape != steps.shape:
            raise ValueError(f"episode and step must be two columns of one length, got {ids.shape} and {steps.shape}")
        label, order, begin = grouped(ids, steps)
        first = checked_steps(steps[order].astype(np.int64), begin, label)
        columns: dict[str, Any] = {"reward": reward, "propensity": propensity, "probability": probability}
        columns |= {"action": action, "candidate": candidate, "q": q, "behaviour": behaviour, "state": state}
        given: dict[str, Any] = {
            name: _in_order(name, np.asarray(column, dtype=np.int64 if name == "action" else np.float64), order)
            for name, column in columns.items()
            if column is not None
        }
        return Episodes(**given, begin=begin, gamma=gamma, label=label, first_step=first)

    def __post_init__(self) -> None:
        rows = int(self.begin[-1])
        shapes.check(self, rows, COLUMNS, TABLES, whole=f"the episodes have {rows} steps", one="step")
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}, but a discount lies between 0 and 1")
        if self.horizon == 0 and len(self):
            object.__setattr__(self, "horizon", int(self.length.max()))

    def __len__(self) -> int:
        return len(self.begin) - 1

    @cached_property
    def length(self) -> Ints:
        """Steps of each episode."""
        found: Ints = np.diff(self.begin)
        return found

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Which cells of a padded array are steps, shape (episodes, steps of the longest of these)."""
        longest = int(self.length.max()) if len(self) else 0
        found: NDArray[np.bool_] = np.arange(longest) < self.length[:, None]
        return found

    def padded(self, column: Floats, fill: float = 0.0) -> Floats:
        """Return a column of the rows with a row for each episode, ``fill`` after its end."""
        found = np.full(self.inside.shape, fill)
        found[self.inside] = column
        return found

    @cached_property
    def discount(self) -> Floats:
        """Discount of each step, shape (steps,)."""
        found: Floats = self.gamma ** np.arange(self.inside.shape[1], dtype=np.float64)
        return found

    @cached_property
    def weight(self) -> Floats:
        """Product of the importance weights up to each step, carried on after the end, shape (episodes, steps)."""
        with np.errstate(over="ignore"):
            found = np.cumprod(self.padded(self.probability / self.propensity, 1.0), axis=1)
        np.nan_to_num(found, copy=False, nan=0.0)  # infinity times 0: the candidate never plays this
        kept: Floats = np.minimum(found, LARGEST, out=found)
        return kept

    @cached_property
    def trajectory_weight(self) -> Floats:
        """Importance weight of each whole episode."""
        found: Floats = self.weight[:, -1] if self.weight.shape[1] else np.ones(len(self))
        return found

    @cached_property
    def returns(self) -> Floats:
        """Discounted sum of the rewards of each episode."""
        found: Floats = self.padded(self.reward) @ self.discount
        return found

    def weight_sums(self) -> WeightSums:
        """Return the sums that the verdict is made from: of weights of whole episodes, and of returns."""
        return WeightSums.from_rows(self.trajectory_weight, self.returns)

    def blocks(self, cells: int = CELLS) -> Iterator[Episodes]:
        """Yield checked pieces in order."""
        begin, width = 0, np.maximum(self.length, min(self.horizon, MOST_STEPS))
        while begin < len(self):
            ahead = np.maximum.accumulate(width[begin : begin + cells // max(1, int(width[begin])) + 1])
            end = begin + max(1, int(np.searchsorted(ahead * np.arange(1, len(ahead) + 1), cells, side="right")))
            yield self.piece(begin, end)
            begin = end

    def piece(self, begin: int, end: int) -> Episodes:
        """Return the checked episodes from ``begin`` to ``end``."""
        first, last = int(self.begin[begin]), int(self.begin[end])
        cut: dict[str, Any] = {
            name: None if (column := getattr(self, name)) is None else column[first:last]
            for name in (*COLUMNS, *TABLES, "state")
        }
        label = np.arange(len(self)) if self.label is None else self.label
        found = replace(self, **cut, begin=self.begin[begin : end + 1] - first, label=label[begin:end])
        found._check()
        return found

    def _check(self) -> None:
        p, pi = self.propensity, self.probability
        tests: list[tuple[Any, str, str]] = [
            (~((p > 0) & (p <= 1)), "propensity is not in (0, 1]", "it is the probability of what was executed"),
            (~((pi >= 0) & (pi <= 1)), "the candidate's probability is not in [0, 1]", "correct the candidate"),
        ]
        for name in ("reward", *TABLES):
            column = getattr(self, name)
            if column is not None and not np.isfinite(column.sum()):
                bad = ~np.isfinite(column).reshape(len(column), -1).all(axis=1)
                tests.append((bad, f"{name} is not a finite number", "leave the episode out"))
        actions = next((table.shape[1] for name in TABLES if (table := getattr(self, name)) is not None), None)
        if self.action is not None and actions is not None:
            outside = (self.action < 0) | (self.action >= actions)
            tests.append((outside, f"action is none of the {actions} actions", "correct its number"))
        for bad, what, fix in tests:
            if bad.any():
                row = int(np.argmax(bad))
                at = int(np.searchsorted(self.begin, row, side="right")) - 1
                assert self.label is not None
                step = self.first_step + row - int(self.begin[at])
                count = int(bad.sum())
                raise ValueError(f"{what} in episode {said(self.label[at])}, step {step} ({count} steps): {fix}")


def _in_order(name: str, column: NDArray[Any], order: Ints) -> NDArray[Any]:
    if len(column) != len(order):
        raise ValueError(f"{name} has {len(column)} rows, episode has {len(order)}: give one for each")
    return column[order]
