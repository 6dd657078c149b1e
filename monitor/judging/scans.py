"""Run a detector over the windows that are due: with the windows that it looks back on, or from what it carried."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from detectors import DETECTORS, Series, State, Verdict
from monitor.judging.windows import Frozen, Windows
from monitor.settings import Trigger
from monitor.summaries.plan import Plan

# A scan from the last reset reads this many windows at least and twice as many at most (2,048 of 15 minutes are 21
# days). It begins at a multiple of them and not so many before now, so that whoever judges a window, whenever and
# after whatever, begins where everybody does. Truncating a Shiryaev-Roberts sum only lowers it: its guarantee stays.
SPAN = 2048


@dataclass(frozen=True)
class Scanned:
    """Verdicts on the windows of ``series``; those from ``due`` until ``until`` were asked for.

    ``unread``: the windows could not be had, so that how many rows are in them is not known either.
    """

    key: str
    due: int
    until: int
    series: Series
    verdicts: Sequence[Verdict]
    unread: bool = False


@dataclass(frozen=True)
class Scan:
    """One trigger's windows of one version that are to be judged.

    Parameters
    ----------
    connection, windows, plan, frozen
        A read transaction, this process's cache, what buckets are counted with, and the baseline.
    policy, version, name, trigger
        Whose windows, and by which rule.
    reach, since, last
        Start of the first window that may be looked at: ``since`` (the baseline's end or the last reset), and by a
        rolling detector, which has no other reference than the windows before, ``reach`` (the baseline's begin or the
        last reset); and the end of the last one.
    due, parameters
        By key: start of the first window without a verdict, and what the detector is called with.
    """

    connection: Connection
    windows: Windows
    plan: Plan
    frozen: Frozen | None
    policy: str
    version: str
    name: str
    trigger: Trigger
    reach: int
    since: int
    last: int
    due: Mapping[str, int]
    parameters: Mapping[str, Mapping[str, Any]]

    def run(self) -> Iterator[Scanned]:
        """Yield the verdicts, those of one key in order; whatever fails is the ERROR verdict of its windows."""
        detector = DETECTORS[self.trigger.detector]
        first, window = min(self.due.values()), int(self.trigger.window)
        if detector.resume is None:
            back = detector.before(**self.parameters[next(iter(self.due))]) or 0
            begin = max(self.reach if detector.rolling else self.since, first - back * window)
            yield from self._judge(list(self.due), begin, first, self.last, self._scanned)
            return
        span = SPAN * window
        for start in range(first // span * span, self.last, span):
            yield from self._resumed(max(self.since, start - span), start, min(start + span, self.last))

    def _resumed(self, begin: int, start: int, until: int) -> Iterator[Scanned]:
        """Judge the windows in [start, until) by a scan that begins at ``begin``, or goes on where it got to."""
        together: defaultdict[int, list[str]] = defaultdict(list)
        for key, due in self.due.items():
            if due < until:
                got_to, _carried = self.windows.carried(self._where(key, begin))
                together[got_to if begin <= got_to <= max(due, start) else begin].append(key)
        for resumed, keys in together.items():

            def scan(key: str, series: Series, resumed: int = resumed) -> Sequence[Verdict]:
                where = self._where(key, begin)
                carried = None if resumed == begin else self.windows.carried(where)[1]
                resume = DETECTORS[self.trigger.detector].resume
                assert resume is not None
                verdicts, carried = resume(series, carried, **self.parameters[key])
                self.windows.carry(where, until, carried)
                return verdicts

            yield from self._judge(keys, resumed, start, until, scan)

    def _scanned(self, key: str, series: Series) -> Sequence[Verdict]:
        return DETECTORS[self.trigger.detector].scan(series, **self.parameters[key])

    def _judge(
        self, keys: list[str], begin: int, start: int, until: int, scan: Callable[[str, Series], Sequence[Verdict]]
    ) -> Iterator[Scanned]:
        window, fault = int(self.trigger.window), None
        found: dict[str, Series] = {}
        try:
            found = self.windows.series(
                self.connection,
                self.policy,
                self.version,
                self.trigger.metric,
                keys,
                window,
                begin,
                until,
                self.plan,
                self.frozen,
            )
        except ValueError as error:  # summaries counted with another plan, or that cannot be read
            fault = error
        for key in keys:
            due = max(self.due[key], start)
            if fault is not None:
                yield failed(self.name, key, due, until, window, fault)
                continue
            try:
                verdicts = scan(key, found[key])
            except Exception as error:  # noqa: BLE001 - one broken trigger must not silence the others
                verdicts = _errors(self.name, error, len(found[key]))
            yield Scanned(key, due, until, found[key], verdicts)

    def _where(self, key: str, begin: int) -> tuple[Any, ...]:
        baseline = 0 if self.frozen is None else self.frozen.id
        window = int(self.trigger.window)
        return (self.policy, self.version, self.name, key, window, begin, baseline, self.plan.digest)


def failed(name: str, key: str, due: int, until: int, window: int, error: Exception) -> Scanned:
    """Return the ERROR verdicts of windows whose series could not be had."""
    starts = np.arange(due, until, window, dtype=np.float64)
    nothing = np.full(len(starts), math.nan)
    series = Series(time=starts, value=nothing, stderr=nothing, n=np.zeros(len(starts), dtype=np.int64))
    return Scanned(key, due, until, series, _errors(name, error, len(starts)), unread=True)


def _errors(name: str, error: Exception, windows: int) -> list[Verdict]:
    reason = f"{name} cannot be evaluated: {type(error).__name__}: {error}"
    return [Verdict(State.ERROR, None, None, None, 0, reason)] * windows
