"""What a detector is called with: the trigger's own values, the policy's season and budgets, its words."""

from __future__ import annotations

from typing import Any

from scipy import stats

from detectors import DETECTORS
from monitor.bucketing.plans import configured_plan
from monitor.judging.segments import keys_of, split
from monitor.metrics import METRICS
from monitor.settings import Settings, Trigger
from monitor.summaries.plan import Plan

_OWN = ("k", "min_effect", "min_n", "threshold", "ratio", "side", "alpha", "lookback", "run_length", "lower", "upper")


def parameters_of(
    settings: Settings, policy: str, trigger: Trigger, key: str, plan: Plan | None = None
) -> dict[str, Any]:
    """Return the keyword arguments of a trigger's scan; those that its detector does not take are left out.

    What a rollback trigger leaves unset follows from ``false_rollbacks``: ``run_length`` or, where the detector tests,
    ``alpha``; and ``k = "auto"`` at any severity. What it sets stays as it is.

    Parameters
    ----------
    settings, policy
        The configuration, and whose trigger it is.
    trigger, key
        The rule, and which of its series is judged.
    plan
        What is counted: the share of one series depends on how many there are. None: what the configuration says.

    Examples
    --------
    >>> from monitor.settings import parse
    >>> settings = parse({"policy": {"bids": {"incumbent": "v1"}}})
    >>> parameters_of(settings, "bids", settings.triggers("bids")["reward_3sigma"], "")["min_effect"]
    '2%'
    """
    configuration = settings.policy[policy]
    key, segment = split(key)
    values: dict[str, Any] = {name: getattr(trigger, name) for name in _OWN}
    values |= {"season": configuration.season, "subject": METRICS[trigger.metric].subject(key)}
    if segment:
        values["subject"] += f" of {segment}"
    if trigger.metric in ("cost", "episode_cost") and trigger.threshold is None:
        values["threshold"] = configuration.constraint[key].cost_budget
    if trigger.metric == "violation_rate":
        constraint = configuration.constraint[key]
        values |= {"budget": constraint.budget, "slack": constraint.slack}
    known = DETECTORS[trigger.detector].parameters
    unset = {trigger.run_length, trigger.alpha, trigger.k} <= {None, "auto"}
    if trigger.k == "auto" or (unset and trigger.severity == "rollback"):
        share = budget_per_window(settings, policy, trigger, plan)
        if unset and trigger.severity == "rollback":
            values |= {"run_length": 1 / share} if "run_length" in known else {"alpha": share}
        if trigger.k == "auto":
            values["budget_per_window"] = share
            values["k"] = "auto" if "budget_per_window" in known else float(stats.norm.isf(share))
    return {name: value for name, value in values.items() if name in known and value is not None}


def sharing(settings: Settings, policy: str, plan: Plan | None = None) -> dict[str, tuple[str, ...]]:
    """Return the rollback triggers that can be wrong by chance, with the keys that each judges.

    Single events (hard limits, irreversible actions) have no chance in them and take no share; neither does a trigger
    without a series, such as a violation budget without constraints.
    """
    plan = configured_plan(settings, policy) if plan is None else plan
    found = {
        name: keys_of(trigger, plan)
        for name, trigger in settings.triggers(policy).items()
        if trigger.severity == "rollback" and not METRICS[trigger.metric].event
    }
    return {name: keys for name, keys in found.items() if keys}


def budget_per_window(settings: Settings, policy: str, trigger: Trigger, plan: Plan | None = None) -> float:
    """Split "at most N false rollbacks per span" evenly over rollback triggers, then over their keys and windows.

    >>> from monitor.settings import parse
    >>> settings = parse({"policy": {"bids": {"incumbent": "v1"}}})  # 1 in 180 days, over 2 triggers on the reward
    >>> round(1 / budget_per_window(settings, "bids", settings.triggers("bids")["reward_3sigma"]))
    34560
    """
    plan = configured_plan(settings, policy) if plan is None else plan
    budget = settings.policy[policy].false_rollbacks
    triggers, keys = len(sharing(settings, policy, plan)), len(keys_of(trigger, plan))
    return budget.at_most / max(triggers, 1) / max(keys, 1) / (budget.per / trigger.window)
