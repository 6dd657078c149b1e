"""Volume: decisions that arrived. Silence is a finding, so a window without rows is a value here, not a gap."""

from __future__ import annotations

from monitor.metrics.metric import Metric, Point, one
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _point(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    return Point(float(summary.rows), 0.0, int(summary.rows))


VOLUME = Metric("decisions", "decisions per window", one, _point, scope="policy")
