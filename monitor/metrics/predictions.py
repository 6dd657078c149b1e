"""What the policy said about itself: its values, its distance from a reference policy, its model of the world."""

from __future__ import annotations

from monitor.metrics.metric import NOTHING, Metric, Point
from monitor.metrics.tracked import keys_of, mean_of, per_episode, tracked_mean
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan

_WHOLE = per_episode("", "", "value_overestimation")


def _overestimation(summary: BucketSummary, plan: Plan, key: str) -> Point:
    """Return the mean error of the predicted values: per decision, or per episode where there are steps."""
    if "episodes" in plan.tracked_names:
        return _WHOLE.point(summary, plan, key)
    return mean_of(summary["tracked"]["value_overestimation"])


VALUE_OVERESTIMATION = Metric(
    "predicted value less realised reward",
    "reward (per episode where the log has steps)",
    keys_of("value_overestimation"),
    _overestimation,
    needs=("q_value", "reward"),
    optional=True,
)
VALUE_BY_DECILE = tracked_mean(
    "predicted value less reward in decile {key}", "reward per decision", "value_by_decile", "q_value", "reward"
)
KL_REFERENCE = tracked_mean("divergence from the reference policy", "nats", "kl_reference", "log_ratio_ref")
MODEL_GAP = tracked_mean(
    "predicted less observed next {key}", "unit of the feature", "model_gap", "predicted_next_state.*", "episode_id"
)
LAGRANGE = tracked_mean("Lagrange multiplier of {key}", "reward per cost", "lagrange", "lagrange.*")
SCORE = tracked_mean("score {key}", "unit of the score", "score", "score.*")
NOVELTY = tracked_mean("share of decisions in novel states", "share of decisions", "novelty", "state.*")


def _costs(plan: Plan) -> tuple[str, ...]:
    return tuple(limit.name for limit in plan.constraints)


def _cost(summary: BucketSummary, _plan: Plan, key: str) -> Point:
    found = summary["constraints"][key]
    finite = found.n - found.infinite
    if finite == 0:
        return NOTHING
    variance = max(found.cost_sq / finite - found.mean_cost**2, 0.0)
    return Point(found.mean_cost, float((variance / max(finite - 1, 1)) ** 0.5), finite)


COST = Metric("mean cost of {key}", "cost per decision", _costs, _cost, needs=("cost.*",), optional=True)
