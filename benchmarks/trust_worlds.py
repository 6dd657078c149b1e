"""Logs whose truth is known: fine ones, and one for each way in which an estimate from a log goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ope import Decisions
from ope.trajectory.episodes import Episodes

Floats = NDArray[np.float64]
Rng = np.random.Generator
Logged = Callable[[Rng, Floats, Floats, NDArray[np.int64]], Floats]
STATES = 12


@dataclass(frozen=True)
class Case:
    """A log, and what the candidate is really worth."""

    log: Decisions | Episodes
    truth: float


@dataclass(frozen=True)
class Kind:
    """A way in which logs are, and what may be said of them.

    Parameters
    ----------
    name, make
        As in the table; a generator to a case.
    fine
        Whether an interval from it is right, so that refusing it is a mistake.
    trusted
        The most often that it may be called trusted; 1 where it should be.
    seen
        Whether the log can show what is wrong. Where it cannot, nothing is promised.
    """

    name: str
    make: Callable[[Rng], Case]
    fine: bool = False
    trusted: float = 0.02
    seen: bool = True


def softmax(scores: Floats) -> Floats:
    """Return probabilities, shape as given."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def drawn(rng: Rng, table: Floats) -> NDArray[np.int64]:
    """Draw a column of each row of probabilities."""
    return np.asarray((rng.random(len(table))[:, None] > np.cumsum(table, axis=1)).sum(axis=1)).clip(
        0, table.shape[1] - 1
    )


