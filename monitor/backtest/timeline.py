"""What a policy's judgements rested on over time: baselines, the route and resets as they were, in stretches."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, select

from monitor.judging.standing import Standing, standing
from monitor.judging.windows import Frozen
from monitor.store.tables import baselines, events, verdicts
from monitor.summaries.plan import Plan

_PIECE = 7 * 86400.0  # judged at a time: a year's verdicts need not be in memory together


@dataclass(frozen=True)
class Reset:
    """A rollback that the log confirmed: the alerts of its version were withdrawn then."""

    at: float
    version: str
    serving: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Stretch:
    """Passes between two changes: what they judged with, when it ended, and the reset that ended it, if one did."""

    standing: Standing
    until: float  # when the next change came, on the clock
    reset: Reset | None = None


def stretches(connection: Connection, policy: str, last: float) -> list[Stretch]:
    """Return a policy's history up to windows that end by ``last``, as the live passes went through it.

    A change (a baseline frozen, the route moved, a rollback confirmed) lies between the windows that were judged
    before it and those judged after it; the times of judging are in the verdicts, so that it is put exactly there,
    however late a pass was. Where nothing was judged before a change it holds from the start.
    """
    now = standing(connection, policy)
    passes = _passes(connection, policy)
    moves = _changes(connection, policy)
    routed = [row for _at, kind, row in moves if kind == "route"]
    frozen = [item for _at, kind, item in moves if kind == "baseline"]
    current = replace(now, begin=_first(connection, policy) if frozen else now.begin, frozen=None, resets={})
    if routed:
        first = json.loads(routed[0].body)["from_version"]
        current = replace(current, serving=first, routed=_expected(connection, policy, first))
    confirmed: dict[str, tuple[str, float]] = {}
    found: list[Stretch] = []
    for at, kind, what in moves:
        sealed = min(passes.before(at), last)
        reset = None
        after = current
        if kind == "baseline":
            after = replace(current, frozen=what, begin=what.end)
        else:
            body = json.loads(what.body)
            if kind == "route":
                after = replace(current, serving=body["to_version"], routed=at)
            elif kind == "confirmed":
                confirmed[body["action"]] = (body["from_version"], at)
                reset = Reset(at, body["from_version"], current.serving, body)
            else:
                confirmed.pop(body["action"], None)
            after = replace(after, resets=_newest(confirmed))
        found.append(Stretch(replace(current, sealed=sealed), at, reset))
        current = after
    found.append(Stretch(replace(current, sealed=min(now.sealed, last)), math.inf))
    return found


def pieces(stretch: Stretch) -> Iterator[Stretch]:
    """Cut a long stretch in passes of a week; its reset comes after the last one."""
    start = stretch.standing.begin
    cut = math.floor(start / _PIECE) * _PIECE + _PIECE
    while cut < stretch.standing.sealed:
        yield Stretch(replace(stretch.standing, sealed=cut), -math.inf)
        cut += _PIECE
    yield stretch


@dataclass(frozen=True)
class _Passes:
    """When windows were judged, and how far that was."""

    judged: list[float]
    until: list[float]

    def before(self, at: float) -> float:
        """Return the end of the newest window that was judged by ``at``, minus infinity where none was."""
        place = bisect_right(self.judged, at)
        return self.until[place - 1] if place else -math.inf


def _passes(connection: Connection, policy: str) -> _Passes:
    found = select(verdicts.c.judged, func.max(verdicts.c.end).label("until"))
    found = found.where(verdicts.c.policy == policy, verdicts.c.end > verdicts.c.start)
    judged, until, far = [], [], -math.inf
    for row in connection.execute(found.group_by(verdicts.c.judged).order_by(verdicts.c.judged)):
        far = max(far, row.until)
        judged.append(row.judged)
        until.append(far)
    return _Passes(judged, until)


def _changes(connection: Connection, policy: str) -> list[tuple[float, str, Any]]:
    kinds = {"rollback.requested": "route", "action.confirmed": "confirmed", "action.relapsed": "relapsed"}
    rows = select(events).where(events.c.policy == policy, events.c.kind.in_(kinds)).order_by(events.c.id)
    found: list[tuple[float, int, str, Any]]
    found = [(row.at, row.id, kinds[row.kind], row) for row in connection.execute(rows)]
    for row in connection.execute(select(baselines).where(baselines.c.policy == policy)):
        frozen = Frozen(row.id, row.begin, row.end, Plan.from_json(row.plan), row.frozen)
        found.append((row.frozen, 0, "baseline", frozen))
    return [(at, kind, what) for at, _id, kind, what in sorted(found, key=lambda item: item[:2])]


def _newest(confirmed: dict[str, tuple[str, float]]) -> dict[str, float]:
    resets: dict[str, float] = {}
    for version, at in confirmed.values():
        resets[version] = max(at, resets.get(version, 0.0))
    return resets


def _first(connection: Connection, policy: str) -> float:
    """Return the start of the first window that was judged without a baseline, infinity where none was."""
    found = select(func.min(verdicts.c.start)).where(verdicts.c.policy == policy, verdicts.c.baseline.is_(None))
    start: float | None = connection.execute(found.where(verdicts.c.end > verdicts.c.start)).scalar_one()
    return math.inf if start is None else start


def _expected(connection: Connection, policy: str, version: str) -> float:
    """Return since when silence of the first version was a finding: its first window that was judged without rows."""
    empty = select(func.min(verdicts.c.start)).where(verdicts.c.policy == policy, verdicts.c.version == version)
    start: float | None = connection.execute(empty.where(verdicts.c.n == 0)).scalar_one()
    return math.inf if start is None else start
