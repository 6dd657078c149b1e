"""Window means whose law is known, and the cumulative rule of reward_slow over many of them at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats

from detectors import DETECTORS, Series
from detectors.autoregression import AutoRegression
from detectors.shiryaev_roberts import FALLS, follow, ratios, threshold

Array = NDArray[np.float64]
ONE_IN = 1 / stats.norm.sf(3)  # 740.8
HONEST = 1e-4  # p-value of a binomial test below which a theorem counts as broken


def autoregressive(rng: np.random.Generator, phi: float, shape: tuple[int, ...]) -> Array:
    """Stationary AR(1) of variance 1 along the last axis."""
    noise = rng.normal(size=shape)
    noise[..., 0] /= math.sqrt(1 - phi * phi)
    return np.asarray(signal.lfilter([math.sqrt(1 - phi * phi)], [1, -phi], noise, axis=-1))


def windows_of(rows: Array, size: int) -> Array:
    return np.asarray(rows.reshape(*rows.shape[:-1], -1, size).mean(axis=-1))


def mean_variance(phi: float, rows: int) -> float:
    """Variance of the mean of so many rows of an AR(1) of variance 1."""
    lag = np.arange(1, rows)
    return float((rows + 2 * np.sum((rows - lag) * phi**lag)) / rows**2)


def window_means(rng: np.random.Generator, phi: float, rows: int, shape: tuple[int, ...]) -> Array:
    """Means of windows of an AR(1), drawn without its rows: each mean and its last row given the last row before."""
    kept, onto = phi**rows, phi * (1 - phi**rows) / (rows * (1 - phi))
    covariance = (1 - phi**rows) / (rows * (1 - phi)) - onto * kept
    law = np.array([[1 - kept**2, covariance], [covariance, mean_variance(phi, rows) - onto**2]])
    noise = rng.normal(size=(*shape, 2)) @ np.linalg.cholesky(law + 1e-12 * np.eye(2)).T
    first = rng.normal(size=(*shape[:-1], 1))
    last, _ = signal.lfilter([1.0], [1, -kept], noise[..., 0], axis=-1, zi=kept * first)
    before = np.concatenate([first, last[..., :-1]], axis=-1)
    return np.asarray(onto * before + noise[..., 1])


def series(values: Any, n: Any, baseline: Series | None = None, first: int = 0, counts: Any = None) -> Series:
    value = np.asarray(values, np.float64)
    length = len(value)
    time = np.asarray((first + np.arange(length)) * 900.0, np.float64)
    return Series(time, value, np.full(length, np.nan), np.broadcast_to(n, length), baseline, counts)


def broken(fired: int, total: int, probability: float, side: str) -> bool:
    return bool(stats.binomtest(fired, total, probability, alternative=side).pvalue < HONEST)


def frozen_alarm_rate(past: Array, deviation: float, **parameters: Any) -> float:
    """Exact chance that frozen_sigma fires on a healthy window, given one baseline; 0 where it refuses to judge.

    Two probes tell the mean, the error and the limit that the scan uses; the window's law is known.
    """
    now = series([0.0, 1.0], 500, series(past, 500), len(past))
    low, high = DETECTORS["frozen_sigma"].scan(now, **parameters)
    if low.statistic is None or high.statistic is None or low.low is None:
        return 0.0
    error = 1 / (high.statistic - low.statistic)
    return float(stats.norm.cdf((low.low - low.statistic) * error / deviation))


@dataclass(frozen=True)
class Slow:
    """What the rule of reward_slow knows of each run's baseline; the true mean is 0."""

    limit: Array
    variance: Array
    correlation: Array

    @classmethod
    def known(cls, runs: int) -> Slow:
        return cls(np.zeros(runs), np.ones(runs), np.zeros(runs))

    @classmethod
    def learned(cls, fits: Sequence[AutoRegression], means: Sequence[float], times: int = 1) -> Slow:
        limit = [mean - fit.below for mean, fit in zip(means, fits, strict=True)]
        columns = (limit, [fit.spread for fit in fits], [fit.correlation for fit in fits])
        return cls(*(np.repeat(column, times) for column in columns))

    def alarms(
        self, rng: np.random.Generator, steps: int, run_length: float, *, phi: float = 0.0, fall: Any = 0.0,
        k: float = math.inf, again: bool = True,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
        """Return each run's first alarm (steps + 1 for none) and its number of alarms, starting anew after each.

        A window mean has variance 1 and correlation phi, and lies ``fall`` lower, one number or one a step; one that is
        k sigma low fires at once, as frozen_sigma does.
        """
        runs, wall = len(self.limit), threshold(run_length)
        falls = np.broadcast_to(np.asarray(fall, np.float64), steps)
        first, count = np.full(runs, steps + 1), np.zeros(runs, np.int64)
        evidence = np.zeros((runs, len(FALLS)))
        value = rng.normal(size=runs)
        tied, drop, variance = np.zeros(runs), np.zeros(runs), self.variance
        long = np.sqrt(self.variance * (1 + self.correlation) / (1 - self.correlation))
        for step in range(steps):
            seen = value - falls[step]
            new = self.limit - seen
            ratio = ratios(new - tied * drop, long * (1 - tied), variance * (1 - tied**2))
            evidence = follow(evidence, ratio, 2 * wall * len(FALLS))
            fires = (evidence.mean(axis=1) >= wall) | (seen <= -k)
            count += fires
            first = np.where(fires & (first > steps), step + 1, first)
            evidence[fires] = 0.0
            if not again and np.all(first <= steps):
                break
            value = phi * value + math.sqrt(1 - phi * phi) * rng.normal(size=runs)
            drop, tied = new, self.correlation
        return first, count
