"""Logged decisions as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ope.models.basis import Bools, Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Logged decisions as arrays.

    Parameters
    ----------
    states
        Shape (rows, columns), finite; a category is a column for each level, a missing value a column of its own.
    action
        Index of the executed action, -1 for one that the baseline never took.
    reward
        Finite.
    block
        Block of time of each row, from 0: errors are told from blocks.
    old
        The old policy's probability of each action in each state, shape (rows, actions); None where it is not known.
    """

    states: Floats
    action: Ints
    reward: Floats
    block: Ints
    old: Floats | None = None

    def __len__(self) -> int:
        return len(self.reward)

    def of(self, chosen: Bools) -> Rows:
        """Return the chosen rows."""
        old = None if self.old is None else self.old[chosen]
        return Rows(self.states[chosen], self.action[chosen], self.reward[chosen], self.block[chosen], old)

    def check(self, columns: int, actions: int, what: str) -> None:
        """Raise ValueError, naming ``what`` and the fix, where shapes do not fit or a number is not finite."""
        if self.states.shape != (len(self), columns):
            raise ValueError(f"states of the {what} have shape {self.states.shape}, not ({len(self)}, {columns})")
        if not np.isfinite(self.states).all() or not np.isfinite(self.reward).all():
            raise ValueError(f"the {what} has a state or reward that is not finite: leave those rows out")
        if self.old is not None and self.old.shape != (len(self), actions):
            raise ValueError(
                f"the old policy's probabilities have shape {self.old.shape}, not ({len(self)}, {actions})"
            )
        if len(self) and int(self.action.max()) >= actions:
            raise ValueError(f"the {what} has action {int(self.action.max())}, but there are {actions} actions, from 0")
