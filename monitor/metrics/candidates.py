"""Off-policy value of candidates and the health of the logged propensities, from merged weighted sums.

A candidate that is the policy itself, replayed, has a weight of 1 in every row; any other one has weights of mean 1
wherever the log has support for it. So a mean that is not 1 says that the logged propensities are not those that acted.
"""

from __future__ import annotations

import math

from monitor.metrics.metric import NOTHING, Metric, Point, share
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from ope import WeightSums, from_weights


def sums(summary: BucketSummary, candidate: str | int) -> WeightSums:
    """Return a candidate's weighted sums of one summary, by name or place, as the estimators take them."""
    return WeightSums(*summary["candidates"].sums(candidate))


def _point(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    found = sums(summary, key)
    if found.n == 0:
        return NOTHING
    estimate = from_weights("snips", found)
    if estimate.value is None or estimate.stderr is None:
        return NOTHING
    return Point(estimate.value, estimate.stderr, int(found.n))


def _health(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    """Return how far the mean weight is from 1, which it is whenever the logged propensities are right."""
    found = sums(summary, key)
    if found.n < 2:
        return NOTHING
    mean = found.w / found.n
    variance = max(found.w2 / found.n - mean**2, 0.0)
    return Point(abs(mean - 1.0), math.sqrt(variance / (found.n - 1)), int(found.n))


def _effective(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    found = sums(summary, key)
    return NOTHING if found.n == 0 or found.w2 <= 0 else Point(found.w**2 / found.w2 / found.n, math.nan, int(found.n))


def _unusable(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    tallies = summary["tallies"]
    return share(int(tallies["propensity_missing"] + tallies["propensity_impossible"]), summary.rows)


CANDIDATE_VALUE = Metric(
    "off-policy value of {key}",
    "reward per decision",
    lambda plan: plan.candidates,
    _point,
    needs=("propensity", "reward"),
)
PROPENSITY_HEALTH = Metric(
    "distance of the mean weight of {key} from 1",
    "importance weight",
    lambda plan: plan.candidates,
    _health,
    needs=("propensity", "reward"),
    optional=True,
)
EFFECTIVE_SHARE = Metric(
    "effective share of rows for {key}",
    "share of decisions",
    lambda plan: plan.candidates,
    _effective,
    needs=("propensity", "reward"),
    optional=True,
)
PROPENSITY_UNUSABLE = Metric(
    "share of missing or impossible propensities",
    "share of decisions",
    lambda plan: ("",) if "propensity" in plan.columns else (),
    _unusable,
    needs=("propensity",),
    optional=True,
)
