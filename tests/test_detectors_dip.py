"""Hartigan's dip: against its definition, its level, and the jitter that discrete rewards need."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from detectors import DETECTORS, Series, State
from detectors.dip import _LEVELS, _QUANTILES, dip_p_value
from detectors.dip_statistic import dip, dip_of_cells
from monitor.metrics import METRICS
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan

Array = NDArray[np.float64]
SCAN = DETECTORS["dip"].scan
EDGES = np.linspace(-4.0, 4.0, 41)
CELLS = tuple(f"{a:.9g}..{b:.9g}" for a, b in pairwise(EDGES))


def by_definition(x: Array, low: Array, high: Array) -> float:
    """The distance to the nearest unimodal distribution function, by one linear program for each place of the mode."""
    best = math.inf
    for mode in range(len(x)):
        left, right = list(range(mode + 1)), list(range(mode, len(x)))
        size = len(left) + len(right) + 1
        rows: list[Array] = []
        bounds: list[float] = []

        def at_most(
            bound: float, terms: dict[int, float], rows: Any = rows, to: Any = bounds, size: int = size
        ) -> None:
            row = np.zeros(size)
            for place, factor in terms.items():
                row[place] = factor
            rows.append(row)
            to.append(bound)

        for side, knots in ((0, left), (1, right)):
            at = {knot: side * len(left) + i for i, knot in enumerate(knots)}
            for knot in knots:
                both = {low[knot], high[knot]} if knot != mode else {high[knot] if side else low[knot]}
                for value in both:
                    at_most(value, {at[knot]: 1.0, size - 1: -1.0})
                    at_most(-value, {at[knot]: -1.0, size - 1: -1.0})
            for a, b in pairwise(knots):
                at_most(0.0, {at[a]: 1.0, at[b]: -1.0})
            for a, b, c in zip(knots[:-2], knots[1:-1], knots[2:], strict=True):
                sign, one, two = 1.0 - 2.0 * side, x[b] - x[a], x[c] - x[b]
                terms = {at[b]: 1 / one + 1 / two, at[a]: -1 / one, at[c]: -1 / two}
                at_most(0.0, {place: sign * factor for place, factor in terms.items()})
        at_most(0.0, {len(left) - 1: 1.0, len(left): -1.0})
        aim = np.zeros(size)
        aim[-1] = 1.0
        limits = [(0.0, 1.0)] * (size - 1) + [(0.0, None)]
        found = optimize.linprog(aim, A_ub=np.array(rows), b_ub=np.array(bounds), bounds=limits)
        best = min(best, float(found.fun) if found.success else math.inf)
    return best


def test_it_is_the_distance_to_the_nearest_distribution_with_one_mode() -> None:
    rng = np.random.default_rng(60)
    for turn in range(24):
        size = int(rng.integers(3, 9))
        sample = np.sort(rng.normal(size=size) if turn % 2 else rng.integers(0, 5, size).astype(float))
        x, times = np.unique(sample, return_counts=True)
        high = np.cumsum(times) / size
        assert dip(sample) == pytest.approx(by_definition(x, high - times / size, high), abs=1e-8)
        rows = rng.integers(0, 6, size)
        rows[0] += 1
        edges = np.cumsum(np.append(0.0, rng.uniform(0.3, 2.0, size)))
        shares = np.append(0.0, np.cumsum(rows) / rows.sum())
        assert dip_of_cells(edges, rows) == pytest.approx(by_definition(edges, shares, shares), abs=1e-8)


def test_it_does_not_change_with_the_unit_or_the_direction() -> None:
    rng = np.random.default_rng(61)
    sample = rng.normal(size=300)
    assert dip(7.0 - 3.0 * sample) == pytest.approx(dip(sample), abs=1e-12)
    with pytest.raises(ValueError, match="finite"):
        dip([1.0, math.inf])
    with pytest.raises(ValueError, match="at least one"):
        dip([])


@pytest.mark.parametrize("shape", ["normal", "uniform", "exponential", "lognormal", "t2"])
def test_continuous_rewards_with_one_mode_fire_at_most_at_the_level(shape: str) -> None:
    rng = np.random.default_rng(62)
    draws: dict[str, Any] = {
        "normal": rng.normal,
        "uniform": rng.random,
        "exponential": rng.exponential,
        "lognormal": rng.lognormal,
        "t2": lambda size: rng.standard_t(2, size),
    }
    draw = draws[shape]
    p = np.array([dip_p_value(dip(draw(size=200)), 200) for _ in range(150)])
    assert stats.binomtest(int(np.sum(p <= 0.05)), len(p), 0.05, alternative="greater").pvalue > 1e-3
    two = np.array([dip_p_value(dip(np.append(draw(size=100), 30 + draw(size=100))), 200) for _ in range(20)])
    assert np.all(two <= 0.001)


def test_the_p_value_is_near_its_level_for_uniform_rows() -> None:
    rng = np.random.default_rng(63)
    found = rng.multinomial(20_000, np.full(200, 1 / 200), 400)
    p = np.array([dip_p_value(dip_of_cells(np.arange(201.0), one), 20_000) for one in found])
    for level in (0.5, 0.1):
        assert stats.binomtest(int(np.sum(p <= level)), len(p), level, alternative="greater").pvalue > 1e-3
        assert np.mean(p <= level) > 0.5 * level


def test_discrete_rewards_have_many_modes_until_they_are_jittered() -> None:
    rng = np.random.default_rng(64)
    stars = rng.binomial(6, 0.4, 2000).astype(float)
    assert dip_p_value(dip(stars), 2000) < 1e-9  # without the cure every window fires
    assert dip_p_value(dip(stars + rng.uniform(-0.5, 0.5, 2000)), 2000) > 0.5
    assert dip_of_cells(np.arange(8) - 0.5, np.bincount(stars.astype(int), minlength=7)) < 0.01


def windows(draw: Any, length: int, first: int = 0, past: Series | None = None, n: int = 600) -> Series:
    counts = np.stack([np.histogram(np.clip(draw(n), -3.99, 3.99), EDGES)[0] for _ in range(length)])
    zeros, rows = np.zeros(length), np.full(length, n)
    time = np.asarray((first + np.arange(length)) * 3600.0, np.float64)
    return Series(time, zeros, zeros, rows, past, counts, CELLS)


def test_a_window_with_two_peaks_fires_and_one_that_is_only_shifted_does_not() -> None:
    rng = np.random.default_rng(65)
    past = windows(lambda n: rng.normal(0, 0.8, n), 60)
    two = windows(lambda n: rng.normal(np.where(rng.random(n) < 0.5, -1.6, 1.6), 0.6), 5, 60, past)
    one = windows(lambda n: rng.normal(1.0, 1.2, n), 30, 60, past)
    assert {v.state for v in SCAN(two)} == {State.FIRE}
    assert {v.state for v in SCAN(one)} == {State.OK}
    assert "more than one mode" in SCAN(two)[0].reason


def test_rounded_rewards_look_like_many_peaks_in_the_baseline_too_and_are_no_news() -> None:
    rng = np.random.default_rng(66)
    past, now = (windows(lambda n: np.round(rng.normal(0, 1, n)) + 0.05, 40, k, None) for k in (0, 40))
    verdicts = SCAN(Series(now.time, now.value, now.stderr, now.n, past, now.counts, now.labels))
    assert {v.state for v in verdicts} == {State.OK}
    assert "that is no news" in verdicts[0].reason
    assert {v.state for v in SCAN(now)} == {State.FIRE}  # no baseline, no way to know


def test_the_metric_names_where_its_cells_lie() -> None:
    import pyarrow as pa

    plan = Plan(reward_edges=(-0.5, 0.5, 5.5, 10.5))
    metric = METRICS["reward_distribution"]
    assert metric.labels(plan, "") == ("-0.5..0.5", "0.5..5.5", "5.5..10.5", "under", "over")
    rewards = pa.table({"reward": [0.0] * 300 + [10.0] * 300 + [99.0, None]})
    point = metric.point(BucketSummary.of(rewards, plan), plan, "")
    assert (point.n, None if point.counts is None else point.counts.tolist()) == (601, [300, 0, 300, 0, 1])
    zero, n, counts = np.zeros(1), np.array([point.n]), np.array([point.counts])
    now = Series(zero, zero, zero, n, None, counts, metric.labels(plan, ""))
    assert SCAN(now)[0].state is State.FIRE
    assert metric.keys(Plan()) == ()


@pytest.mark.full
def test_the_table_of_quantiles_is_that_of_uniform_rows() -> None:
    rng, n, cells = np.random.default_rng(67), 10**8, 400
    edges, equal = np.arange(cells + 1.0), np.full(cells, 1 / cells)
    found = np.array([dip_of_cells(edges, rng.multinomial(n, equal)) for _ in range(12_000)]) * math.sqrt(n)
    for level, quantile in zip(_LEVELS, _QUANTILES, strict=True):
        above = int(np.sum(found > quantile))
        assert stats.binomtest(above, len(found), level).pvalue > 1e-4, level
