"""Laws that every entry of DETECTORS keeps; a new detector is covered by its dict line."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from detectors import DETECTORS, Detector, Series, State, Verdict
from monitor.settings import shipped_triggers

EVERY = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS.keys())


def judge(detector: Detector, series: Series) -> list[Verdict]:
    return detector.scan(series, **detector.settings)


def null(detector: Detector, seed: int = 1) -> Series:
    return detector.null(np.random.default_rng(seed))


def fault(detector: Detector, seed: int = 2) -> Series:
    return detector.fault(np.random.default_rng(seed))


def part(series: Series, chosen: slice) -> Series:
    return series.window(chosen.start or 0, chosen.stop)


def damaged(series: Series, seed: int) -> Series:
    """The series with gaps, empty windows, tiny windows and values that no metric should have."""
    rng = np.random.default_rng(seed)
    value, n, stderr = series.value.copy(), series.n.copy(), series.stderr.copy()
    for wrong in (np.nan, np.inf, -np.inf, 1e300, -1e300, -1.0):
        value[rng.integers(0, len(value), 3)] = wrong
    n[rng.integers(0, len(n), 8)] = 0
    n[rng.integers(0, len(n), 8)] = 1
    stderr[rng.integers(0, len(n), 8)] = np.nan
    counts = None
    if series.counts is not None:
        counts = series.counts.copy()
        counts[n == 0] = 0
        counts[rng.integers(0, len(n), 3)] = 0
    kept = np.sort(rng.permutation(len(n))[: len(n) * 4 // 5])
    base = None if series.baseline is None else damaged(series.baseline, seed + 1)
    return Series(
        series.time[kept],
        value[kept],
        stderr[kept],
        n[kept],
        base,
        None if counts is None else counts[kept],
        series.labels,
    )


@EVERY
def test_it_gives_one_verdict_for_each_window(detector: Detector) -> None:
    for series in (null(detector), fault(detector)):
        assert len(judge(detector, series)) == len(series)


@EVERY
def test_it_changes_nothing_and_answers_the_same_twice(detector: Detector) -> None:
    series = fault(detector)
    before = [a.copy() for a in (series.time, series.value, series.stderr, series.n)]
    first, second = judge(detector, series), judge(detector, series)
    assert first == second
    for old, new in zip(before, (series.time, series.value, series.stderr, series.n), strict=True):
        np.testing.assert_array_equal(old, new)


@EVERY
def test_an_empty_series_has_no_verdicts(detector: Detector) -> None:
    assert judge(detector, null(detector).window(0, 0)) == []
    nothing = np.zeros(0)
    assert judge(detector, Series(nothing, nothing, nothing, np.zeros(0, np.int64))) == []


@EVERY
@pytest.mark.parametrize("kept", [True, False], ids=["with baseline", "without baseline"])
def test_windows_without_rows_are_never_ok(detector: Detector, kept: bool) -> None:
    series = null(detector)
    counts = None if series.counts is None else np.zeros_like(series.counts)
    base = series.baseline if kept else None
    length = len(series)
    silent = Series(
        series.time,
        np.full(length, np.nan),
        np.zeros(length),
        np.zeros(length, np.int64),
        base,
        counts,
        series.labels,
    )
    verdicts = judge(detector, silent)
    assert {v.state for v in verdicts} <= {State.NO_DATA, State.FIRE}
    assert verdicts[0].state is State.NO_DATA


@EVERY
@pytest.mark.parametrize("seed", range(5))
def test_damaged_data_raises_nothing_and_leaves_finite_statistics(detector: Detector, seed: int) -> None:
    for series in (null(detector, seed), fault(detector, seed)):
        broken = damaged(series, seed)
        for case in (broken, replace(broken, baseline=None), replace(series, baseline=broken.baseline)):
            for verdict in judge(detector, case):
                numbers = (verdict.statistic, verdict.low, verdict.high)
                assert all(x is None or math.isfinite(x) for x in numbers), verdict
                assert verdict.n >= 0
                assert verdict.state is not State.ERROR
                json.dumps(numbers, allow_nan=False)


@EVERY
def test_every_reason_is_a_sentence(detector: Detector) -> None:
    for series in (null(detector), fault(detector), damaged(fault(detector), 3), null(detector).window(0, 1)):
        for verdict in judge(detector, series):
            assert verdict.reason[0].isupper()
            assert verdict.reason.endswith(".")
            assert "nan" not in verdict.reason.lower().split()
            assert "  " not in verdict.reason
            assert ".." not in verdict.reason


@EVERY
@pytest.mark.parametrize("worse", [False, True], ids=["sound", "damaged"])
def test_live_equals_replayed(detector: Detector, worse: bool) -> None:
    series = damaged(fault(detector), 4) if worse else fault(detector)
    replayed = judge(detector, series)
    for t in range(len(series)):
        assert judge(detector, series.window(0, t + 1))[-1] == replayed[t]


@EVERY
@pytest.mark.parametrize("seed", range(5))
def test_going_on_from_what_was_carried_equals_one_scan(detector: Detector, seed: int) -> None:
    assert (detector.resume is None) == (detector.before(**detector.settings) is not None)
    if detector.resume is None:
        return
    rng = np.random.default_rng(seed)
    for series in (null(detector, seed), fault(detector, seed), damaged(fault(detector), seed)):
        for base in (series.baseline, None):
            whole = replace(series, baseline=base)
            cuts = [0, *sorted(rng.integers(0, len(series), 6).tolist()), len(series)]
            carried, verdicts = None, []
            for start, stop in pairwise(cuts):
                more, carried = detector.resume(whole.window(start, stop), carried, **detector.settings)
                verdicts += more
            assert verdicts == judge(detector, whole)


@EVERY
def test_the_declared_lookback_is_enough(detector: Detector) -> None:
    before = detector.before(**detector.settings)
    if before is None:
        return
    series = damaged(fault(detector), 5)
    replayed = judge(detector, series)
    for t in range(len(series)):
        assert judge(detector, series.window(max(0, t - before), t + 1))[-1] == replayed[t]


@EVERY
def test_it_is_quiet_where_nothing_is_wrong(detector: Detector) -> None:
    states = [v.state for seed in range(20) for v in judge(detector, null(detector, 100 + seed))]
    fired, judged = states.count(State.FIRE), states.count(State.FIRE) + states.count(State.OK)
    assert judged >= 0.4 * len(states)
    if detector.false_alarms == 0:
        assert fired == 0
    else:
        assert stats.binomtest(fired, judged, detector.false_alarms, alternative="greater").pvalue > 1e-3


@EVERY
@pytest.mark.parametrize("seed", range(5))
def test_it_fires_on_its_declared_fault(detector: Detector, seed: int) -> None:
    assert judge(detector, fault(detector, seed))[-1].state is State.FIRE


@EVERY
def test_its_declared_invariances_hold(detector: Detector) -> None:
    assert detector.invariances
    for change in detector.invariances:
        for series in (null(detector), fault(detector)):
            changed = judge(detector, change(series))
            plain = judge(detector, series)
            assert [v.state for v in changed] == [v.state for v in plain], change.__name__


@EVERY
def test_its_parameters_are_those_of_its_scan_and_all_have_defaults(detector: Detector) -> None:
    first, *others = inspect.signature(detector.scan).parameters.values()
    assert first.name == "series"
    assert tuple(p.name for p in others) == detector.parameters
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in others)
    assert set(detector.settings) <= set(detector.parameters)
    assert not detector.lookback_from or detector.lookback_from in detector.parameters


def test_the_shipped_triggers_name_detectors_and_parameters_that_exist() -> None:
    rules = {"metric", "detector", "window", "for", "clear", "severity", "runbook", "enabled", "segment"}
    for name, trigger in shipped_triggers().items():
        detector = DETECTORS[trigger["detector"]]
        given = {key: value for key, value in trigger.items() if key not in rules}
        assert set(given) <= set(detector.parameters), name
        verdicts = detector.scan(detector.null(np.random.default_rng(0)), **given)
        assert len(verdicts) > 0, name


def test_a_detector_that_looks_ahead_breaks_the_law_of_replay() -> None:
    def peeking(series: Series, **parameters: object) -> list[Verdict]:
        top = float(np.max(series.value, initial=0.0))
        return [Verdict(State.OK, top, None, None, int(n), "It looked ahead.") for n in series.n]

    broken = replace(DETECTORS["one_event"], scan=peeking)
    law: Callable[..., None] = test_live_equals_replayed
    with pytest.raises(AssertionError):
        law(broken, False)


# Those that may judge rewards; a law for all would ask it of what no reward goes into.
REWARDS = ("frozen_sigma", "rolling_sigma", "shiryaev_roberts", "e_detector", "limit", "trend", "dip", "episodic")


@pytest.mark.parametrize("name", REWARDS)
def test_a_window_that_is_held_is_insufficient_and_says_why(name: str) -> None:
    detector = DETECTORS[name]
    series = fault(detector)
    held = replace(series, held=("",) * (len(series) - 6) + ("rewards come late",) * 6)
    verdicts = judge(detector, held)
    assert {v.state for v in verdicts[-6:]} == {State.INSUFFICIENT}
    assert verdicts[-1].reason.endswith("is not judged: rewards come late.")