def bandit(
    rng: Rng,
    *,
    rows: int = 4000,
    actions: int = 5,
    behaviour: Callable[[Floats], Floats] | None = None,
    candidate: Callable[[Floats], Floats] | None = None,
    reward: Callable[[Rng, Floats], Floats] | None = None,
    logged: Logged | None = None,
    known: bool = False,
    states: bool = True,
) -> Case:
    """Make a log of single decisions in twelve states with a cross-fitted model.

    Parameters
    ----------
    rng, rows, actions
        Of the log.
    behaviour, candidate
        Scores, shape (states, actions), to probabilities; None: softmax of 0.4 of the scores, and of their negative.
    reward
        Means of the rows to rewards; None: normal around them.
    logged
        True propensities, the behaviour's table of rows and actions to what the log says; None: the truth.
    known, states
        Whether the log has the behaviour's whole distribution, and the states.
    """
    scores, means = rng.normal(size=(STATES, actions)), rng.uniform(0.2, 0.8, (STATES, actions))
    b = softmax(0.4 * scores) if behaviour is None else behaviour(scores)
    c = softmax(-0.4 * scores) if candidate is None else candidate(scores)
    state = rng.integers(0, STATES, rows)
    action = drawn(rng, b[state])
    center = means[state, action]
    earned = rng.normal(center, 0.3) if reward is None else reward(rng, center)
    p = b[state, action]
    log = Decisions(
        earned,
        p if logged is None else logged(rng, p, b[state], action),
        c[state, action],
        action,
        c[state],
        q=crossfit(rng, state, action, earned, actions),
        behaviour=b[state] if known else None,
        state=np.stack([state % 4, state // 4], axis=1).astype(np.float64) if states else None,
    )
    return Case(log, float((c * means).sum(axis=1).mean()))


def crossfit(rng: Rng, state: NDArray[np.int64], action: NDArray[np.int64], reward: Floats, actions: int) -> Floats:
    """Return the mean reward of each state and action on the other half of the rows, shape (rows, actions)."""
    half, cell = rng.integers(0, 2, len(reward)), state * actions + action
    found = np.empty((len(reward), actions))
    for fold in (0, 1):
        other = half != fold
        count = np.bincount(cell[other], minlength=STATES * actions) + 1.0
        mean = reward[other].mean() if other.any() else 0.0
        table = (np.bincount(cell[other], reward[other], STATES * actions) + mean) / count
        found[half == fold] = table.reshape(STATES, actions)[state[half == fold]]
    return found


def episodes(rng: Rng, *, steps: int, spread: float, count: int = 2000, rare: float = 0.0) -> Case:
    """Make episodes of independent steps.

    Parameters
    ----------
    rng, steps, count
        Steps of each episode, and episodes.
    spread
        Weights of a step are further from 1 as it grows.
    rare
        The candidate's probability of one more action, which the log plays once in a million steps.
    """
    scores, means = rng.normal(size=(STATES, 3)), rng.uniform(0.2, 0.8, (STATES, 3))
    b = softmax(0.3 * scores)
    c = softmax(0.3 * scores + spread * rng.normal(size=scores.shape))
    if rare:
        b, c = (
            np.append(share * table, np.full((STATES, 1), 1 - share), 1)
            for table, share in ((b, 1 - 1e-6), (c, 1 - rare))
        )
        means = np.append(means, np.full((STATES, 1), 5.0), 1)
    state = rng.integers(0, STATES, count * steps)
    action = drawn(rng, b[state])
    log = Episodes.of(
        np.repeat(np.arange(count), steps),
        np.tile(np.arange(steps), count),
        rng.normal(means[state, action], 0.3),
        b[state, action],
        c[state, action],
        action=action,
        candidate=c[state],
        behaviour=b[state],
    )
    return Case(log, steps * float((c * means).sum(axis=1).mean()))


def greedy(scores: Floats) -> Floats:
    """Return all probability for the highest score."""
    return np.asarray(np.eye(scores.shape[1])[scores.argmax(axis=1)])


def some_greedy(share: float) -> Callable[[Floats], Floats]:
    """Return a policy that explores with the given probability."""
    return lambda scores: np.asarray((1 - share) * greedy(scores) + share / scores.shape[1])


def sharp(scores: Floats) -> Floats:
    """Depend on the state as far as a policy that has learned does."""
    return softmax(0.8 * scores)


def never_some(scores: Floats) -> Floats:
    """Never play the last two actions."""
    kept = np.where(np.arange(scores.shape[1]) < scores.shape[1] - 2, scores, -np.inf)
    return softmax(0.4 * kept)


def wrong(name: str, logged: Logged) -> Kind:
    """Return the kind whose log has these propensities, and neither states nor distribution to see it from."""
    return Kind(name, lambda rng: bandit(rng, behaviour=sharp, logged=logged, states=False))


def hidden(rng: Rng) -> Case:
    """Act on something that also moves the reward and is in no column; propensities as estimated without it."""
    rows = 4000
    secret = rng.random(rows) < 0.5
    action = (rng.random(rows) < np.where(secret, 0.8, 0.2)).astype(np.int64)
    earned = rng.normal(0.5 + 0.3 * secret, 0.3)  # the action itself does nothing
    candidate = np.tile([0.2, 0.8], (rows, 1))
    log = Decisions(
        earned, np.full(rows, 0.5), candidate[np.arange(rows), action], action, candidate,
        q=np.full((rows, 2), 0.65), state=rng.normal(size=(rows, 2)),
    )  # fmt: skip
    return Case(log, 0.65)


KINDS = (
    Kind("good overlap", bandit, fine=True, trusted=1.0),
    Kind("good overlap, distribution logged", lambda rng: bandit(rng, known=True), fine=True, trusted=1.0),
    Kind(
        "good overlap, rewards of 0 and 1",
        lambda rng: bandit(rng, reward=lambda rng, mean: (rng.random(len(mean)) < mean).astype(np.float64)),
        fine=True, trusted=1.0,
    ),
    Kind("good overlap, 20 actions", lambda rng: bandit(rng, actions=20, rows=10_000), fine=True, trusted=1.0),
    Kind("good overlap, episodes of 5 steps", lambda rng: episodes(rng, steps=5, spread=0.2), fine=True, trusted=1.0),
    Kind(
        "deterministic candidate, explored", lambda rng: bandit(rng, behaviour=some_greedy(0.5), candidate=greedy),
        fine=True, trusted=1.0,
    ),
    Kind(
        "bounded discrete weights",
        lambda rng: bandit(rng, actions=25, behaviour=lambda s: np.full(s.shape, 0.04), candidate=greedy, rows=10_000),
        fine=True, trusted=0.02,
    ),
    Kind("small n (150 rows)", lambda rng: bandit(rng, rows=150)),
    Kind("small n (40 rows)", lambda rng: bandit(rng, rows=40)),
    Kind("heavy tail in long episodes", lambda rng: episodes(rng, steps=60, spread=0.35), trusted=0.05),
    Kind(
        "episodes that lack a rare action",
        lambda rng: episodes(rng, steps=50, spread=0.05, count=4000, rare=0.001), trusted=0.05,
    ),
    Kind(
        "low overlap",
        lambda rng: bandit(rng, behaviour=softmax, candidate=lambda s: softmax(-s)), trusted=0.2,
    ),
    Kind("missing support", lambda rng: bandit(rng, behaviour=never_some)),
    Kind("missing support, distribution logged", lambda rng: bandit(rng, behaviour=never_some, known=True)),
    Kind("deterministic candidate, never explored", lambda rng: bandit(rng, behaviour=greedy)),
    Kind(
        "few rows carry everything",
        lambda rng: bandit(rng, behaviour=lambda s: softmax(4 * s), candidate=lambda s: softmax(-4 * s)),
    ),
    Kind(
        "rewards with a heavy tail",
        lambda rng: bandit(rng, reward=lambda rng, mean: mean * (rng.pareto(1.3, len(mean)) * 0.3)),
        trusted=0.05,
    ),
    wrong("propensities constant", lambda rng, p, b, a: np.full(len(p), 1 / b.shape[1])),
    wrong("propensities scaled by 0.7", lambda rng, p, b, a: 0.7 * p),
    wrong("propensities inflated", lambda rng, p, b, a: np.sqrt(p)),
    wrong("propensities permuted", lambda rng, p, b, a: rng.permutation(p)),
    Kind(
        "propensities of one action halved",
        lambda rng: bandit(
            rng, candidate=lambda s: softmax(np.where(np.arange(5) == 0, -4.0, -0.4 * s)),
            logged=lambda rng, p, b, a: np.where(a == 0, 0.5 * p, p), states=False,
        ),
    ),
    Kind(
        "confounded by a logged state",
        lambda rng: bandit(
            rng, behaviour=sharp, logged=lambda rng, p, b, a: (np.bincount(a, minlength=b.shape[1]) / len(a))[a],
        ),
    ),
    Kind("confounded by what is not logged", hidden, trusted=1.0, seen=False),
)  # fmt: skip
