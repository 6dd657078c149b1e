"""The reward against what people care about: outcomes, their correlation with it, and whether they part ways."""

from __future__ import annotations

import math

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.metrics.tracked import keys_of, tracked_mean
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _correlation(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    """Return Pearson's correlation; its error by Fisher's z (Fisher 1921), at most 1/sqrt(n - 3)."""
    found = summary["tracked"]
    product = found[f"proxy_correlation/{key}"]
    x, y = found[f"proxy_correlation:x/{key}"], found[f"proxy_correlation:y/{key}"]
    n = product.n
    if n < 4 or not (0 < x.variance < math.inf and 0 < y.variance < math.inf):
        return NOTHING
    covariance = (product.sum - n * x.mean * y.mean) / (n - 1)
    r = max(-1.0, min(1.0, covariance / math.sqrt(x.variance * y.variance)))
    return Point(r, (1 - r * r) / math.sqrt(n - 3), n)


OUTCOME = tracked_mean("mean outcome {key}", "unit of the outcome", "outcome", "outcome.*")
PROXY_CORRELATION = Metric(
    "correlation of the reward with {key}",
    "correlation",
    keys_of("proxy_correlation"),
    _correlation,
    needs=("outcome.*", "reward"),
    optional=True,
)
PROXY_DIVERGENCE = tracked_mean(
    "outcome {key} less what the reward promises", "unit of the outcome", "proxy_divergence", "outcome.*", "reward"
)
