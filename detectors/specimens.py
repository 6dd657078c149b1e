"""Healthy and faulty series on which the laws of the detectors are tried, and what must not change a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from detectors.detector import Specimen
from detectors.series import Floats, Series

WINDOW = 900.0
_BASELINE, _LENGTH = 400, 60


def _times(first: int, length: int) -> Floats:
    return np.asarray((first + np.arange(length)) * WINDOW)


def means(drop: float = 0.0, lasting: int = 6) -> Specimen:
    """Independent normal window means; the last ``lasting`` fall by ``drop`` standard deviations.

    Examples
    --------
    >>> len(means()(np.random.default_rng(0)))
    60
    """

    def draw(rng: Generator) -> Series:
        past, now = rng.normal(2.0, 0.1, _BASELINE), rng.normal(2.0, 0.1, _LENGTH)
        now[-lasting:] -= 0.1 * drop
        n, error = np.full(_BASELINE, 400), np.full(_BASELINE, 0.1)
        base = Series(_times(0, _BASELINE), past, error, n)
        return Series(_times(_BASELINE, _LENGTH), now, error[:_LENGTH], n[:_LENGTH], base)

    return draw


def rates(healthy: float, faulty: float | None = None) -> Specimen:
    """Rates of independent events in 2,000 rows a window; the last six windows at the faulty rate.

    Examples
    --------
    >>> rates(0.0)(np.random.default_rng(0)).value.sum()
    np.float64(0.0)
    """

    def draw(rng: Generator) -> Series:
        rate = np.full(_BASELINE + _LENGTH, healthy)
        rate[-6:] = healthy if faulty is None else faulty
        value = rng.binomial(2000, rate) / 2000
        error, n = np.sqrt(value * (1 - value) / 2000), np.full(len(rate), 2000)
        base = Series(_times(0, _BASELINE), value[:_BASELINE], error[:_BASELINE], n[:_BASELINE])
        return Series(_times(_BASELINE, _LENGTH), value[_BASELINE:], error[_BASELINE:], n[_BASELINE:], base)

    return draw


def events(count: int) -> Specimen:
    """Counts of forbidden events; none but ``count`` in the last window.

    Examples
    --------
    >>> events(2)(np.random.default_rng(0)).value[-1]
    np.float64(2.0)
    """

    def draw(rng: Generator) -> Series:
        value = np.zeros(_LENGTH)
        value[-1] = count
        return Series(_times(0, _LENGTH), value, np.zeros(_LENGTH), rng.poisson(500, _LENGTH) + 1)

    return draw


def histograms(healthy: ArrayLike, faulty: ArrayLike | None = None, labels: tuple[str, ...] = ()) -> Specimen:
    """Histograms of 2,000 independent rows a window; the last ten windows with the faulty shares.

    Examples
    --------
    >>> histograms([0.5, 0.5])(np.random.default_rng(0)).counts.shape
    (60, 2)
    """

    def draw(rng: Generator) -> Series:
        past = rng.multinomial(2000, np.asarray(healthy), size=_BASELINE)
        now = rng.multinomial(2000, np.asarray(healthy), size=_LENGTH)
        if faulty is not None:
            now[-10:] = rng.multinomial(2000, np.asarray(faulty), size=10)
        zeros, n = np.zeros(_BASELINE), np.full(_BASELINE, 2000)
        base = Series(_times(0, _BASELINE), zeros, zeros, n, None, past, labels)
        return Series(_times(_BASELINE, _LENGTH), zeros[:_LENGTH], zeros[:_LENGTH], n[:_LENGTH], base, now, labels)

    return draw


def volume(usual: float, last: float) -> Specimen:
    """Rows a window, Poisson; the last six windows at the mean ``last``.

    Examples
    --------
    >>> volume(200.0, 0.0)(np.random.default_rng(0)).n[-1]
    np.int64(0)
    """

    def draw(rng: Generator) -> Series:
        past, now = rng.poisson(usual, _BASELINE), rng.poisson(usual, _LENGTH)
        now[-6:] = rng.poisson(last, 6)
        base = Series(_times(0, _BASELINE), past.astype(np.float64), np.zeros(_BASELINE), past)
        return Series(_times(_BASELINE, _LENGTH), now.astype(np.float64), np.zeros(_LENGTH), now, base)

    return draw


def rising(healthy: float, slope: float = 0.0) -> Specimen:
    """Daily rates in 50,000 rows, with noise of a fifth from day to day, that rise by ``slope`` a day.

    Examples
    --------
    >>> rising(0.001)(np.random.default_rng(0)).n[0]
    np.int64(50000)
    """

    def draw(rng: Generator) -> Series:
        rate = healthy * np.exp(rng.normal(0.0, 0.2, _LENGTH)) + slope * np.arange(_LENGTH)
        value, n = rng.binomial(50_000, rate) / 50_000, np.full(_LENGTH, 50_000)
        return Series(np.asarray(np.arange(_LENGTH) * 86_400.0), value, np.sqrt(value / n), n)

    return draw


def episodes(drop: float = 0.0) -> Specimen:
    """One episode of six steps a window, each step noisier than the one before; the last 20 pay less at every step.

    Examples
    --------
    >>> episodes()(np.random.default_rng(0)).vectors.shape
    (60, 6)
    """

    def draw(rng: Generator) -> Series:
        noise, shared = 0.1 * 2.0 ** np.arange(6), rng.normal(size=(_BASELINE + _LENGTH, 1))
        rewards = 1.0 + noise * (0.6 * shared + 0.8 * rng.normal(size=(_BASELINE + _LENGTH, 6)))
        rewards[-20:] -= drop
        total, n = rewards.sum(axis=1), np.ones(_BASELINE + _LENGTH, np.int64)
        parts = [(0, slice(0, _BASELINE)), (_BASELINE, slice(_BASELINE, None))]
        base, now = (
            Series(_times(first, len(total[part])), total[part], 0 * total[part], n[part], vectors=rewards[part])
            for first, part in parts
        )
        return replace(now, baseline=base)

    return draw


def delays(late: str = "") -> Specimen:
    """Mean delays of rewards, in seconds; the last six windows are held for the reason ``late``.

    Examples
    --------
    >>> delays("rewards take 3 h")(np.random.default_rng(0)).held[-1]
    'rewards take 3 h'
    """

    def draw(rng: Generator) -> Series:
        value, n = rng.normal(3600.0, 100.0, _LENGTH), np.full(_LENGTH, 50)
        held = (*[""] * (_LENGTH - 6), *[late] * 6) if late else ()
        return Series(_times(_BASELINE, _LENGTH), value, np.full(_LENGTH, 90.0), n, held=held)

    return draw


def later(series: Series) -> Series:
    """Move every window by four weeks: only order and season may matter.

    Examples
    --------
    >>> later(Series([0], [1], [0], [1])).time.tolist()
    [2419200.0]
    """
    base = None if series.baseline is None else later(series.baseline)
    return replace(series, time=series.time + 28 * 86400, baseline=base)


def shifted(series: Series) -> Series:
    """Add a constant to every value.

    Examples
    --------
    >>> shifted(Series([0], [1], [0], [1])).value.tolist()
    [8.0]
    """
    base = None if series.baseline is None else shifted(series.baseline)
    return replace(series, value=series.value + 7.0, baseline=base)


def scaled(series: Series) -> Series:
    """Measure the value in another unit.

    Examples
    --------
    >>> scaled(Series([0], [1], [0.5], [1])).stderr.tolist()
    [50.0]
    """
    base = None if series.baseline is None else scaled(series.baseline)
    return replace(series, value=series.value * 100, stderr=series.stderr * 100, baseline=base)


def reordered(series: Series) -> Series:
    """Name the cells of a histogram in the opposite order.

    Examples
    --------
    >>> reordered(Series([0], [0], [0], [3], None, [[1, 2]])).counts.tolist()
    [[2, 1]]
    """
    base = None if series.baseline is None else reordered(series.baseline)
    counts = None if series.counts is None else series.counts[:, ::-1]
    return replace(series, counts=counts, labels=series.labels[::-1], baseline=base)


def without_baseline(series: Series) -> Series:
    """Take the baseline away.

    Examples
    --------
    >>> without_baseline(Series([0], [0], [0], [3])).baseline is None
    True
    """
    return replace(series, baseline=None)
