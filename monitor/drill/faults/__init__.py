"""A synthetic fault for each metric: one idea a file, one line here."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import Connection

from monitor.drill.faults import acting, claims, limits, rewards, states
from monitor.drill.faults.fault import Case, Fault, same
from monitor.settings import Trigger
from monitor.store.tables import summaries

__all__ = ["FAULTS", "Case", "Fault", "fault_of"]


def _nothing(table: pa.Table, _case: Case, _window: int) -> pa.Table:
    return table.slice(0, 0)


def _unreadable(connection: Connection, begin: float) -> None:
    """Spoil the roll-ups since the fault began: whoever judges them cannot read them."""
    c = summaries.c
    connection.execute(summaries.update().where(c.start >= begin, c.resolution > 60).values(body=b"spoilt by a drill"))


_LOWER = Fault("every reward falls by 6 standard deviations", rewards.lower)
_OVER = Fault("the costs of every decision are past their limits", limits.all_over)
_DRIFT = Fault("every feature leaves the range of the baseline", states.drifted)
_ONE = Fault("the commonest action is taken in every state", acting.one_action)
_SLOW = Fault("every decision takes ten times as long as the slowest one", claims.slow)
_OUTCOME = Fault("the outcomes move away from the reward by 6 standard deviations", claims.family("outcome."))

FAULTS: dict[str, Fault] = {
    "reward": _LOWER,
    "reward_cvar": _LOWER,
    "episode_return": _LOWER,
    "reward_zeros": Fault("every reward is 0", rewards.zero),
    "reward_distribution": Fault("the rewards split into two groups", rewards.split),
    "reward_delay": Fault("rewards come four times as late", rewards.late),
    "violation_rate": _OVER,
    "cost": _OVER,
    "episode_cost": _OVER,
    "hard_constraint": Fault("one decision is past a hard limit", limits.one_over),
    "irreversible_action": Fault("one irreversible action is taken without approval", limits.irreversible),
    "state_drift": _DRIFT,
    "out_of_range": _DRIFT,
    "novelty": _DRIFT,
    "action_entropy": _ONE,
    "volume": Fault("the log stops", _nothing),
    "evaluation": Fault("the counted windows cannot be read", same, sabotage=_unreadable),
    "latency": _SLOW,
    "latency_over_sla": _SLOW,
    "outcome": _OUTCOME,
    "proxy_divergence": _OUTCOME,
    "kl_reference": Fault("the policy leaves its reference by 6 standard deviations", claims.shifted("log_ratio_ref")),
    "value_overestimation": Fault(
        "the predicted values rise by 6 standard deviations", claims.shifted("q_value", "reward")
    ),
    "gate_rate": Fault("the predictions become uncertain", claims.shifted("q_std")),
    "lagrange": Fault("the multipliers move by 6 standard deviations", claims.family("lagrange.")),
    "propensity_health": Fault("every logged propensity is a quarter of the true one", claims.quartered),
    "propensity_unusable": Fault("no propensity is logged", claims.unlogged),
    "shadow_disagreement": Fault("no decision is the one that was proposed", acting.other_proposal),
    "override_rate": Fault("every decision is overridden", acting.written("override")),
    "shield_rate": Fault("a shield changes every decision", acting.written("shield")),
    "fallback_rate": Fault("a fallback takes every decision", acting.written("fallback")),
    "exploration_share": Fault("every decision explores", acting.exploring),
}

# Detectors that need another course of the fault than the others on the same metric.
_COURSES: dict[tuple[str, str], Fault] = {
    ("violation_rate", "trend"): Fault(
        "more decisions pass their limits from window to window", limits.creeping, healthy=12, windows=28
    ),
}


def fault_of(trigger: Trigger) -> Fault | None:
    """Return the fault that a trigger must fire on, None where none is known for its metric.

    >>> fault_of(Trigger(metric="reward", detector="frozen_sigma")).says
    'every reward falls by 6 standard deviations'
    >>> fault_of(Trigger(metric="score", detector="limit")) is None
    True
    """
    return _COURSES.get((trigger.metric, trigger.detector)) or FAULTS.get(trigger.metric)
