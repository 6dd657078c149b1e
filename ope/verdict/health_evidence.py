"""What a verdict needs to know of a log beyond the sums that a live view stores, gathered in the same pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ope.decisions import Decisions
from ope.sums import WeightSums
from ope.verdict.pareto import Tail
from ope.verdict.propensities import Cells, by_state, state_edges

if TYPE_CHECKING:
    from ope.trajectory.episodes import Episodes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ALL_STATES = 65_536  # rows whose states are all looked at; beyond, one in eight: errors of propensities are no finer
SAME = 1e-3  # relative difference up to which two logged probabilities are the same (they may be 32-bit floats)


class Evidence:
    r"""Gathers, piece by piece of one log, what its verdict rests on.

    Tail of the weights, range of the rewards, fourth powers of the terms :math:`w (r - v)`, mass without support, sums
    of 1/p by action and by part of the states. ``judge`` without it decides from ``WeightSums`` alone.

    Parameters
    ----------
    actions, features
        Names for the sentences; None: their numbers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> action = rng.integers(0, 2, 5000)
    >>> candidate = np.tile([0.2, 0.8], (5000, 1))
    >>> log = Decisions(rng.normal(action), np.full(5000, 0.5), candidate[np.arange(5000), action], action, candidate)
    >>> found = Evidence.of(log)
    >>> found.weights.n, found.unsupported_mass, found.tail.shape is None
    (5000, 0.0, True)
    """

    def __init__(self, actions: Sequence[str] | None = None, features: Sequence[str] | None = None) -> None:
        self.weights, self.tail = WeightSums(), Tail()
        self.reward_range: tuple[float, float] | None = None
        self.by_action: Cells | None = None  # sums of 1/p
        self.by_choice: Cells | None = None  # sums of w, of which the candidate's mass is expected
        self.by_state: Cells | None = None
        self.masked = False  # whether it is known which actions could be taken
        self.mismatches = 0.0
        self._actions, self._features = actions, features
        self._rows = self._steps = self._stated = self._actions_stated = 0
        self._squares = self._fourth = self._outside = self._unit = 0.0
        self._mass: Floats | None = None  # the candidate's, by action
        self._executed: Floats | None = None
        self._edges: Floats | None = None
        self._centre: float | None = None

    @staticmethod
    def of(
        log: Decisions | Episodes, actions: Sequence[str] | None = None, features: Sequence[str] | None = None
    ) -> Evidence:
        """Return what a whole log says."""
        found = Evidence(actions, features)
        for piece in log.blocks():
            found.add(piece)
        return found

    def add(self, piece: Decisions | Episodes, sums: WeightSums | None = None) -> None:
        """Look at one more checked piece of the log, and at its ``weight_sums()`` if they are made already."""
        if isinstance(piece, Decisions):
            weight, reward = piece.weight, piece.reward
        else:
            weight, reward = piece.trajectory_weight, piece.returns
        self.weights = self.weights + (piece.weight_sums() if sums is None else sums)
        known = ~np.isnan(weight)
        if not known.all():
            weight, reward = weight[known], reward[known]
        if not len(weight):
            return
        self._units(weight, reward)
        if piece.action is not None:
            self._choices(piece, piece.action)

    def _units(self, weight: Floats, reward: Floats) -> None:
        self.tail = self.tail.add(weight)
        low, high = float(reward.min()), float(reward.max())
        before = self.reward_range or (low, high)
        self.reward_range = min(low, before[0]), max(high, before[1])
        if self._centre is None:
            mass = float(weight.sum())
            self._centre = float(weight @ reward) / mass if mass > 0 else float(reward.mean())
        terms = weight * (reward - self._centre)
        unit = max(float(terms.max()), -float(terms.min()))
        if unit > self._unit:  # fourth powers leave doubles long before rewards do, above and below
            unit = 2.0 ** math.frexp(unit)[1] if unit < 2.0**1000 else unit  # a power of 2 rounds nothing
            shrink = (self._unit / unit) ** 2
            self._squares, self._fourth, self._unit = self._squares * shrink, self._fourth * shrink**2, unit
        if self._unit > 0:
            terms /= self._unit
        terms *= terms
        self._squares += float(terms.sum())
        self._fourth += float(terms @ terms)

    def _choices(self, piece: Decisions | Episodes, action: Ints) -> None:
        behaviour, candidate, p = piece.behaviour, piece.candidate, piece.propensity
        eligible = piece.eligible if isinstance(piece, Decisions) else None
        table = next((item for item in (candidate, behaviour, eligible) if item is not None), None)
        self.masked = eligible is not None or behaviour is not None
        most = None
        if behaviour is not None:
            lowest = behaviour.min(axis=0)
            if lowest.min() <= 0:
                eligible = behaviour > 0 if eligible is None else eligible
                lowest = np.where(behaviour > 0, behaviour, np.inf).min(axis=0)
            most = 1 / lowest
        if eligible is not None and eligible.all():
            eligible = None  # every action, in every row
        actions = int(action.max()) + 1 if table is None else table.shape[1]
        rows = len(action)
        could = np.full(actions, float(rows)) if eligible is None else eligible.sum(axis=0, dtype=np.float64)
        inverse = 1 / p
        self.by_action = _joined(self.by_action, Cells.of(action, inverse, could, most))
        self._executed = _widened(self._executed, np.bincount(action, minlength=actions).astype(np.float64))
        if candidate is not None and not np.isnan(mass := np.ones(rows) @ candidate).any():
            self._rows += len(piece)
            self._steps += rows
            self.by_choice = _joined(self.by_choice, Cells.of(action, piece.probability * inverse, mass))
            self._mass = _widened(self._mass, mass)
            self._outside += _outside(piece, candidate, eligible)
        if behaviour is not None:
            said = behaviour[np.arange(rows), action]
            self.mismatches += float(np.count_nonzero(np.abs(said - p) > SAME * p))
        if piece.state is not None and piece.state.shape[1]:
            self._states(action, p, piece.state, eligible, actions)

    def _states(self, action: Ints, p: Floats, state: Floats, eligible: Bools | None, actions: int) -> None:
        if self._edges is None:
            self._edges, self._actions_stated = state_edges(state), actions
        step = 1 if self._stated < ALL_STATES else 8
        kept = np.flatnonzero(action < self._actions_stated)[::step]
        some = None if eligible is None else eligible[kept]
        assert self.by_action is not None
        most = self.by_action.top[: self._actions_stated]
        found = by_state(action[kept], p[kept], state[kept], some, self._edges, most)
        self.by_state = found if self.by_state is None else self.by_state + found
        self._stated += len(kept)

    @property
    def variance_rows(self) -> float | None:
        """Rows that the variance effectively comes from: n / 3 for normal terms, few where a tail carries them."""
        return self._squares**2 / self._fourth if self._fourth > 0 else None

    @property
    def unsupported_mass(self) -> float | None:
        """The candidate's mean mass on what could not be taken or, where that is not known, was never taken.

        Of episodes: the chance that it plays such an action in one of the steps that were logged.
        """
        if self._mass is None or self._executed is None or not self._steps:
            return None
        if self.masked:
            return self._outside / self._rows
        share = float(self._mass[self._executed == 0].sum()) / self._steps
        return float(1 - (1 - min(share, 1.0)) ** (self._steps / self._rows))

    def action(self, number: int) -> str:
        """Return an action's name."""
        return str(number) if self._actions is None else str(self._actions[number])

    def part(self, cell: int) -> tuple[str, str, str]:
        """Return feature, part and action of a cell of ``by_state``, in words."""
        assert self._edges is not None
        assert self.by_state is not None
        parts = self._edges.shape[1] + 2
        actions = len(self.by_state.total) // parts // len(self._edges)
        feature, rest = divmod(cell, parts * actions)
        part, action = divmod(rest, actions)
        edges = self._edges[feature]
        if part == parts - 1:
            where = "missing"
        elif part == 0:
            where = f"below {edges[0]:.4g}"
        else:
            where = f"from {edges[part - 1]:.4g}" + ("" if part == len(edges) else f" to {edges[part]:.4g}")
        name = f"feature {feature}" if self._features is None else str(self._features[feature])
        return name, where, self.action(action)


def _outside(piece: Decisions | Episodes, candidate: Floats, eligible: Bools | None) -> float:
    """Return the candidate's mass on actions that could not be taken, summed over decisions or episodes."""
    if eligible is None:
        return 0.0
    if isinstance(piece, Decisions):
        return float(candidate[~eligible].sum())
    inside = np.where(eligible, candidate, 0.0).sum(axis=1)
    return float(np.sum(1 - np.multiply.reduceat(np.minimum(inside, 1.0), piece.begin[:-1])))


def _widened(before: Floats | None, found: Floats) -> Floats:
    if before is None:
        return found
    wide = np.zeros(max(len(before), len(found)))
    wide[: len(before)] += before
    wide[: len(found)] += found
    return wide


def _joined(before: Cells | None, found: Cells) -> Cells:
    """Add cells up where a later piece may know of more actions: in the rows before they could be taken too."""
    if before is None:
        return found
    return before.widened(len(found.total)) + found.widened(len(before.total))
