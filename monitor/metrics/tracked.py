"""Metrics of tracked numbers: which keys a plan has of a family, and their means, ratios and quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.summaries import BucketSummary
from monitor.summaries.moments import Moments
from monitor.summaries.plan import Plan


def name_of(family: str, key: str) -> str:
    """Return the name under which the plan tracks a family's key: the family itself, or family/key.

    >>> name_of("latency", ""), name_of("outcome", "sales")
    ('latency', 'outcome/sales')
    """
    return f"{family}/{key}" if key else family


def keys_of(family: str) -> Callable[[Plan], tuple[str, ...]]:
    """Return the function from a plan to the family's keys: none where the log lacks the columns."""

    def keys(plan: Plan) -> tuple[str, ...]:
        return tuple(key for name, _, key in (one.partition("/") for one in plan.tracked_names) if name == family)

    return keys


def mean_of(found: Moments) -> Point:
    """Return the mean of a tracked number with its in-window standard error."""
    if found.n == 0:
        return NOTHING
    return Point(found.mean, math.sqrt(found.variance / found.n) if found.n > 1 else math.nan, found.n)


def tracked_mean(title: str, unit: str, family: str, *needs: str) -> Metric:
    """Return the metric that is the mean of a tracked number."""

    def point(summary: BucketSummary, _plan: Plan, key: str) -> Point:
        return mean_of(summary["tracked"][name_of(family, key)])

    return Metric(title, unit, keys_of(family), point, needs=needs, optional=True)


def per_episode(title: str, unit: str, family: str, *needs: str) -> Metric:
    """Return the metric that is the sum of a tracked number over rows, divided by the episodes that began.

    Exact under any split of the log, and the mean over episodes wherever episodes begin and end in the same windows; an
    episode that straddles two windows gives each what happened there, which evens out while as many begin as end. It
    has no in-window standard error, because rows of one episode are neither independent nor alike: detectors take
    theirs from window to window.
    """

    def point(summary: BucketSummary, _plan: Plan, key: str) -> Point:
        total, begun = summary["tracked"][name_of(family, key)], summary["tracked"]["episodes"]
        if begun.sum <= 0 or total.n == 0:
            return NOTHING
        return Point(total.sum / begun.sum, math.nan, int(begun.sum))

    return Metric(title, unit, keys_of(family), point, needs=needs, optional=True)
