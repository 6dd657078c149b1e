"""Action entropy: how evenly a policy uses its actions, normalised by ln K and Miller-Madow corrected."""

from __future__ import annotations

import math

import numpy as np

from monitor.metrics.metric import NOTHING, Metric, Point, one
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _point(summary: BucketSummary, plan: Plan, _key: str) -> Point:
    counts = np.asarray(summary["actions"].counts, dtype=np.int64)
    n = int(counts.sum())
    if n == 0 or len(plan.actions) < 2:
        return NOTHING
    p = counts[counts > 0] / n
    plug_in = float(-(p * np.log(p)).sum())
    corrected = min(plug_in + (len(p) - 1) / (2 * n), math.log(len(plan.actions)))  # Miller (1955), Madow (1948)
    variance = float((p * np.log(p) ** 2).sum() - plug_in**2) / n
    scale = math.log(len(plan.actions))
    return Point(corrected / scale, math.sqrt(max(variance, 0.0)) / scale, n, counts)


ACTION_ENTROPY = Metric(
    "action entropy", "share of ln K", one, _point, lambda plan, _key: (*plan.actions, "other"), needs=("action",)
)
