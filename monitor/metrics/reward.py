"""Reward distribution: the mean that triggers watch, its worst tail and its zeros, all from the same bucket."""

from __future__ import annotations

import math

from monitor.metrics.metric import NOTHING, Metric, Point, one, share
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _point(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    reward = summary["reward"]
    if reward.n == 0:
        return NOTHING
    return Point(reward.mean, math.sqrt(reward.variance / reward.n) if reward.n > 1 else math.nan, int(reward.n))


TAIL = 0.05  # the worst 5% of decisions


def _cvar(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    """Return the mean of the worst 5%; its error after Manistre and Hancock (2005), from the same cells."""
    cells = summary["reward_quantiles"]
    worst = cells.cvar(TAIL) if cells.n else math.nan
    if not math.isfinite(worst):
        return NOTHING
    value_at_risk = float(cells.quantile(TAIL))
    variance = max(cells.tail_variance(TAIL), 0.0) + (1 - TAIL) * (value_at_risk - worst) ** 2
    return Point(worst, math.sqrt(variance / (TAIL * cells.n)), cells.n)


def _zeros(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    return share(summary["reward"].zeros, summary["reward"].n)


REWARD = Metric("mean reward", "reward per decision", one, _point, needs=("reward",))
REWARD_CVAR = Metric("mean of the worst 5% of rewards", "reward", one, _cvar, needs=("reward",), optional=True)
REWARD_ZEROS = Metric("share of rewards that are zero", "share", one, _zeros, needs=("reward",), optional=True)
