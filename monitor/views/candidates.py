"""What each candidate would have earned, beside what was earned: estimates with intervals and their trust."""

from __future__ import annotations

import json
import math
from functools import reduce
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from monitor.bucketing import buckets, plans
from monitor.bucketing.buckets import HOUR
from monitor.settings import Settings
from monitor.store.tables import estimates
from monitor.summaries import BucketSummary

_Z95 = 1.959963984540054
COLUMNS = ("name", "estimator", "value", "low", "high", "n", "ess", "trust", "reason")


def candidates(connection: Connection, settings: Settings, policy: str) -> dict[str, Any]:
    """Return the newest estimates and the logged mean reward over the same span.

    Returns
    -------
    dict
        ``rows``: frame with ``COLUMNS``; the first row is what the log itself earned (trust ``logged``);
        ``begin``, ``end`` in seconds; ``missing``: why there are no rows.
    """
    if not settings.policy[policy].candidate:
        return {"rows": pd.DataFrame(columns=list(COLUMNS)), "missing": "No candidate is configured for this policy."}
    newest = select(func.max(estimates.c.end)).where(estimates.c.policy == policy)
    end = connection.execute(newest).scalar_one_or_none()
    if end is None:
        why = "No candidate has been estimated yet: the hourly job does it once an hour of windows is judged."
        return {"rows": pd.DataFrame(columns=list(COLUMNS)), "missing": why}
    found = select(estimates).where(estimates.c.policy == policy, estimates.c.end == end)
    plan = plans.configured_plan(settings, policy)
    current = set(zip(plan.candidates, plan.scored_by, strict=True))
    ordered = connection.execute(found.order_by(estimates.c.candidate, estimates.c.estimator))
    stored = [row for row in ordered if (row.candidate, row.fingerprint) in current]
    if not stored:
        why = "The candidates have changed since the last estimate: the hourly job makes new ones."
        return {"rows": pd.DataFrame(columns=list(COLUMNS)), "missing": why}
    begin = min(row.begin for row in stored)
    rows = [_logged(connection, policy, begin, end)]
    for row in stored:
        reason = " ".join(json.loads(row.reasons))
        rows.append(
            (row.candidate, row.estimator, row.value, row.low, row.high, int(row.n), row.ess, row.trust, reason)
        )
    frame = pd.DataFrame([row for row in rows if row is not None], columns=list(COLUMNS))
    numbers = ["value", "low", "high", "ess"]
    frame[numbers] = frame[numbers].astype(float)
    return {"rows": frame, "begin": begin, "end": end, "missing": ""}


def _logged(connection: Connection, policy: str, begin: float, end: float) -> tuple[Any, ...] | None:
    """Return the mean reward of the traffic itself; hours follow each other, so their spread makes the interval."""
    hours: dict[int, BucketSummary] = {}
    for version in buckets.versions(connection, policy, HOUR, begin, end):
        for start, summary in buckets.load(connection, policy, version, "", HOUR, begin, end):
            hours[start] = hours[start] + summary if start in hours else summary
    if not hours:
        return None
    total = reduce(lambda one, other: one + other, hours.values())["reward"]
    if not total.n:
        return None
    half = _Z95 * math.sqrt(total.variance / total.n) if total.n > 1 else math.nan
    return (
        "logged",
        "mean",
        total.mean,
        total.mean - half,
        total.mean + half,
        int(total.n),
        float(total.n),
        "logged",
        "",
    )
