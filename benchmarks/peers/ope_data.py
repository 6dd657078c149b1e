"""Made logs for off-policy evaluation: one recipe for the peers' environment and for the tests.

Needs numpy only. Every number comes from the raw stream of PCG64, which numpy promises to keep, and from arithmetic
without exponentials, so that two versions of numpy make the same log to the last digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS, ACTIONS = 2_000, 5
EPISODES, STEPS, CHOICES = 300, 8, 3
GAMMA = 0.95
BANDWIDTH = 0.2  # of the kernel around a continuous candidate's action
GROUP = np.array([0, 0, 1, 1, 2])  # of each action: an embedding of one dimension

# Shape of a bandit log -> seed, sharpness of the behaviour policy and of the candidate.
BANDITS: dict[str, tuple[int, int, int]] = {
    "overlap": (1, 1, 1),
    "large_weights": (2, 3, 4),
    "deterministic": (3, 1, 0),
    "rare_rewards": (4, 2, 1),
}
# Shape of a log of episodes -> seed, sharpness of both, share of episodes that end at each step.
TRAJECTORIES: dict[str, tuple[int, int, int, float]] = {
    "full": (5, 1, 1, 0.0),
    "ended_early": (6, 1, 1, 0.2),
    "large_weights": (7, 2, 4, 0.0),
}


class Uniforms:
    """Uniform numbers with 53 bits from the raw stream of PCG64."""

    def __init__(self, seed: int) -> None:
        self._raw = np.random.PCG64(seed)

    def __call__(self, *shape: int) -> Floats:
        """Return numbers in [0, 1)."""
        raw = self._raw.random_raw(int(np.prod(shape))) >> np.uint64(11)
        return np.asarray(raw.astype(np.float64) * 2.0**-53).reshape(shape)


def shares(scores: Floats, sharpness: int) -> Floats:
    """Return probabilities proportional to powers of scores; the best action alone where ``sharpness`` is 0."""
    if sharpness == 0:
        return np.asarray(np.eye(scores.shape[1])[scores.argmax(axis=1)])
    powers = scores.copy()
    for _ in range(sharpness - 1):
        powers = powers * scores
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def drawn(probabilities: Floats, uniform: Floats) -> Ints:
    """Return an action of each row."""
    below = uniform[:, None] >= np.cumsum(probabilities, axis=1)[:, :-1]
    return np.asarray(below.sum(axis=1), dtype=np.int64)


@dataclass(frozen=True)
class Bandit:
    """A log of single decisions, with the behaviour policy, the candidate and a model of the reward, all known."""

    context: Floats
    action: Ints
    reward: Floats
    behaviour: Floats
    candidate: Floats
    q: Floats

    @property
    def executed(self) -> tuple[Ints, Ints]:
        """Index of the executed actions in a table."""
        return np.arange(len(self.action)), self.action


def bandit(shape: str) -> Bandit:
    """Make one of BANDITS."""
    seed, behaviour_sharpness, candidate_sharpness = BANDITS[shape]
    uniform = Uniforms(seed)
    context = uniform(ROWS, 3)
    one, two, three = (uniform(3, ACTIONS) for _ in range(3))
    behaviour = shares(0.1 + context @ one, behaviour_sharpness)
    candidate = shares(0.1 + np.abs(context @ (two - one)), candidate_sharpness)
    action = drawn(behaviour, uniform(ROWS))
    mean = context @ three / 3
    if shape == "rare_rewards":
        mean = 0.1 * mean
        reward = (uniform(ROWS) < mean[np.arange(ROWS), action]).astype(np.float64)
    else:
        reward = mean[np.arange(ROWS), action] + uniform(ROWS) - 0.5
    q = 0.8 * mean + 0.1 * uniform(ROWS, ACTIONS) - 0.02  # a model that is wrong
    return Bandit(context, action, reward, behaviour, candidate, q)


@dataclass(frozen=True)
class Continuous:
    """A log of single continuous actions, and the action that a deterministic candidate would take."""

    action: Floats
    reward: Floats
    density: Floats
    target: Floats


def continuous() -> Continuous:
    """Make the log of continuous actions."""
    uniform = Uniforms(8)
    context, miss = uniform(ROWS), uniform(ROWS) - uniform(ROWS)  # triangular: its density is 1 - |miss|
    action = context + miss
    reward = 1.0 - (action - 0.5) * (action - 0.5) + 0.2 * (uniform(ROWS) - 0.5)
    return Continuous(action, reward, 1.0 - np.abs(miss), 0.3 + 0.4 * context)


@dataclass(frozen=True)
class Trajectories:
    """A log of episodes, row by row, ended ones without rows after their end."""

    episode: Ints
    step: Ints
    action: Ints
    reward: Floats
    behaviour: Floats
    candidate: Floats
    q: Floats

    @property
    def executed(self) -> tuple[Ints, Ints]:
        """Index of the executed actions in a table."""
        return np.arange(len(self.action)), self.action

    @property
    def v(self) -> Floats:
        """The candidate's predicted value of each state."""
        return np.asarray((self.candidate * self.q).sum(axis=1))

    def padded(self, rows: Any, rest: float) -> Any:
        """Return a column as a table of (episodes, steps, ...); ``rest`` where an episode has ended."""
        table = np.full((EPISODES, STEPS, *rows.shape[1:]), rest, dtype=rows.dtype)
        table[self.episode, self.step] = rows
        return table


def trajectories(shape: str) -> Trajectories:
    """Make one of TRAJECTORIES."""
    seed, behaviour_sharpness, candidate_sharpness, ending = TRAJECTORIES[shape]
    uniform = Uniforms(seed)
    place = np.array([0.2, 0.5, 0.8])
    state, alive = uniform(EPISODES), np.ones(EPISODES, dtype=bool)
    columns: dict[str, list[Any]] = {name: [] for name in Trajectories.__dataclass_fields__}
    for step in range(STEPS):
        near = 1.1 - np.abs(state[:, None] - place)
        behaviour = shares(0.3 + uniform(EPISODES, CHOICES), behaviour_sharpness)
        candidate = shares(near, candidate_sharpness)
        action = drawn(behaviour, uniform(EPISODES))
        chosen = place[action]
        reward = 1.0 - np.abs(state - chosen) + 0.2 * (uniform(EPISODES) - 0.5)
        q = (STEPS - step) * 0.6 * near + 0.3 * uniform(EPISODES, CHOICES)
        found = (np.arange(EPISODES), np.full(EPISODES, step), action, reward, behaviour, candidate, q)
        for name, column in zip(columns, found, strict=True):
            columns[name].append(column[alive])
        state = 0.5 * state + 0.3 * chosen + 0.2 * uniform(EPISODES)
        alive = alive & (uniform(EPISODES) >= ending)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.lexsort((joined["step"], joined["episode"]))
    return Trajectories(**{name: column[order] for name, column in joined.items()})


def fingerprint(log: Bandit | Continuous | Trajectories) -> dict[str, float]:
    """Return the sum of each column, which tells another log from another estimate."""
    return {name: float(getattr(log, name).sum()) for name in log.__dataclass_fields__}
