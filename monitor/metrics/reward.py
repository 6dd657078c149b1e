"""Reward distribution: the mean that triggers watch; quantiles and the histogram come from the same bucket."""

from __future__ import annotations

import math

from monitor.metrics.metric import NOTHING, Metric, Point, one
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _point(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    reward = summary["reward"]
    if reward.n == 0:
        return NOTHING
    return Point(reward.mean, math.sqrt(reward.variance / reward.n) if reward.n > 1 else math.nan, int(reward.n))


REWARD = Metric("mean reward", "reward per decision", one, _point, needs=("reward",))
