"""Data that no detector of distributions wants: an answer that says why, never a false OK and never a crash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from detectors import DETECTORS, Series, State, Verdict
from monitor.bucketing.reference import with_reference
from monitor.metrics import METRICS
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan

SHAPES = ("jensen_shannon", "entropy_floor", "entropy_drop", "dip", "silence", "trend", "episodic")
BLIND = {State.NO_DATA, State.INSUFFICIENT}


def series(counts: Any, past: Series | None = None, labels: tuple[str, ...] = (), n: Any = None) -> Series:
    table = np.asarray(counts, np.int64)
    first = 0 if past is None else len(past)
    rows = table.sum(axis=1) if n is None else np.broadcast_to(n, len(table))
    zeros = np.zeros(len(table))
    time = np.asarray((first + np.arange(len(table))) * 900.0, np.float64)
    return Series(time, zeros, zeros, rows, past, table, labels)


def judge(name: str, given: Series, **parameters: Any) -> list[Verdict]:
    verdicts = DETECTORS[name].scan(given, **parameters)
    for verdict in verdicts:
        numbers = [x for x in (verdict.statistic, verdict.low, verdict.high, verdict.p) if x is not None]
        assert all(np.isfinite(numbers)), verdict
        assert verdict.p is None or 0 <= verdict.p <= 1
        assert verdict.state is not State.ERROR
    return verdicts


def drift(reference: pa.Table, windows: list[pa.Table], feature: str = "x", **parameters: Any) -> list[Verdict]:
    """Count the way that the product does, and scan the last of the windows against the first ones."""
    plan = with_reference(Plan(), reference)
    metric = METRICS["state_drift"]
    if feature not in metric.keys(plan):
        return []
    points = [metric.point(BucketSummary.of(one, plan), plan, feature) for one in windows]
    cells = metric.labels(plan, feature)
    counts = [np.zeros(len(cells), np.int64) if p.counts is None else p.counts for p in points]
    n = np.array([p.n for p in points])
    past = series(counts[:40], None, cells, n[:40])
    return judge("jensen_shannon", series(counts[40:], past, cells, n[40:]), **parameters)


def table(values: Any) -> pa.Table:
    return pa.table({"state.x": values, "reward": np.zeros(len(values))})


@pytest.mark.parametrize("name", SHAPES)
def test_constant_windows_are_healthy_or_not_judged_and_never_a_crash(name: str) -> None:
    past = series(np.tile([500, 0, 0, 0], (60, 1)))
    for given in (series(np.tile([500, 0, 0, 0], (5, 1)), past), series(np.tile([500, 0, 0, 0], (5, 1)))):
        assert State.FIRE not in {v.state for v in judge(name, given)}


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "silence"])
@pytest.mark.parametrize("length", [0, 1, 3, 29])
def test_a_baseline_shorter_than_a_day_is_no_reference(name: str, length: int) -> None:
    rng = np.random.default_rng(130)
    past = series(rng.multinomial(900, [0.25] * 4, length)) if length else None
    verdicts = judge(name, series(rng.multinomial(900, [0.25] * 4, 3), past))
    if name in {"dip", "entropy_floor"} and length:  # one needs none, the other the mean of one window
        assert {v.state for v in verdicts} == {State.OK}
    elif name != "dip":
        assert {v.state for v in verdicts} <= BLIND


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in {"silence", "trend"}])
def test_windows_with_one_row_are_not_judged(name: str) -> None:
    rng = np.random.default_rng(131)
    past = series(rng.multinomial(900, [0.25] * 4, 60))
    verdicts = judge(name, series(rng.multinomial(1, [0.25] * 4, 6), past))
    assert {v.state for v in verdicts} <= BLIND


def test_a_feature_that_was_always_missing_has_no_series_and_one_that_goes_missing_fires() -> None:
    rng = np.random.default_rng(132)
    assert drift(table(pa.array([None] * 50, pa.float64())), [table(rng.normal(size=600))] * 41) == []
    healthy = [table(rng.normal(size=600)) for _ in range(42)]
    gone = [*healthy[:41], table(pa.array([None] * 600, pa.float64()))]
    states = [v.state for v in drift(table(rng.normal(size=5000)), gone, alpha=0.001, pool=1)]
    assert states == [State.OK, State.FIRE]
    nan = [*healthy[:41], table(np.full(600, np.nan))]
    assert drift(table(rng.normal(size=5000)), nan, alpha=0.001, pool=1)[-1].state is State.FIRE


def test_a_feature_of_one_value_is_healthy_while_it_has_it_and_drifts_when_not() -> None:
    constant = table(np.full(600, 7.0))
    verdicts = drift(constant, [constant] * 43, alpha=0.001)
    assert {v.state for v in verdicts} == {State.OK}
    verdicts = drift(constant, [*[constant] * 41, table(np.full(600, 7.1))], alpha=0.001)
    assert [v.state for v in verdicts] == [State.OK, State.FIRE]


def test_ten_levels_that_become_ten_thousand_are_one_finding_and_ten_thousand_are_counted() -> None:
    rng = np.random.default_rng(133)

    def levels(most: int, n: int = 900) -> pa.Table:
        return table([f"l{int(level)}" for level in rng.integers(0, most, n)])

    healthy = [levels(10) for _ in range(41)]
    states = [v.state for v in drift(levels(10, 5000), [*healthy, levels(10_000)], alpha=0.001)]
    assert states == [State.OK, State.FIRE]
    many = drift(levels(10_000, 5000), [levels(10_000) for _ in range(42)], alpha=0.001)
    assert State.FIRE not in {v.state for v in many}


def test_infinities_are_above_the_reference_and_fire_when_there_are_many() -> None:
    rng = np.random.default_rng(134)
    healthy = [table(rng.normal(size=700)) for _ in range(41)]
    few, many = rng.normal(size=700), rng.normal(size=700)
    few[:1], many[:200] = np.inf, -np.inf
    states = [v.state for v in drift(table(rng.normal(size=5000)), [*healthy, table(few), table(many)], alpha=0.001)]
    assert states == [State.OK, State.OK, State.FIRE]


def test_cells_that_differ_from_those_of_the_reference_are_not_compared() -> None:
    rng = np.random.default_rng(135)
    past = series(rng.multinomial(900, [0.25] * 4, 60))
    for name in ("jensen_shannon", "episodic"):
        assert {v.state for v in judge(name, series(rng.multinomial(900, [0.2] * 5, 3), past))} <= BLIND
    verdict = judge("dip", series(rng.multinomial(900, [0.2] * 5, 3), past))[0]
    assert verdict.reason.endswith("There is no baseline to compare with.")


def test_a_trend_over_rates_that_are_no_numbers_is_not_judged() -> None:
    value = np.array([np.nan, np.inf, -np.inf, 1e300, *[0.01] * 12])
    n = np.full(16, 500)
    given = Series(np.asarray(np.arange(16) * 86400.0, np.float64), value, np.zeros(16), n)
    states = [v.state for v in judge("trend", given)]
    assert states[:4] == [State.NO_DATA] * 4
    assert states[-1] is State.OK
    assert set(states[4:13]) == {State.INSUFFICIENT}
    assert {v.state for v in judge("trend", replace(given, n=np.ones(16, np.int64)))} <= BLIND
