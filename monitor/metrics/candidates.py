"""Off-policy value of candidates: the self-normalised estimate of each window, from merged weighted sums."""

from __future__ import annotations

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from ope import ESTIMATORS, WeightSums


def sums(summary: BucketSummary, candidate: str) -> WeightSums:
    """Return a candidate's weighted sums of one summary, as the estimators take them."""
    return WeightSums(*summary["candidates"].sums(candidate))


def _point(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    found = sums(summary, key)
    if found.n == 0:
        return NOTHING
    estimate = ESTIMATORS["snips"](found)
    if estimate.value is None or estimate.stderr is None:
        return NOTHING
    return Point(estimate.value, estimate.stderr, int(found.n))


CANDIDATE_VALUE = Metric(
    "off-policy value of {key}",
    "reward per decision",
    lambda plan: plan.candidates,
    _point,
    needs=("propensity", "reward"),
)
