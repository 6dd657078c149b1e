"""Rules that watch standard normal windows for a fall, many runs at once, and how long they take to fire.

Every rule keeps one state a run and answers with a statistic that fires above a level. A run ends at its first alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detectors.shiryaev_roberts import FALLS, follow, ratios, threshold

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]


class Rule(Protocol):
    """A rule that watches many runs at once."""

    @property
    def name(self) -> str:
        """Name in the table."""
        ...

    @property
    def levels(self) -> tuple[float, float]:
        """Least and greatest level that a calibration tries."""
        ...

    def start(self, runs: int) -> Floats:
        """Return the state of so many runs before the first window."""
        ...

    def step(self, state: Floats, fall: Floats) -> Floats:
        """Change the state by one window, given how many sigma each lies low; return the statistics."""
        ...


@dataclass(frozen=True)
class Shewhart:
    """Each window alone (Shewhart, 1931)."""

    name: str = "Shewhart"
    levels: tuple[float, float] = (2.0, 4.5)

    def start(self, runs: int) -> Floats:
        return np.zeros(runs)

    def step(self, state: Floats, fall: Floats) -> Floats:
        return fall


@dataclass(frozen=True)
class Ewma:
    """The exponentially weighted mean, in its own standard deviations (Roberts, 1959)."""

    name: str
    weight: float
    levels: tuple[float, float] = (1.5, 5.0)

    def start(self, runs: int) -> Floats:
        return np.zeros(runs)

    def step(self, state: Floats, fall: Floats) -> Floats:
        state += self.weight * (fall - state)
        return np.asarray(state / np.sqrt(self.weight / (2 - self.weight)))


@dataclass(frozen=True)
class Cusum:
    """The sum of what lies more than ``slack`` sigma low, never below 0 (Page, 1954): best for a fall of 2 slack."""

    name: str
    slack: float
    levels: tuple[float, float]

    def start(self, runs: int) -> Floats:
        return np.zeros(runs)

    def step(self, state: Floats, fall: Floats) -> Floats:
        state += fall - self.slack
        np.maximum(state, 0.0, out=state)
        return state


@dataclass(frozen=True)
class Together:
    """Ours: frozen_sigma at k and shiryaev_roberts at the rest of the false-alarm budget; fires above 1.

    The thresholds come from theory, not from simulation: k costs its normal tail, the mixture gets what is left.
    """

    run_length: float
    k: float
    name: str = "frozen_sigma + shiryaev_roberts"
    levels: tuple[float, float] = (0.1, 1.5)

    @property
    def wall(self) -> float:
        return threshold(1 / (1 / self.run_length - float(stats.norm.sf(self.k))))

    def start(self, runs: int) -> Floats:
        return np.zeros((runs, len(FALLS)))

    def step(self, state: Floats, fall: Floats) -> Floats:
        one = np.ones(len(fall))
        state[:] = follow(state, ratios(fall, one, one), 2 * self.wall * len(FALLS))
        return np.asarray(np.maximum(state.mean(axis=1) / self.wall, fall / self.k))


def first_alarms(
    rule: Rule, levels: Floats, rng: np.random.Generator, runs: int, steps: int, fall: float = 0.0
) -> Steps:
    """Return the window at which each run first reaches each level, ``steps + 1`` for never; shape (runs, levels)."""
    state, reached = rule.start(runs), np.zeros(runs, np.int64)
    first = np.full((runs, len(levels)), steps + 1)
    for step in range(steps):
        place = np.searchsorted(levels, rule.step(state, rng.normal(fall, size=runs)), side="right")
        for run in np.flatnonzero(place > reached).tolist():
            first[run, reached[run] : place[run]] = step + 1
            reached[run] = place[run]
        if step % 64 == 0 and bool(np.all(reached == len(levels))):
            break
    return first


def mean_length(first: Steps, steps: int) -> tuple[float, float]:
    """Return the mean windows to an alarm and its standard error, also where some runs never fired in ``steps``.

    Where none is missing it is the plain mean; else windows seen over alarms, the estimate for memoryless alarms.
    """
    fired = first <= steps
    alarms = max(int(fired.sum()), 1)
    seen = np.minimum(first, steps)
    mean = float(seen.sum()) / alarms
    return mean, float(seen.std()) / len(first) ** 0.5 if bool(fired.all()) else mean / alarms**0.5


def calibrated(rule: Rule, run_length: float, rng: np.random.Generator, runs: int, steps: int) -> float:
    """Return the level at which the mean run length without a fall is ``run_length``, by simulation."""
    levels = np.linspace(*rule.levels, 201)
    first = first_alarms(rule, levels, rng, runs, steps)
    known = np.array([np.sum(first[:, i] <= steps) >= 20 for i in range(len(levels))])
    lengths = np.array([mean_length(first[:, i], steps)[0] for i in range(len(levels))])[known]
    if not lengths[0] < run_length < lengths[-1]:
        raise SystemExit(f"{rule.name}: no level in {rule.levels} has a run length of {run_length:,.0f}")
    return float(np.interp(np.log(run_length), np.log(lengths), levels[known]))
