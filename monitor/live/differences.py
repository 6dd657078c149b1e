"""Candidate against incumbent, hour by hour: stored sums grow by each sealed hour, and the sequence goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select

from monitor.bucketing import buckets
from monitor.bucketing.buckets import HOUR
from monitor.live.registered import since
from monitor.store.database import Database, upsert
from monitor.store.tables import differences
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from ope import Difference, WeightSums, difference_of_weights

# Not ips: the difference of a ratio does not move when all rewards shift, and its width is smaller on nearly every log.
ESTIMATOR = "snips"
Key = tuple[str, str, str]  # candidate, fingerprint, version that acted
_KEPT = ("value", "low", "high", "anytime_low", "anytime_high", "anytime_p", "incumbent", "ess")
_AT_ONCE = 1_000  # rows in one statement


def refresh(database: Database, policy: str, plan: Plan, sealed: int) -> int:
    """Add the sealed hours that are not in yet to every candidate's sums; returns the rows written, one an hour.

    Each hour counts once and for good, as it was judged: whoever runs this, and however late, writes the same rows.
    Versions are kept apart, because "better than v6" is a statement about rows of v6.

    Parameters
    ----------
    database, policy
        Where, and whose.
    plan
        What the hours were counted with; an hour of another plan is another candidate's.
    sealed
        End of the last complete sealed hour.
    """
    with database.read() as connection:
        known, before = since(connection, policy), newest(connection, policy)
        until: dict[int, float] = {}
        for at, one in enumerate(zip(plan.candidates, plan.scored_by, strict=True)):
            if one in known:
                until[at] = max([known[one], *(row.end for (*of, _by), row in before.items() if tuple(of) == one)])
        hours = list(_countable(_hours(connection, policy, min(until.values(), default=sealed), sealed), plan))
    held = {key: _Held(sums_of(row), row.begin, row.better_since, rewards_of(row)) for key, row in before.items()}
    rows = []
    for start, version, summary in hours:
        for at in (at for at, end in until.items() if start >= end):
            key = (plan.candidates[at], plan.scored_by[at], version)
            sums = held.setdefault(key, _Held(WeightSums(), start))
            sums.add(WeightSums(*summary["candidates"].sums(at)), summary)
            rows.append(_row(policy, key, start + HOUR, sums))
    with database.begin() as connection:
        for first in range(0, len(rows), _AT_ONCE):
            upsert(connection, differences, rows[first : first + _AT_ONCE])
    return len(rows)


def newest(connection: Connection, policy: str) -> dict[Key, Any]:
    """Return the newest row of every candidate, fingerprint and version."""
    c = differences.c
    last = select(c.candidate, c.fingerprint, c.version, func.max(c.end).label("last")).where(c.policy == policy)
    ends = last.group_by(c.candidate, c.fingerprint, c.version).subquery()
    same = and_(*(c[name] == ends.c[name] for name in ("candidate", "fingerprint", "version")), c.end == ends.c.last)
    found = connection.execute(select(differences).join(ends, same).where(c.policy == policy))
    return {(row.candidate, row.fingerprint, row.version): row for row in found}


def sums_of(row: Any) -> WeightSums:
    """Return the sums of a stored row."""
    return WeightSums(*json.loads(row.sums))


def rewards_of(row: Any) -> tuple[float, float] | None:
    """Return the least and the greatest reward of a stored row, None where it has none."""
    return None if row.reward_low is None else (row.reward_low, row.reward_high)


@dataclass
class _Held:
    """What one candidate has against one version so far."""

    sums: WeightSums
    begin: float
    better_since: float | None = None
    rewards: tuple[float, float] | None = None

    def add(self, sums: WeightSums, hour: BucketSummary) -> None:
        """Add an hour."""
        self.sums += sums
        reward = hour["reward"]
        if reward.n:
            low, high = self.rewards or (reward.min, reward.max)
            self.rewards = (min(low, reward.min), max(high, reward.max))


def _row(policy: str, key: Key, end: float, held: _Held) -> dict[str, Any]:
    """Return the row of an hour's end."""
    found: Difference = difference_of_weights(ESTIMATOR, held.sums, rewards=held.rewards)
    held.better_since = (end if held.better_since is None else held.better_since) if found.shown else None
    return {
        **dict(zip(("policy", "candidate", "fingerprint", "version"), (policy, *key), strict=True)),
        "end": end,
        "begin": held.begin,
        **{name: None if (value := getattr(found, name)) is None else float(value) for name in _KEPT},
        "n": found.n,
        "trust": found.trust.value,
        "reasons": json.dumps(list(found.reasons)),
        "better_since": held.better_since,
        "reward_low": held.rewards[0] if held.rewards else None,
        "reward_high": held.rewards[1] if held.rewards else None,
        "sums": json.dumps(astuple(held.sums)),
    }


def _hours(connection: Connection, policy: str, begin: float, end: float) -> list[tuple[int, str, BucketSummary]]:
    found = [
        (start, version, summary)
        for version in buckets.versions(connection, policy, HOUR, begin, end)
        for start, summary in buckets.load(connection, policy, version, "", HOUR, begin, end)
    ]
    return sorted(found, key=lambda item: item[:2])


def _countable(hours: list[tuple[int, str, BucketSummary]], plan: Plan) -> Iterator[tuple[int, str, BucketSummary]]:
    """Yield the hours that were counted with the plan.

    Hours are counted again oldest first, so that one of another plan before one of this plan stays as it is: it lies
    before the baseline. Those at the end are about to be counted again; they wait for the next time.
    """
    for hour in hours:
        if hour[2].digest == plan.digest:
            yield hour
