"""Worlds of a few states whose episodes are simulated, and whose value under any policy is computed exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ope.trajectory.episodes import Episodes

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """A tabular Markov decision process of at most ``most`` steps.

    Parameters
    ----------
    transition
        Probability of the next state, shape (states, actions, states).
    paid
        Mean reward by state and action, shape (states, actions).
    arrival
        Reward for getting into a state, shape (states,).
    initial
        Probability of the first state.
    ends
        Whether an episode is over in a state.
    most
        Steps after which it is over anywhere.
    noise
        Standard deviation that rewards have beside.
    """

    transition: Floats
    paid: Floats
    arrival: Floats
    initial: Floats
    ends: NDArray[np.bool_]
    most: int
    noise: float = 0.0

    def value(self, policy: Floats, gamma: float) -> float:
        """Return the expected discounted return, by backward induction."""
        reward = self.paid + self.transition @ self.arrival
        step = np.where(self.ends, 0.0, (policy * reward).sum(axis=1))
        moves = np.einsum("sa,sat->st", policy, self.transition)
        moves[self.ends] = 0.0
        found = np.zeros(len(self.initial))
        for _ in range(self.most):
            found = step + gamma * (moves @ found)
        return float(self.initial @ found)

    @cached_property
    def _next(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return the cumulative chances of all moves one behind the other, and where each goes."""
        flat = self.transition.reshape(-1, len(self.initial))
        rows, columns = np.nonzero(flat)
        chance = flat[rows, columns]
        return np.cumsum(chance), columns

    def rows(self, policy: Floats, episodes: int, seed: int) -> dict[str, NDArray[Any]]:
        """Simulate episodes; the columns of a log with ``state`` as a number, ordered by step."""
        rng = np.random.default_rng(seed)
        cumulative, target = self._next
        by_action, actions = np.cumsum(policy, axis=1), policy.shape[1]
        who = np.arange(episodes)
        state = np.searchsorted(np.cumsum(self.initial), rng.random(episodes)).clip(0, len(self.initial) - 1)
        parts = []
        for step in range(self.most):
            who, state = who[~self.ends[state]], state[~self.ends[state]]
            if not len(who):
                break
            drawn = rng.random(len(who)) * by_action[state, -1]
            action = (by_action[state] <= drawn[:, None]).sum(axis=1).clip(0, actions - 1)
            place = np.searchsorted(cumulative, state * actions + action + rng.random(len(who)), side="right")
            after = target[place.clip(0, len(target) - 1)]
            reward = self.paid[state, action] + self.arrival[after] + self.noise * rng.normal(size=len(who))
            parts.append((who, np.full(len(who), step), state, action, reward))
            state = after
        names = ("episode", "step", "state", "action", "reward")
        return {name: np.concatenate(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}

    def log(
        self, behaviour: Floats, candidate: Floats, episodes: int, seed: int, gamma: float, q: Any = None
    ) -> Episodes:
        """Simulate a log of the behaviour policy, with what the candidate would have done; q by state and action."""
        rows = self.rows(behaviour, episodes, seed)
        state, action = rows["state"], rows["action"]
        return Episodes.of(
            rows["episode"], rows["step"], rows["reward"], behaviour[state, action], candidate[state, action],
            action=action, candidate=candidate[state], q=None if q is None else q[state],
            state=state[:, None].astype(float), gamma=gamma,
        )  # fmt: skip


def small_world() -> World:
    """Return three states and an end, two actions, at most four steps, rewards at every step."""
    transition = np.array(
        [
            [[0.5, 0.3, 0.1, 0.1], [0.1, 0.3, 0.4, 0.2]],
            [[0.3, 0.4, 0.2, 0.1], [0.1, 0.1, 0.5, 0.3]],
            [[0.2, 0.2, 0.5, 0.1], [0.6, 0.1, 0.2, 0.1]],
            [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]],
        ]
    )
    paid = np.array([[0.2, 1.0], [0.6, -0.3], [1.2, 0.5], [0.0, 0.0]])
    ends = np.array([False, False, False, True])
    return World(transition, paid, np.zeros(4), np.array([0.5, 0.3, 0.2, 0.0]), ends, most=4, noise=0.3)


SMALL = small_world()
BEHAVIOUR = np.array([[0.5, 0.5], [0.6, 0.4], [0.4, 0.6], [0.5, 0.5]])
CANDIDATE = np.array([[0.65, 0.35], [0.45, 0.55], [0.5, 0.5], [0.5, 0.5]])
WRONG_Q = np.array([[1.5, 2.0], [1.8, 0.4], [2.6, 1.5], [0.0, 0.0]])  # of no policy: doubly robust must not mind
