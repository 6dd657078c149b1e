"""Off-policy value of each candidate from the sums that are already stored: no second pass over the log."""

from __future__ import annotations

import json
from functools import reduce

from sqlalchemy import select

from monitor import buckets, plans
from monitor.metrics.candidates import sums
from monitor.store.database import upsert
from monitor.store.tables import estimates, policies
from monitor.summaries import BucketSummary
from monitor.tick import Parts
from ope import LIVE, from_weights

SPAN = 7 * 86400
HOUR = 3600


def refresh(parts: Parts, policy: str) -> int:
    """Estimate every candidate over the last seven sealed days and keep the result; returns the rows written.

    Versions merge, because each row was weighted with the propensity of the version that acted.
    """
    with parts.database.read() as connection:
        plan, _baseline = plans.current_plan(connection, parts.settings, policy)
        sealed = connection.execute(
            select(policies.c.sealed_until).where(policies.c.policy == policy)
        ).scalar_one_or_none()
        if not plan.candidates or not sealed:
            return 0
        end = sealed // HOUR * HOUR
        begin = end - SPAN
        total = BucketSummary()
        for version in buckets.versions(connection, policy, HOUR, begin, end):
            found = buckets.load(connection, policy, version, "", HOUR, begin, end, plan)
            total = reduce(lambda left, item: left + item[1], found, total)
    if not total.rows:
        return 0
    rows = []
    for candidate in plan.candidates:
        found_sums = sums(total, candidate)
        for name in LIVE:
            estimate = from_weights(name, found_sums)
            rows.append(
                {
                    "policy": policy,
                    "candidate": candidate,
                    "estimator": name,
                    "end": end,
                    "begin": begin,
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "n": estimate.n,
                    "ess": estimate.ess,
                    "trust": estimate.trust,
                    "reasons": json.dumps(list(estimate.reasons)),
                }
            )
    with parts.database.begin() as connection:
        upsert(connection, estimates, rows)
    return len(rows)
