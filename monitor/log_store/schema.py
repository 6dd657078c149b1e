"""The decision log's columns: one row a decision, as every other part of Checkrein may rely on it."""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
PROBABILITIES = pa.list_(pa.float64())

# Columns with a fixed name. ``action`` is text for discrete actions (an int 3 is "3") and a list of float for vectors.
FIXED: dict[str, pa.DataType] = {
    "decision_id": pa.string(),
    "ts": TIMESTAMP,
    "policy": pa.string(),
    "version": pa.string(),
    "action": pa.string(),
    "propensity": pa.float64(),
    "reward": pa.float64(),
    "episode_id": pa.string(),
    "step": pa.int64(),
    "arm": pa.string(),
    "proposed_action": pa.string(),
    "incumbent_action": pa.string(),
    "action_probs": PROBABILITIES,
    "q_value": pa.float64(),
    "q_std": pa.float64(),
    "incumbent_q_value": pa.float64(),
    "log_ratio_ref": pa.float64(),
    "shield": pa.string(),
    "fallback": pa.string(),
    "override": pa.string(),
    "irreversible": pa.bool_(),
    "exploration": pa.bool_(),
    "latency_ms": pa.float64(),
    "artifact_sha256": pa.string(),
    "position": pa.int64(),
    "eligible_actions": pa.list_(pa.string()),
    "consent": pa.string(),
}

# Families: prefix + name. None: a number (float64) or text, whichever the log has; booleans become text.
FAMILIES: dict[str, pa.DataType | None] = {
    "state.": None,
    "cost.": pa.float64(),
    "outcome.": pa.float64(),
    "lagrange.": pa.float64(),
    "segment.": pa.string(),
    "candidate_probs.": None,  # list of float per action, or the executed action's probability as float
    "predicted_next_state.": pa.float64(),
}

REQUIRED = ("decision_id", "ts", "policy", "version", "action")
ARMS = ("live", "shadow", "canary", "control")

# A reward or outcome that came after its decision.
REWARD_EVENT: dict[str, pa.DataType | None] = {
    "decision_id": pa.string(),
    "ts": TIMESTAMP,
    "event_id": pa.string(),
    "decision_ts": TIMESTAMP,
    "reward": pa.float64(),
}


def role_type(role: str) -> pa.DataType | None:
    """Return the Arrow type of a role, None where the log decides.

    Raises
    ------
    KeyError
        If there is no such role.

    Examples
    --------
    >>> str(role_type("cost.inlet_excess")), role_type("state.inlet")
    ('double', None)
    """
    if role in FIXED:
        return FIXED[role]
    for prefix, kind in FAMILIES.items():
        if role.startswith(prefix) and len(role) > len(prefix):
            return kind
    raise KeyError(role)


def no_decisions() -> pa.Table:
    """Return a batch of decisions without a row."""
    return pa.schema([(role, FIXED[role]) for role in REQUIRED]).empty_table()
