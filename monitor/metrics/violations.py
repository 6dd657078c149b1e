"""Constraint violations: the rate per constraint, and the single events of hard limits and irreversible actions."""

from __future__ import annotations

import math

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _names(plan: Plan) -> tuple[str, ...]:
    return tuple(limit.name for limit in plan.constraints)


def _rate(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    found = summary["constraints"][key]
    if found.n == 0:
        return NOTHING
    return Point(found.rate, math.sqrt(found.rate * (1 - found.rate) / found.n), found.n)


def _hard(plan: Plan) -> tuple[str, ...]:
    return tuple(limit.name for limit in plan.constraints if limit.hard)


def _never(_summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    return NOTHING  # judged from single events as they arrive, never from windows


VIOLATION_RATE = Metric("violation rate of {key}", "share of decisions", _names, _rate, needs=("cost.*",))
HARD_CONSTRAINT = Metric("violations of hard limit {key}", "decisions", _hard, _never, event=True, needs=("cost.*",))
IRREVERSIBLE_ACTION = Metric(
    "irreversible actions without approval",
    "decisions",
    lambda _plan: ("",),
    _never,
    event=True,
    needs=("irreversible",),
)
