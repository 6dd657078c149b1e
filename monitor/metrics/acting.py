"""Who acts: exploration, overrides, shields, fallbacks, the uncertainty gate, proposals, and continuous actions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from monitor.metrics.metric import NOTHING, Metric, Point, share
from monitor.metrics.tracked import keys_of, name_of, tracked_mean
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


def _logged(column: str) -> Callable[[Plan], tuple[str, ...]]:
    return lambda plan: ("",) if column in plan.columns else ()


def _rate(title: str, column: str) -> Metric:
    def point(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
        return share(int(summary["tallies"][column]), summary.rows)

    return Metric(title, "share of decisions", _logged(column), point, needs=(column,), optional=True)


def _disagreement(summary: BucketSummary, _plan: Plan, _key: str) -> Point:
    """Count over all decisions: some logs write a proposal in every row, others only where it was not executed."""
    return share(int(summary["tallies"]["disagreement"]), summary.rows)


def _diversity(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    """Return the entropy of an element's bins over the log of their number, Miller-Madow corrected."""
    cells = summary["tracked"].counts(name_of("action_diversity", key))
    inside = _merged_tails(cells)
    n = int(inside.sum())
    if n == 0:
        return NOTHING
    p = inside[inside > 0] / n
    plug_in, scale = float(-(p * np.log(p)).sum()), math.log(len(inside))
    variance = float((p * np.log(p) ** 2).sum() - plug_in**2) / n
    corrected = min(plug_in + (len(p) - 1) / (2 * n), scale)
    return Point(corrected / scale, math.sqrt(max(variance, 0.0)) / scale, n, inside)


def _merged_tails(cells: np.ndarray) -> np.ndarray:
    """Return the bins with under in the first and over in the last; missing elements are left out."""
    inside = cells[:-3].copy()
    inside[0] += cells[-3]
    inside[-1] += cells[-2]
    return inside


def _bins(plan: Plan, key: str) -> tuple[str, ...]:
    edges = plan.tracked[plan.tracked_names.index(name_of("action_diversity", key))].edges
    return tuple(f"bin{i}" for i in range(len(edges) - 1))


EXPLORATION_SHARE = _rate("share of exploring decisions", "exploration")
OVERRIDE_RATE = _rate("share of overridden decisions", "override")
SHIELD_RATE = _rate("share of decisions that a shield changed", "shield")
FALLBACK_RATE = _rate("share of decisions of a fallback", "fallback")
GATE_RATE = tracked_mean(
    "share of decisions that the uncertainty gate stops", "share of decisions", "gate_rate", "q_std"
)
SHADOW_DISAGREEMENT = Metric(
    "share of decisions that are not what was proposed",
    "share of decisions",
    _logged("proposed_action"),
    _disagreement,
    needs=("proposed_action",),
    optional=True,
)
PROPOSAL_DISTANCE = tracked_mean(
    "distance of the proposed from the executed action", "Euclidean distance", "proposal_distance", "proposed_action"
)
ACTION_DIVERSITY = Metric(
    "diversity of action element {key}",
    "share of ln bins",
    keys_of("action_diversity"),
    _diversity,
    _bins,
    needs=("action",),
    optional=True,
)
ACTION_AT_BOUNDS = tracked_mean(
    "share of action element {key} at its bounds", "share of decisions", "action_at_bounds", "action"
)
