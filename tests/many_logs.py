"""Many logs of one bandit at once, and what every estimator really aims at on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ope import ESTIMATORS, Decisions, Estimator, TermSums
from ope.bounds import known, reach, span
from ope.intervals import Interval, Sample

BEHAVIOUR = np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.4, 0.3]])
CANDIDATE = np.array([[0.2, 0.3, 0.3, 0.2], [0.4, 0.1, 0.3, 0.2], [0.2, 0.3, 0.2, 0.3]])
BINARY = np.array([[0.1, 0.3, 0.5, 0.6], [0.5, 0.2, 0.4, 0.3], [0.3, 0.7, 0.2, 0.5]])
MODEL = BINARY * 0.8 + 0.05  # predicts, and is wrong
SINGLE = [name for name, item in ESTIMATORS.items() if item.log == "decisions"]


@dataclass(frozen=True)
class World:
    """Three contexts, four actions; a reward's mean, and how it is drawn around it."""

    mean: np.ndarray
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    behaviour: np.ndarray

    @property
    def value(self) -> float:
        return float((CANDIDATE * self.mean).sum(axis=1).mean())

    def log(self, context: np.ndarray, action: np.ndarray, reward: np.ndarray) -> Decisions:
        p = self.behaviour[context]
        at = (np.arange(len(action)), action)
        candidate = CANDIDATE[context]
        return Decisions(reward, p[at], candidate[at], action, candidate, q=MODEL[context], behaviour=p)

    def rows(self, seed: int, rows: int) -> Decisions:
        rng = np.random.default_rng(seed)
        context = rng.integers(0, 3, rows)
        action = (rng.random(rows)[:, None] > np.cumsum(self.behaviour, axis=1)[context]).sum(axis=1).clip(0, 3)
        return self.log(context, action, self.draw(rng, self.mean[context, action]))

    def target(self, item: Estimator, tuning: float | None) -> float:
        """Return what the estimator tends to: the value, or for a biased one what clipping or a model makes of it."""
        context, action = np.divmod(np.arange(12), 4)
        total, mass = item.terms(self.log(context, action, self.mean[context, action]), tuning)
        chance = self.behaviour.ravel() / 3
        total = total.reshape(12, -1)
        masses = np.ones_like(total) if mass is None else mass.reshape(12, -1)
        return float((chance @ total / (chance @ masses)).sum())


def bernoulli(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
    return (rng.random(len(mean)) < mean).astype(float)


def lognormal(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
    return mean * np.exp(rng.normal(-0.5, 1.0, len(mean)))


GOOD = World(BINARY, bernoulli, BEHAVIOUR)
SKEWED = World(BINARY, lognormal, BEHAVIOUR)
RARE = World(BINARY * 0.05, bernoulli, BEHAVIOUR)
HEAVY = World(BINARY, bernoulli, np.array([[0.9, 0.05, 0.02, 0.03]] * 3))
CLICKS = World(BINARY * 0.05, bernoulli, HEAVY.behaviour)  # rare rewards under heavy weights


def samples(world: World, name: str, seed: int, logs: int, rows: int) -> Iterator[tuple[Sample, float]]:
    """Yield each log's terms, and what the estimator aims at."""
    item, log = ESTIMATORS[name], world.rows(seed, logs * rows)
    tuning = None if item.tune is None else item.tune(log)
    total, mass = item.terms(log, tuning)
    aim = world.target(item, tuning)
    width = span(item, log, known(log, None, float(log.weight.max())), tuning)
    for begin in range(0, logs * rows, rows):
        y = total[begin : begin + rows]
        m = None if mass is None else mass[begin : begin + rows]
        sums, weight = TermSums.of(y, m), log.weight[begin : begin + rows]
        clock = float(weight.sum() ** 2 / (weight @ weight))
        yield Sample(sums, partial(iter, [(y, m)]), begin, clock, width, reach(sums, width)), aim


def coverage(
    interval: Callable[[Sample, float], Interval | None], found: Iterator[tuple[Sample, float]]
) -> tuple[float, float]:
    """Return the share of 95% intervals that hold the aim, and their median width."""
    held, widths = list[bool](), list[float]()
    for sample, aim in found:
        low, high = interval(sample, 0.95) or (-np.inf, np.inf)
        held.append(low <= aim <= high)
        widths.append(high - low)
    return float(np.mean(held)), float(np.median(widths))
