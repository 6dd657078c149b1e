"""State drift: the counts of each feature in its reference cells; the divergence is the detector's business."""

from __future__ import annotations

import math

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Feature, Plan


def _names(plan: Plan) -> tuple[str, ...]:
    return tuple(feature.name for feature in plan.features)


def _feature(plan: Plan, key: str) -> Feature:
    return next(feature for feature in plan.features if feature.name == key)


def _point(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    counts = summary["features"].counts(key)
    n = int(counts.sum())
    if n == 0:
        return NOTHING
    missing = float(counts[-1]) / n
    return Point(1.0 - missing, math.nan, n, counts)


def _labels(plan: Plan, key: str) -> tuple[str, ...]:
    return _feature(plan, key).cells


STATE_DRIFT = Metric("drift of {key}", "bits of Jensen-Shannon divergence", _names, _point, _labels, needs=("state.*",))
