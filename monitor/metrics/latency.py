"""Latency: quantiles from a histogram with an edge at the agreed time, and the share above it."""

from __future__ import annotations

import math

import numpy as np

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.metrics.tracked import tracked_mean
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _keys(plan: Plan) -> tuple[str, ...]:
    return tuple(QUANTILES) if "latency" in plan.tracked_names else ()


def _point(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    """Return a quantile; its error from the quantiles one binomial deviation of the rank away (David 1981, 2.5)."""
    found, q = summary["tracked"], QUANTILES[key]
    n = found["latency"].n
    if n == 0:
        return NOTHING
    step = math.sqrt(q * (1 - q) / n)
    value, low, high = (found.quantile("latency", float(np.clip(at, 0, 1)))[0] for at in (q, q - step, q + step))
    return Point(value, (high - low) / 2, n)


LATENCY = Metric("latency {key}", "milliseconds", _keys, _point, needs=("latency_ms",), optional=True)
LATENCY_OVER_SLA = tracked_mean(
    "share of decisions above the agreed latency", "share of decisions", "latency_over_sla", "latency_ms"
)
