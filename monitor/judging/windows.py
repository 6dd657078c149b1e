"""From sealed buckets to the Series that detectors read: ordered windows, gaps included, the baseline beside them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from detectors import Series
from monitor.bucketing import buckets
from monitor.judging import slow_rewards
from monitor.judging.segments import plan_of, split
from monitor.metrics import METRICS
from monitor.metrics.metric import NOTHING, Point
from monitor.store.tables import baselines
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan

ALL_VERSIONS = "*"
_CACHED_BASELINES = 4096
_CACHED_SCANS = 16384  # a few KB each
_UNKNOWN = Series(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))  # not looked up yet


@dataclass(frozen=True)
class Frozen:
    """A frozen baseline: its row's id, its span in event time, the plan that is counted with, when it was frozen."""

    id: int
    begin: float
    end: float
    plan: Plan
    frozen: float


def newest_baseline(connection: Connection, policy: str) -> Frozen | None:
    """Return the baseline that judges a policy now, None where none was frozen."""
    statement = select(baselines).where(baselines.c.policy == policy).order_by(baselines.c.id.desc()).limit(1)
    row = connection.execute(statement).one_or_none()
    return None if row is None else Frozen(row.id, row.begin, row.end, Plan.from_json(row.plan), row.frozen)


@dataclass
class Windows:
    """Reads windows; keeps baselines and where scans got to, so that a tick touches new windows only.

    Neither ever changes, because sealed windows do not: losing one costs time and no verdict. Threads may share it.
    """

    _baselines: OrderedDict[tuple[int, str, str, str, int], Series | None] = field(
        default_factory=OrderedDict, repr=False
    )
    _carried: OrderedDict[tuple[Any, ...], tuple[int, Any]] = field(default_factory=OrderedDict, repr=False)

    def carried(self, scan: tuple[Any, ...]) -> tuple[int, Any]:
        """Return until when a scan went in this process, and what it carried then; -1 for one that never began."""
        return self._carried.get(scan, (-1, None))

    def carry(self, scan: tuple[Any, ...], until: int, carried: Any) -> None:
        """Keep what a scan carries after the windows that end by ``until``."""
        self._carried[scan] = (until, carried)
        while len(self._carried) > _CACHED_SCANS:
            self._carried.popitem(last=False)

    def versions(
        self, connection: Connection, policy: str, window: int, begin: float, end: float, segment: str = ""
    ) -> list[str]:
        """Return the versions that acted (in a segment: that were seen) in windows that start in ``[begin, end)``."""
        return buckets.versions(connection, policy, window, begin, end, segment)

    def series(
        self,
        connection: Connection,
        policy: str,
        version: str,
        metric: str,
        keys: Sequence[str],
        window: int,
        begin: float,
        end: float,
        plan: Plan,
        frozen: Frozen | None,
    ) -> dict[str, Series]:
        """Return one Series per key over the windows that start in ``[begin, end)`` and are complete by ``end``.

        A window without rows is in the series with n = 0: a gap is a finding, not an absence.
        """
        found: dict[str, Series] = {}
        for segment in dict.fromkeys(split(key)[1] for key in keys):
            some = [key for key in keys if split(key)[1] == segment]
            where = (connection, policy, version, segment, metric, some, window, begin, end)
            found |= self._of_segment(*where, plan_of(plan, segment), frozen)
        if metric in slow_rewards.DELAYED and slow_rewards.comes_later(plan):
            held = self._held(connection, policy, version, window, begin, end, plan, frozen)
            found = {key: replace(series, held=held) for key, series in found.items()}
        return found

    def _held(
        self,
        connection: Connection,
        policy: str,
        version: str,
        window: int,
        begin: float,
        end: float,
        plan: Plan,
        frozen: Frozen | None,
    ) -> tuple[str, ...]:
        """Return why the rewards of each window must not be judged, "" where they may be."""
        before = max(slow_rewards.POOLED) - 1

        def of(metric: str, key: str) -> Series:
            where = (connection, policy, version, "", metric, [key], window, begin - before * window, end)
            return self._of_segment(*where, plan, frozen)[key]

        missing = of("missing_share", "reward") if "reward" in METRICS["missing_share"].keys(plan) else None
        return slow_rewards.held(of("reward_delay", ""), missing, plan.reward_if_absent)[before:]

    def _of_segment(
        self,
        connection: Connection,
        policy: str,
        version: str,
        segment: str,
        metric: str,
        keys: Sequence[str],
        window: int,
        begin: float,
        end: float,
        plan: Plan,
        frozen: Frozen | None,
    ) -> dict[str, Series]:
        base: dict[str, Series | None] = dict.fromkeys(keys)
        if frozen is not None:
            where = {key: (frozen.id, version, metric, key, window) for key in keys}
            known = {key: self._baselines.get(where[key], _UNKNOWN) for key in keys}
            if any(series is _UNKNOWN for series in known.values()):
                found = _load(connection, policy, version, segment, window, frozen.begin, frozen.end, plan)
                empty = not any(summary.rows for _start, summary in found)
                span = (window, frozen.begin, frozen.end)
                known = {key: None if empty else _series(found, metric, key, plan, *span, None) for key in keys}
                self._baselines.update((where[key], series) for key, series in known.items())
                while len(self._baselines) > _CACHED_BASELINES:
                    self._baselines.popitem(last=False)
            base |= known
        loaded = _load(connection, policy, version, segment, window, begin, end, plan)
        return {key: _series(loaded, metric, key, plan, window, begin, end, base[key]) for key in keys}


def _load(
    connection: Connection,
    policy: str,
    version: str,
    segment: str,
    window: int,
    begin: float,
    end: float,
    plan: Plan,
) -> list[tuple[int, BucketSummary]]:
    if version != ALL_VERSIONS:
        return buckets.load(connection, policy, version, segment, window, begin, end, plan)
    merged: dict[int, BucketSummary] = {}
    for name in buckets.versions(connection, policy, window, begin, end):
        for start, summary in buckets.load(connection, policy, name, segment, window, begin, end, plan):
            merged[start] = merged[start] + summary if start in merged else summary
    return sorted(merged.items())


def _series(
    found: Sequence[tuple[int, BucketSummary]],
    metric: str,
    key: str,
    plan: Plan,
    window: int,
    begin: float,
    end: float,
    baseline: Series | None,
) -> Series:
    definition = METRICS[metric]
    key = split(key)[0]
    labels = definition.labels(plan, key)
    by_start = dict(found)
    first = math.ceil(begin / window) * window
    starts = list(range(first, math.floor(end / window) * window, window))
    points: list[Point] = []
    for start in starts:
        summary = by_start.get(start)
        points.append(NOTHING if summary is None else definition.point(summary, plan, key))
    counts = None
    if labels:
        counts = np.zeros((len(points), len(labels)), dtype=np.int64)
        for row, point in enumerate(points):
            if point.counts is not None:
                counts[row] = point.counts
    return Series(
        time=np.array(starts, dtype=np.float64),
        value=np.array([point.value for point in points]),
        stderr=np.array([point.stderr for point in points]),
        n=np.array([point.n for point in points], dtype=np.int64),
        baseline=baseline,
        counts=counts,
        labels=labels,
    )
