"""Failed evaluations: what became of the other triggers, so that one that cannot answer is a finding of its own."""

from __future__ import annotations

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _never(_summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    return NOTHING  # counted from the verdicts of a pass, never from buckets


EVALUATION = Metric("evaluation of {key}", "series that failed", lambda _plan: (), _never, event=True)
