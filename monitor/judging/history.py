"""Windows of a long span, read once and kept as columns: what a backtest judges from, the same numbers as a pass."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from operator import add

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from detectors import Series
from monitor.bucketing import buckets
from monitor.judging.segments import split
from monitor.judging.windows import ALL_VERSIONS, Frozen, Windows
from monitor.metrics import METRICS
from monitor.metrics.metric import NOTHING, Point
from monitor.settings import Trigger
from monitor.store.tables import summaries
from monitor.summaries import BucketSummary, merge
from monitor.summaries.grouping import SEGMENTS
from monitor.summaries.plan import Plan

_Of = tuple[str, str, int]  # version, segment, length of the windows
_AT_ONCE = 1024  # buckets read at a time: memory stays bounded over years


@dataclass(frozen=True)
class _Column:
    """One metric and key over the windows that have rows, in order."""

    start: NDArray[np.int64]
    value: NDArray[np.float64]
    stderr: NDArray[np.float64]
    n: NDArray[np.int64]
    counts: NDArray[np.int64] | None

    def series(self, begin: int, end: int, window: int, baseline: Series | None, labels: tuple[str, ...]) -> Series:
        """Return the windows that start in ``[begin, end)``, those without rows with n = 0."""
        first, last = math.ceil(begin / window) * window, math.floor(end / window) * window
        starts = np.arange(first, max(first, last), window, dtype=np.int64)
        here = slice(*np.searchsorted(self.start, [first, max(first, last)]).tolist())
        at = (self.start[here] - first) // window
        value, stderr = np.full(len(starts), NOTHING.value), np.full(len(starts), NOTHING.stderr)
        n = np.zeros(len(starts), np.int64)
        value[at], stderr[at], n[at] = self.value[here], self.stderr[here], self.n[here]
        counts = None
        if self.counts is not None:
            counts = np.zeros((len(starts), len(labels)), np.int64)
            counts[at] = self.counts[here]
        return Series(starts.astype(np.float64), value, stderr, n, baseline, counts, labels)


@dataclass
class History(Windows):
    """Every window of ``[first, last)``, decoded once for all triggers of its length.

    Against ``Windows``, which a live pass reads new windows with and which keeps no points: here a window's body is
    decoded once and each metric's point is taken then, by the same functions, so that months fit in seconds. A length
    that has no roll-ups, because only a backtest asks for it, is merged from hours or minutes in memory; nothing is
    written.

    Parameters
    ----------
    first, last
        The span, seconds since 1970: from the first baseline on, so that references are in it too.
    triggers
        Those that will ask: a window's points are taken for all their metrics at once.
    """

    first: float = 0.0
    last: float = math.inf
    triggers: Sequence[Trigger] = ()
    _rolled: set[int] = field(default_factory=set, repr=False)
    _columns: dict[tuple[_Of, str, str], _Column] = field(default_factory=dict, repr=False)
    _faults: dict[_Of, list[tuple[int, str]]] = field(default_factory=dict, repr=False)
    _acted: dict[tuple[int, str], tuple[list[int], list[str]]] = field(default_factory=dict, repr=False)
    _references: dict[tuple[int, _Of, str, str], Series | None] = field(default_factory=dict, repr=False)

    def versions(
        self, connection: Connection, policy: str, window: int, begin: float, end: float, segment: str = ""
    ) -> list[str]:
        """Return the versions that acted (in a segment: that were seen) in windows that start in ``[begin, end)``."""
        if (window, segment) not in self._acted:
            stored = self._resolution(connection, policy, window)
            c = summaries.c
            found = select(c.start, c.version).where(c.policy == policy, c.resolution == stored, c.segment == segment)
            found = found.where(c.late.is_(False), c.start >= self._floor(window), c.start < self.last)
            rows = connection.execute(found.order_by(c.start))
            acted = sorted({(row.start // window * window, row.version) for row in rows})
            self._acted[window, segment] = ([start for start, _version in acted], [version for _, version in acted])
        starts, names = self._acted[window, segment]
        return sorted(set(names[bisect_left(starts, math.ceil(begin)) : bisect_left(starts, math.ceil(end))]))

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
        of = (version, segment, window)
        self._ready(connection, policy, of, plan)
        if frozen is not None:
            self._refuse(of, frozen.begin, frozen.end)
        self._refuse(of, begin, end)
        found = {}
        for key in keys:
            plain = split(key)[0]
            labels = METRICS[metric].labels(plan, plain)
            column = self._columns[of, metric, plain]
            base = None
            if frozen is not None:
                where = (frozen.id, of, metric, plain)
                if where not in self._references:
                    span = column.series(math.ceil(frozen.begin), math.floor(frozen.end), window, None, labels)
                    self._references[where] = span if self._volume(of, frozen.begin, frozen.end) else None
                base = self._references[where]
            found[key] = column.series(math.ceil(begin), math.floor(end), window, base, labels)
        return found

    def _ready(self, connection: Connection, policy: str, of: _Of, plan: Plan) -> None:
        """Decode every window of one version, segment and length, unless that was done."""
        if of in self._faults:
            return
        _version, segment, window = of
        names = {"volume", *(t.metric for t in self.triggers if t.window == window and _asks(t, segment))}
        wanted = [(name, key) for name in sorted(names) for key in METRICS[name].keys(plan)]
        points: dict[tuple[str, str], list[Point]] = {each: [] for each in wanted}
        starts: list[int] = []
        faults = []
        for start, bodies in self._stored(connection, policy, of):
            try:
                parts = [merge(one, plan) if len(one) > 1 else BucketSummary.from_bytes(one[0], plan) for one in bodies]
                summary = reduce(add, parts)
                taken = {each: METRICS[each[0]].point(summary, plan, each[1]) for each in wanted}
            except ValueError as error:
                faults.append((start, str(error)))
                continue
            starts.append(start)
            for each, point in taken.items():
                points[each].append(point)
        for (name, key), found in points.items():
            self._columns[of, name, key] = _column(starts, found, len(METRICS[name].labels(plan, key)))
        self._faults[of] = faults

    def _stored(self, connection: Connection, policy: str, of: _Of) -> Iterator[tuple[int, list[list[bytes]]]]:
        """Yield each window's start and the bodies of each version in it: one, or the shorter buckets to be merged."""
        version, segment, window = of
        resolution = self._resolution(connection, policy, window)
        c = summaries.c
        found = select(c.start, c.version, c.body).where(c.policy == policy, c.resolution == resolution)
        found = found.where(c.segment == segment, c.late.is_(False))
        found = found.where(c.start >= self._floor(window), c.start < self.last)
        if version != ALL_VERSIONS:
            found = found.where(c.version == version)
        found = found.order_by(c.start, c.version).execution_options(yield_per=_AT_ONCE)
        for start, group in groupby(connection.execute(found), lambda row: row.start // window * window):
            bodies: dict[str, list[bytes]] = {}
            for row in group:
                bodies.setdefault(row.version, []).append(row.body)
            if start + window <= self.last:
                yield start, [bodies[name] for name in sorted(bodies)]

    def _resolution(self, connection: Connection, policy: str, window: int) -> int:
        """Return what a window is made of: its own roll-ups, or hours or minutes where there are none."""
        if not self._rolled:
            self._rolled.update(buckets.rolled(connection, policy))
        if window in self._rolled:
            return window
        return buckets.HOUR if window > buckets.HOUR and window % buckets.HOUR == 0 else buckets.MINUTE

    def _floor(self, window: int) -> int:
        return math.ceil(self.first / window) * window

    def _volume(self, of: _Of, begin: float, end: float) -> bool:
        column = self._columns[of, "volume", ""]
        return bool(column.n[slice(*np.searchsorted(column.start, [math.ceil(begin), math.ceil(end)]))].any())

    def _refuse(self, of: _Of, begin: float, end: float) -> None:
        for start, why in self._faults[of]:
            if math.ceil(begin) <= start < math.ceil(end):
                raise ValueError(why)


def _asks(trigger: Trigger, segment: str) -> bool:
    """Whether a trigger may judge a segment: one arm, any of the named ones, or all live traffic."""
    if not segment or segment in SEGMENTS or trigger.segment in SEGMENTS:
        return trigger.segment == segment
    return bool(trigger.segment)


def _column(starts: Sequence[int], points: Sequence[Point], cells: int) -> _Column:
    counts = None
    if cells:
        counts = np.zeros((len(points), cells), np.int64)
        for row, point in enumerate(points):
            if point.counts is not None:
                counts[row] = point.counts
    return _Column(
        np.array(starts, np.int64),
        np.array([point.value for point in points], np.float64),
        np.array([point.stderr for point in points], np.float64),
        np.array([point.n for point in points], np.int64),
        counts,
    )
