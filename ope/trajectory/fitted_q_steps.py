"""What a model of fitted Q evaluation is fitted on, and when its sweeps end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ope.trajectory.episodes import Episodes, Floats, Ints

SWEEPS = 2_000  # a sweep carries values one step back: enough for episodes of some hundred steps without discount
SETTLED = 1e-6  # a sweep that moves values by less than this share of the largest possible return is the last
DIVERGED = 10.0  # times the largest possible return: no value is there


class DivergedError(ValueError):
    """A fit without an answer; what depends on it is to be refused."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps of episodes as a model of them reads them.

    Parameters
    ----------
    state, action, reward, candidate
        Of each step; see ``Episodes``.
    follows
        Row of the next step, -1 after the last, shape (rows,).
    gamma
        Discount.
    reach
        Sum of the discounts of the longest episode.
    """

    state: Floats
    action: Ints
    reward: Floats
    candidate: Floats
    follows: Ints
    gamma: float
    reach: float

    @property
    def largest(self) -> float:
        """Largest possible return: the largest absolute reward, in each step of the longest episode."""
        return float(np.abs(self.reward).max(initial=0.0)) * self.reach

    @property
    def actions(self) -> int:
        """Number of actions."""
        return int(self.candidate.shape[1])

    @staticmethod
    def of(log: Episodes) -> Steps:
        """Take the steps out of a log with states and the candidate's probability of every action."""
        if log.state is None or log.candidate is None or log.action is None:
            raise ValueError("fitted Q evaluation needs each step's state, action and the candidate's probabilities")
        if not np.isfinite(log.state).all():
            raise ValueError("a state has a feature that is not a finite number: fill it in, or leave the episode out")
        follows = np.arange(1, len(log.reward) + 1)
        follows[log.begin[1:] - 1] = -1
        reach = float((log.gamma ** np.arange(log.horizon, dtype=np.float64)).sum())
        return Steps(log.state, log.action, log.reward, log.candidate, follows, log.gamma, reach)

    def of_episodes(self, chosen: NDArray[np.bool_]) -> Steps:
        """Return the chosen rows, which must be whole episodes."""
        place = np.cumsum(chosen) - 1
        follows = np.where(self.follows < 0, -1, place[self.follows])[chosen]
        return replace(
            self,
            state=self.state[chosen],
            action=self.action[chosen],
            reward=self.reward[chosen],
            candidate=self.candidate[chosen],
            follows=follows,
        )


Predict = Callable[[Floats], Floats]  # states (rows, features) -> values (rows, actions)
Fit = Callable[[Steps, int], Predict]  # and a seed


def highest(q: Floats) -> float:
    """Return the largest absolute value."""
    return float(np.abs(q).max(initial=0.0))


def beyond(largest: float) -> float:
    """Return the size from which on a value is none."""
    return DIVERGED * max(largest, 1e-300)


def settle(
    sweep: Callable[[Floats], Floats], start: Floats, largest: float, size: Callable[[Floats], float] = highest
) -> Floats:
    """Repeat a sweep until it moves nothing any more; ``size`` says how large values are, or by how much they moved.

    Raises
    ------
    DivergedError
        If values leave what any policy could earn, or have not settled after ``SWEEPS``.
    """
    now = start
    for _ in range(SWEEPS):
        last, now = now, sweep(now)
        if not np.isfinite(now).all() or size(now) > beyond(largest):
            raise DivergedError(
                f"fitted Q evaluation diverges: a value beyond {DIVERGED:g} times the largest possible return "
                f"({largest:.6g}). The log does not hold what the candidate does, or the model does not suit it"
            )
        if size(now - last) <= SETTLED * largest:
            return now
    raise DivergedError(f"fitted Q evaluation has not settled after {SWEEPS:,} sweeps: choose a smaller gamma")
