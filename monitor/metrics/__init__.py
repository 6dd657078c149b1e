"""What is measured: each entry turns a bucket's summary into the points that detectors judge."""

from __future__ import annotations

from monitor.metrics.acting import (
    ACTION_AT_BOUNDS,
    ACTION_DIVERSITY,
    EXPLORATION_SHARE,
    FALLBACK_RATE,
    GATE_RATE,
    OVERRIDE_RATE,
    PROPOSAL_DISTANCE,
    SHADOW_DISAGREEMENT,
    SHIELD_RATE,
)
from monitor.metrics.candidates import CANDIDATE_VALUE, EFFECTIVE_SHARE, PROPENSITY_HEALTH, PROPENSITY_UNUSABLE
from monitor.metrics.completeness import MISSING_SHARE, OUT_OF_RANGE, REWARD_DELAY
from monitor.metrics.distribution import REWARD_DISTRIBUTION
from monitor.metrics.drift import STATE_DRIFT
from monitor.metrics.entropy import ACTION_ENTROPY
from monitor.metrics.episodes import EPISODE_COST, EPISODE_RETURN
from monitor.metrics.evaluation import EVALUATION
from monitor.metrics.latency import LATENCY, LATENCY_OVER_SLA
from monitor.metrics.metric import Metric, Point
from monitor.metrics.outcomes import OUTCOME, PROXY_CORRELATION, PROXY_DIVERGENCE
from monitor.metrics.predictions import (
    COST,
    KL_REFERENCE,
    LAGRANGE,
    MODEL_GAP,
    NOVELTY,
    SCORE,
    VALUE_BY_DECILE,
    VALUE_OVERESTIMATION,
)
from monitor.metrics.reward import REWARD, REWARD_CVAR, REWARD_ZEROS
from monitor.metrics.violations import HARD_CONSTRAINT, IRREVERSIBLE_ACTION, VIOLATION_RATE
from monitor.metrics.volume import VOLUME

METRICS: dict[str, Metric] = {
    "reward": REWARD,
    "violation_rate": VIOLATION_RATE,
    "hard_constraint": HARD_CONSTRAINT,
    "irreversible_action": IRREVERSIBLE_ACTION,
    "state_drift": STATE_DRIFT,
    "action_entropy": ACTION_ENTROPY,
    "candidate_value": CANDIDATE_VALUE,
    "volume": VOLUME,
    "evaluation": EVALUATION,
    "reward_distribution": REWARD_DISTRIBUTION,
    "reward_cvar": REWARD_CVAR,
    "reward_zeros": REWARD_ZEROS,
    "reward_delay": REWARD_DELAY,
    "episode_return": EPISODE_RETURN,
    "episode_cost": EPISODE_COST,
    "cost": COST,
    "lagrange": LAGRANGE,
    "action_diversity": ACTION_DIVERSITY,
    "action_at_bounds": ACTION_AT_BOUNDS,
    "exploration_share": EXPLORATION_SHARE,
    "override_rate": OVERRIDE_RATE,
    "shield_rate": SHIELD_RATE,
    "fallback_rate": FALLBACK_RATE,
    "gate_rate": GATE_RATE,
    "shadow_disagreement": SHADOW_DISAGREEMENT,
    "proposal_distance": PROPOSAL_DISTANCE,
    "propensity_health": PROPENSITY_HEALTH,
    "effective_share": EFFECTIVE_SHARE,
    "propensity_unusable": PROPENSITY_UNUSABLE,
    "value_overestimation": VALUE_OVERESTIMATION,
    "value_by_decile": VALUE_BY_DECILE,
    "kl_reference": KL_REFERENCE,
    "model_gap": MODEL_GAP,
    "outcome": OUTCOME,
    "proxy_correlation": PROXY_CORRELATION,
    "proxy_divergence": PROXY_DIVERGENCE,
    "latency": LATENCY,
    "latency_over_sla": LATENCY_OVER_SLA,
    "missing_share": MISSING_SHARE,
    "out_of_range": OUT_OF_RANGE,
    "score": SCORE,
    "novelty": NOVELTY,
}

__all__ = ["METRICS", "Metric", "Point"]
