"""Logs of a bandit with states whose reward moves for a known reason, and what each reason brings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ope.shift.rows import Rows

NAMES = ("load", "heat", "noise")
ACTIONS = 3
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Move:
    """What changes between the baseline and the window.

    ``shift`` moves the mean of ``load``, ``tilt`` makes action 1 likelier in every state, ``pay`` is added to each
    reward, ``far`` is the share of rows whose load is one that the baseline never saw.
    """

    shift: float = 0.0
    tilt: float = 0.0
    pay: float = 0.0
    far: float = 0.0


WORLDS = {
    "state_mix": Move(shift=-0.8),
    "action_mix": Move(tilt=-2.5),
    "environment": Move(pay=-0.4),
    "not_attributable": Move(far=1.0),
}
MIXED = Move(shift=-0.5, tilt=-1.5, pay=-0.2)


def policy(states: Floats, tilt: float = 0.0) -> Floats:
    """Return the probabilities of three actions, shape (rows, 3)."""
    logits = np.stack([0 * states[:, 0], 0.8 * states[:, 0] + tilt, -0.5 * states[:, 1]], axis=1)
    odds = np.exp(logits)
    found: Floats = odds / odds.sum(axis=1, keepdims=True)
    return found


def pays(states: Floats, action: Ints) -> Floats:
    """Return mean rewards: bent, with a product, by action, and with a step that no line follows."""
    load, heat = states[:, 0], states[:, 1]
    by_action = np.array([0.0, 0.8, -0.3])[action]
    found: Floats = (
        0.5 * load
        - 0.3 * np.abs(heat)
        + 0.2 * load * heat
        + by_action
        + 0.3 * (action == 1) * heat
        - 0.2 * (load > 0.5)
    )
    return found


def log(seed: int, move: Move, *, blocks: int, rows: int, known: bool = False) -> Rows:
    """Return a log of ``blocks`` blocks of ``rows`` decisions, with a shock shared by each block."""
    rng = np.random.default_rng([seed, blocks])
    n = blocks * rows
    states = rng.normal(size=(n, 3))
    states[:, 0] += move.shift
    states[rng.random(n) < move.far, 0] -= 12.0
    chances = policy(states, move.tilt)
    action = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    block = np.repeat(np.arange(blocks), rows)
    reward = pays(states, action) + move.pay + rng.normal(0, 0.4, n) + rng.normal(0, 0.03, blocks)[block]
    return Rows(states, action, reward, block, policy(states) if known else None)


def truth(move: Move) -> dict[str, float]:
    """Return the parts of the change by simulation, for a move inside the baseline's support."""
    before = np.random.default_rng(0).normal(size=(200_000, 3))
    after = before + np.array([move.shift, 0.0, 0.0])

    def value(states: Floats, tilt: float) -> float:
        chances = policy(states, tilt)
        columns = [chances[:, a] * pays(states, np.full(len(states), a)) for a in range(ACTIONS)]
        return float(np.sum(columns, axis=0).mean())

    same = value(after, 0.0)
    return {
        "state_mix": same - value(before, 0.0),
        "action_mix": value(after, move.tilt) - same,
        "environment": move.pay,
        "not_attributable": 0.0,
    }
