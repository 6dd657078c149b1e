"""What became of candidates that came to serve: their last estimate before, against what they then earned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from monitor.bucketing import buckets
from monitor.bucketing.buckets import DAY, HOUR
from monitor.live.differences import ESTIMATOR
from monitor.store.database import Database, upsert
from monitor.store.tables import estimates, promotions, summaries

FOLLOWED = 7 * DAY  # what is earned from then on; later the world is another one
MIN_EARNED = 30  # decisions below which nothing is compared
_Z95 = 1.959963984540054


def refresh(database: Database, policy: str, sealed: int) -> int:
    """Compare every promoted candidate with its estimate, until its week is full; returns the rows written.

    The log says who served, not the route: a candidate was promoted in the first hour in which it made most decisions.
    The two intervals are both wrong a little, so "inside" means that the distance is at most the root of the sum of
    squares of the estimate's half width, on that side, and of the 95% half width of what was earned.
    """
    with database.read() as connection:
        first = connection.execute(select(func.min(estimates.c.end)).where(estimates.c.policy == policy)).scalar_one()
        if first is None:
            return 0
        done = select(promotions.c.candidate, promotions.c.at).where(promotions.c.policy == policy)
        full = {tuple(row) for row in connection.execute(done.where(promotions.c.until >= promotions.c.at + FOLLOWED))}
        rows = []
        for candidate, at in promoted(_shares(connection, policy, first - DAY, sealed)):
            before = None if (candidate, at) in full else _estimate(connection, policy, candidate, at)
            if before is not None:
                until = min(at + FOLLOWED, sealed)
                found = {"policy": policy, "candidate": candidate, "at": float(at), "until": float(until)}
                rows.append(
                    {**found, **_said(before), **_compared(before, _earned(connection, policy, candidate, at, until))}
                )
    with database.begin() as connection:
        upsert(connection, promotions, rows)
    return len(rows)


def promoted(shares: Mapping[int, Mapping[str, int]]) -> list[tuple[str, int]]:
    """Return (version, start of the hour) of every change of who makes most decisions; hours without any do not count.

    Parameters
    ----------
    shares
        Start of an hour -> decisions by version, in order of time.

    Examples
    --------
    >>> promoted({0: {"v6": 90}, 1: {"v6": 60, "v8": 40}, 3: {"v8": 100}, 4: {"v8": 70, "v6": 30}, 5: {"v6": 9}})
    [('v8', 3), ('v6', 5)]
    """
    found: list[tuple[str, int]] = []
    leader = ""
    for start, by_version in shares.items():
        most = max(by_version, key=lambda name: (by_version[name], name))
        if 2 * by_version[most] > sum(by_version.values()):
            if leader and most != leader:
                found.append((most, start))
            leader = most
    return found


def listed(connection: Connection, policy: str) -> list[Any]:
    """Return the comparisons of a policy, newest first."""
    found = select(promotions).where(promotions.c.policy == policy).order_by(promotions.c.at.desc())
    return list(connection.execute(found))


def _shares(connection: Connection, policy: str, begin: float, end: float) -> dict[int, dict[str, int]]:
    c = summaries.c
    of = (c.policy == policy) & (c.resolution == HOUR) & (c.segment == "") & c.late.is_(False)
    found = select(c.start, c.version, c.rows).where(of, c.start >= math.floor(begin), c.start < math.ceil(end))
    shares: dict[int, dict[str, int]] = {}
    for start, version, rows in connection.execute(found.order_by(c.start, c.version)):
        shares.setdefault(start, {})[version] = int(rows)
    return shares


def _estimate(connection: Connection, policy: str, candidate: str, at: float) -> Any:
    """Return the last estimate of a candidate that was there when it began to serve, None if it was none then."""
    c = estimates.c
    found = select(estimates).where(c.policy == policy, c.candidate == candidate, c.estimator == ESTIMATOR, c.end <= at)
    return connection.execute(found.order_by(c.end.desc()).limit(1)).one_or_none()


def _said(row: Any) -> dict[str, Any]:
    """Return the estimate: the anytime interval, because somebody watched it and chose the moment."""
    return {
        "estimated": row.end,
        "value": row.value,
        "low": row.anytime_low,
        "high": row.anytime_high,
        "trust": row.trust,
    }


def _earned(connection: Connection, policy: str, version: str, begin: float, end: float) -> tuple[float, float, int]:
    """Return mean, 95% half width and number of the rewards of a version, from its sealed hours."""
    n, total, squares = 0, 0.0, 0.0
    for _start, summary in buckets.load(connection, policy, version, "", HOUR, begin, end):
        reward = summary["reward"]
        if reward.n:
            n, total = n + int(reward.n), total + reward.n * reward.mean
            squares += (reward.n - 1) * (reward.variance if reward.n > 1 else 0.0) + reward.n * reward.mean**2
    if n < 2:
        return math.nan, math.nan, n
    mean = total / n
    return mean, _Z95 * math.sqrt(max(squares - n * mean * mean, 0.0) / (n - 1) / n), n


def _compared(before: Any, earned: tuple[float, float, int]) -> dict[str, Any]:
    mean, half, n = earned
    if n < MIN_EARNED:
        return {"earned": None, "earned_low": None, "earned_high": None, "n": n, "inside": None}
    kept: bool | None = None
    if before.value is not None and before.anytime_low is not None:
        kept = inside(before.value, before.anytime_low, before.anytime_high, mean, half)
    return {"earned": mean, "earned_low": mean - half, "earned_high": mean + half, "n": n, "inside": kept}


def inside(value: float, low: float, high: float, earned: float, half: float) -> bool:
    """Return whether what was earned, give or take ``half``, is what was estimated, in [low, high].

    >>> inside(1.0, 0.9, 1.2, 1.15, 0.01), inside(1.0, 0.9, 1.2, 0.85, 0.01), inside(1.0, 0.9, 1.2, 0.85, 0.2)
    (True, False, True)
    """
    reach = high - value if earned > value else value - low
    return abs(earned - value) <= math.hypot(reach, half)
