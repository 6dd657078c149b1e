"""What a detector is called with: the trigger's own values, the policy's season and budgets, its words."""

from __future__ import annotations

from typing import Any

from detectors import DETECTORS
from monitor.metrics import METRICS
from monitor.settings import Settings, Trigger

_OWN = ("k", "min_effect", "min_n", "threshold", "alpha", "lookback")


def parameters_of(settings: Settings, policy: str, trigger: Trigger, key: str) -> dict[str, Any]:
    """Return the keyword arguments of a trigger's scan; those that its detector does not take are left out.

    >>> from monitor.settings import parse
    >>> settings = parse({"policy": {"bids": {"incumbent": "v1"}}})
    >>> parameters_of(settings, "bids", settings.triggers("bids")["reward_3sigma"], "")["min_effect"]
    '2%'
    """
    configuration = settings.policy[policy]
    values: dict[str, Any] = {name: getattr(trigger, name) for name in _OWN}
    values |= {"season": configuration.season, "subject": METRICS[trigger.metric].subject(key)}
    if trigger.metric == "violation_rate":
        constraint = configuration.constraint[key]
        values |= {"budget": constraint.budget, "slack": constraint.slack}
    if trigger.k == "auto":
        values["budget_per_window"] = budget_per_window(settings, policy, trigger)
    known = DETECTORS[trigger.detector].parameters
    return {name: value for name, value in values.items() if name in known and value is not None}


def budget_per_window(settings: Settings, policy: str, trigger: Trigger) -> float:
    """Split "at most N false rollbacks per span" evenly over the policy's rollback triggers, then over windows.

    >>> from monitor.settings import parse
    >>> settings = parse({"policy": {"bids": {"incumbent": "v1"}}})  # 1 in 180 days, over 5 rollback triggers
    >>> round(1 / budget_per_window(settings, "bids", settings.triggers("bids")["reward_3sigma"]))
    86400
    """
    configuration = settings.policy[policy]
    sharing = sum(item.severity == "rollback" for item in settings.triggers(policy).values())
    count = configuration.false_rollbacks.per / trigger.window
    return configuration.false_rollbacks.at_most / max(sharing, 1) / count
