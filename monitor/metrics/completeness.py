"""Completeness: missing shares, values outside the reference's range, and how late rewards come."""

from __future__ import annotations

from itertools import pairwise

from monitor.metrics.metric import NOTHING, Metric, Point, share
from monitor.metrics.tracked import keys_of, mean_of
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _columns(plan: Plan) -> tuple[str, ...]:
    """Columns whose missing values every bucket counts: those that the reference has."""
    known: list[str] = [name for name in ("reward", "propensity") if name in plan.columns]
    known += [f"cost.{limit.cost}" for limit in plan.constraints if f"cost.{limit.cost}" in plan.columns]
    known += [f"state.{feature.name}" for feature in plan.features]
    return (*dict.fromkeys(known), *_plain(plan))


def _plain(plan: Plan) -> dict[str, str]:
    """Return the columns of the log that are tracked as they are, with the names that they are tracked under."""
    return {one.columns[0]: one.name for one in plan.tracked if one.formula == "column" and one.name != "reward_delay"}


def _missing(summary: BucketSummary, plan: Plan, key: str) -> Point:
    family, _, name = key.partition(".")
    if key in (tracked := _plain(plan)):
        moments = summary["tracked"][tracked[key]]
        return share(moments.missing, moments.n + moments.infinite + moments.missing)
    if family == "state":
        cells = summary["features"].counts(name)
        return share(int(cells[-1]), int(cells.sum()))
    if family == "cost":
        limit = next(limit for limit in plan.constraints if limit.cost == name)
        found = summary["constraints"][limit.name]
        return share(found.missing, found.n + found.missing)
    return share(int(summary["tallies"][f"{key}_missing"]), summary.rows)


def _numbers(plan: Plan) -> tuple[str, ...]:
    return tuple(feature.name for feature in plan.features)


def _outside(summary: BucketSummary, plan: Plan, key: str) -> Point:
    feature = next(one for one in plan.features if one.name == key)
    cells = summary["features"].counts(key)
    known = int(cells[:-1].sum())
    outside = int(cells[-2]) if feature.category else int(cells[-3] + cells[-2])
    return share(outside, known) if known else NOTHING


MISSING_SHARE = Metric("missing share of {key}", "share of decisions", _columns, _missing)
OUT_OF_RANGE = Metric(
    "share of {key} outside the reference",
    "share of known values",
    _numbers,
    _outside,
    needs=("state.*",),
    optional=True,
)


def _delay(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    """Return the mean age at arrival, and the arrival curve: how many rewards came at which age."""
    found = summary["tracked"]
    point = mean_of(found["reward_delay"])
    return Point(point.value, point.stderr, point.n, found.counts("reward_delay")[:-1]) if point.n else NOTHING


def _ages(plan: Plan, _key: str) -> tuple[str, ...]:
    edges = plan.tracked[plan.tracked_names.index("reward_delay")].edges
    return (*(f"{low:.4g}s..{high:.4g}s" for low, high in pairwise(edges)), "under", "over")


REWARD_DELAY = Metric(
    "delay of rewards", "seconds from decision to reward", keys_of("reward_delay"), _delay, _ages, optional=True
)
