"""What is measured: each entry turns a bucket's summary into the points that detectors judge."""

from __future__ import annotations

from monitor.metrics.candidates import CANDIDATE_VALUE
from monitor.metrics.drift import STATE_DRIFT
from monitor.metrics.entropy import ACTION_ENTROPY
from monitor.metrics.metric import Metric, Point
from monitor.metrics.reward import REWARD
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
}

__all__ = ["METRICS", "Metric", "Point"]
