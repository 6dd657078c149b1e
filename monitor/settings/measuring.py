"""[policy.P.metrics]: what is measured beside reward, limits, actions and features, and with which constants."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from monitor.settings.model import Table, nearest

# What a baseline learns to be logged, and ``track`` may add: numbers, what is said of a decision, and families. Landing
# writes gap.<name> (the error of predicted_next_state.<name>), score.<name> and delay.reward itself.
NUMBERS = ("q_value", "q_std", "log_ratio_ref", "latency_ms", "step", "delay.reward", "propensity", "reward")
FLAGS = ("exploration", "override", "shield", "fallback", "proposed_action", "irreversible")
FAMILIES = ("cost.", "outcome.", "lagrange.", "gap.", "score.")

# Metrics that keep numbers of their own in every bucket; all others read what is counted anyway.
Optional = Literal[
    "action_at_bounds",
    "action_diversity",
    "episode_cost",
    "episode_return",
    "gate_rate",
    "kl_reference",
    "lagrange",
    "latency",
    "latency_over_sla",
    "model_gap",
    "outcome",
    "proposal_distance",
    "proxy_correlation",
    "proxy_divergence",
    "reward_delay",
    "score",
    "value_by_decile",
    "value_overestimation",
]


def _column(name: str) -> str:
    known = name in (*NUMBERS, *FLAGS) or any(name.startswith(one) and name != one for one in FAMILIES)
    if not known:
        families = ", ".join(f"{family}<name>" for family in FAMILIES)
        near = nearest(name, (*NUMBERS, *FLAGS, *FAMILIES))
        raise ValueError(f"nothing is tracked of a column {name!r}{near} (families: {families})")
    return name


class Measuring(Table):
    """What is measured of a policy whose log has the columns."""

    off: tuple[Optional, ...] = Field(
        (), description="Metrics that are not counted although the log has their columns."
    )
    track: tuple[Annotated[str, AfterValidator(_column)], ...] = Field(
        (), description="Columns that count as logged although the baseline has none, such as a new latency_ms."
    )
    gamma: float = Field(1.0, gt=0, le=1, description="Discount of episode returns and costs, by step.")
    q_std_limit: float | None = Field(
        None, description="q_std above which the uncertainty gate closes; absent: the baseline's 99th percentile."
    )
    segments: tuple[str, ...] | None = Field(
        None, description="segment columns that are counted apart; absent: all of the baseline; empty: none."
    )
    segment_features: bool = Field(False, description="Count the features of each segment too.")
    novelty: bool = Field(
        False,
        description="Learn at the next baseline freeze which states are usual, and score how unlike them each one is.",
    )
