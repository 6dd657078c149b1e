"""A bandit whose answer is known, as logs of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ope import Decisions


@dataclass(frozen=True)
class Bandit:
    """Three contexts, five actions, rewards of 0 and 1, and a reward model that is wrong on purpose."""

    behaviour: np.ndarray
    candidate: np.ndarray
    reward: np.ndarray

    @property
    def model(self) -> np.ndarray:
        return 0.1 + 0.7 * self.reward

    @property
    def value(self) -> float:
        return float((self.candidate * self.reward).sum(axis=1).mean())

    @property
    def model_value(self) -> float:
        return float((self.candidate * self.model).sum(axis=1).mean())

    def log(self, seed: int, rows: int) -> Decisions:
        rng = np.random.default_rng(seed)
        context = rng.integers(0, 3, rows)
        action = (rng.random(rows)[:, None] > np.cumsum(self.behaviour, axis=1)[context]).sum(axis=1).clip(0, 4)
        reward = (rng.random(rows) < self.reward[context, action]).astype(float)
        return Decisions(
            reward,
            self.behaviour[context, action],
            self.candidate[context, action],
            action,
            self.candidate[context],
            self.model[context],
            state=np.eye(3)[context],
        )


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def rows_of(log: Decisions, rows: np.ndarray) -> Decisions:
    """Return some rows of a log, in the order given."""
    names = ("reward", "propensity", "probability", "action", "candidate", "q", "state")
    return replace(log, **{name: getattr(log, name)[rows] for name in names})


LOGITS = np.array([[0.0, 0.5, 1.0, 0.0, -0.5], [1.0, 0.0, 0.0, 0.5, 0.0], [0.2, -0.3, 0.0, 1.0, 0.6]])
REWARD = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.1, 0.6, 0.2, 0.3], [0.3, 0.7, 0.2, 0.1, 0.5]])
BANDIT = Bandit(softmax(0.7 * LOGITS), softmax(-LOGITS), REWARD)
