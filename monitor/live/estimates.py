"""Off-policy value of each candidate from the sums that are already stored: no second pass over the log."""

from __future__ import annotations

import json
from functools import reduce

from sqlalchemy import select

from monitor.bucketing import buckets, plans
from monitor.live import differences, promotions
from monitor.metrics.candidates import sums
from monitor.store.database import upsert
from monitor.store.tables import estimates, policies
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from monitor.tick import Parts
from ope import LIVE, from_weights

SPAN = 7 * 86400
HOUR = 3600
_NUMBERS = ("value", "low", "high", "anytime_low", "anytime_high", "n", "ess", "trust")


def refresh(parts: Parts, policy: str) -> int:
    """Estimate every candidate, compare it with what acted, and look what became of those that serve.

    The estimates are of the last seven sealed days, for their trend; the comparison goes on since the candidate was
    registered. Rows that landed before that are in the estimates, because a new candidate scores them again back to
    the baseline. Returns the rows written.
    """
    parts.landing.recount(policy)  # hours that a new plan is about to count again must not be taken as they are
    with parts.database.read() as connection:
        plan, _baseline = plans.current_plan(connection, parts.settings, policy)
        sealed = connection.execute(
            select(policies.c.sealed_until).where(policies.c.policy == policy)
        ).scalar_one_or_none()
    if not plan.candidates or not sealed:
        return 0
    end = int(sealed // HOUR * HOUR)
    written = differences.refresh(parts.database, policy, plan, end)
    written += promotions.refresh(parts.database, policy, end)
    return written + _week(parts, policy, plan, end)  # last: a page asks again when it sees a new end here


def _week(parts: Parts, policy: str, plan: Plan, end: int) -> int:
    """Estimate over the last seven days; versions merge, because each row was weighted with its own propensity."""
    begin = end - SPAN
    total = BucketSummary()
    with parts.database.read() as connection:
        for version in buckets.versions(connection, policy, HOUR, begin, end):
            found = buckets.load(connection, policy, version, "", HOUR, begin, end)
            # Hours before the baseline may be counted with an older plan: they are of no candidate of this one.
            counted = [one for _start, one in found if one.digest == plan.digest]
            total = reduce(lambda left, one: left + one, counted, total)
    if not total.rows:
        return 0
    rows, reward = [], total["reward"]
    rewards = (reward.min, reward.max) if reward.n else None
    for number, candidate in enumerate(plan.candidates):
        found_sums = sums(total, number)
        for name in LIVE:
            estimate = from_weights(name, found_sums, rewards=rewards)
            rows.append(
                {
                    "policy": policy,
                    "candidate": candidate,
                    "fingerprint": plan.scored_by[number],
                    "estimator": name,
                    "end": float(end),
                    "begin": float(begin),
                    **{column: getattr(estimate, column) for column in _NUMBERS},
                    "reasons": json.dumps(list(estimate.reasons)),
                }
            )
    with parts.database.begin() as connection:
        upsert(connection, estimates, rows)
    return len(rows)
