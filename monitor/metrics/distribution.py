"""The whole distribution of the reward: counts between the baseline's edges, as detectors of shape read them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _keys(plan: Plan) -> tuple[str, ...]:
    return ("",) if plan.reward_edges else ()


def _labels(plan: Plan, _key: str) -> tuple[str, ...]:
    """Return "0..0.5" for each cell, which is where it lies, then under and over."""
    edges = plan.reward_edges
    return (*(f"{a:.9g}..{b:.9g}" for a, b in pairwise(edges)), "under", "over")


def _point(summary: BucketSummary, plan: Plan, _key: str) -> Point:
    if not plan.reward_edges:
        return NOTHING
    counts = np.asarray(summary["reward_histogram"].counts, dtype=np.int64)[:-1]  # the last cell is missing rewards
    n = int(counts.sum())
    return Point(summary["reward"].mean, math.nan, n, counts) if n else NOTHING


REWARD_DISTRIBUTION = Metric(
    "distribution of the reward",
    "counts between the baseline's edges",
    _keys,
    _point,
    _labels,
    needs=("reward",),
    optional=True,
)
