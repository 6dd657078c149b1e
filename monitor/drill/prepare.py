"""What a drill rests on, or why this trigger cannot be drilled for this policy."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from detectors import DETECTORS
from monitor.bucketing.plans import current_plan
from monitor.drill.faults import Fault, fault_of
from monitor.drill.ground import Ground, ground
from monitor.drill.kept import Begun
from monitor.drill.steps import CannotDrillError
from monitor.judging.segments import keys_of
from monitor.judging.windows import Frozen, newest_baseline
from monitor.metrics import METRICS
from monitor.settings import ConfigurationError, Hook, Settings, Trigger
from monitor.store.tables import routes
from monitor.summaries.plan import Plan
from monitor.tick import Parts

_WATCHED = "drill_watched"  # the trigger that fails in the drill of evaluation_error


@dataclass(frozen=True)
class Prepared:
    """A drill that can begin: the trigger with its fault, and what it is compared with."""

    name: str
    trigger: Trigger
    fault: Fault
    triggers: dict[str, Trigger]
    plan: Plan
    frozen: Frozen
    ground: Ground
    version: str
    generation: int

    @property
    def event(self) -> bool:
        """Whether single decisions are judged, not windows."""
        return METRICS[self.trigger.metric].event

    @property
    def needs(self) -> tuple[str, ...]:
        """Roles of the log without which there is nothing to judge."""
        return METRICS[self.trigger.metric].needs


def begun_by(parts: Parts, policy: str, trigger: str, receiver: str, by: str) -> Begun:
    """Return what is known of a drill before it begins.

    Raises
    ------
    ConfigurationError
        If there is no such policy.
    """
    if policy not in parts.settings.policy:
        known = ", ".join(sorted(parts.settings.policy)) or "none"
        raise ConfigurationError(f"no policy {policy!r} in the configuration; configured: {known}")
    with parts.database.read() as connection:
        found = select(routes.c.serving).where(routes.c.policy == policy)
        serving = connection.execute(found).scalar_one_or_none() or parts.settings.policy[policy].first_serving
    return Begun(policy, trigger, serving, receiver, by, parts.clock.now(), parts.clock.real())


def hooks_of(settings: Settings, policy: str, receiver: str) -> dict[str, Hook]:
    """Return the hooks that get a drill's events beside its own serving side.

    Raises
    ------
    ConfigurationError
        If there is no such hook, it does not serve the policy, or it does not say that it knows drills.
    """
    if receiver == "builtin":
        return {}
    kind, _, name = receiver.partition(":")
    if kind != "hook" or name not in settings.hook:
        known = ", ".join(f"hook:{one}" for one in sorted(settings.hook)) or "no hook is configured"
        raise ConfigurationError(f"--receiver {receiver}: write builtin or hook:NAME ({known})")
    hook = settings.hook[name]
    if hook.policies and policy not in hook.policies:
        raise ConfigurationError(f"--receiver {receiver}: hook.{name}.policies does not have {policy}")
    if not hook.drills:
        raise ConfigurationError(
            f"--receiver {receiver}: write hook.{name}.drills = true once its receiver answers events of the mode"
            f' "drill" and moves no traffic for them'
        )
    return {name: hook.model_copy(update={"health": None})}


def prepare(parts: Parts, policy: str, trigger: str) -> Prepared:
    """Return what a drill of a trigger rests on.

    Raises
    ------
    ConfigurationError
        If there is no such trigger.
    CannotDrillError, GroundError
        If there is nothing that it could be drilled with.
    """
    settings = parts.settings
    on = settings.triggers(policy)
    if trigger not in on:
        if trigger not in settings.trigger and trigger not in settings.policy[policy].trigger:
            raise ConfigurationError(f"no trigger {trigger!r}; there are {', '.join(sorted(on))}, and kill")
        raise CannotDrillError(f"{trigger} is switched off for {policy}: nothing would fire. Set enabled = true.")
    rule = on[trigger]
    if rule.detector not in DETECTORS:
        raise ConfigurationError(f"trigger.{trigger}: there is no detector {rule.detector!r}")
    if rule.dry_run:
        raise CannotDrillError(f"{trigger} of {policy} is a dry run: it would do nothing. Set dry_run = false first.")
    fault = fault_of(rule)
    if fault is None:
        raise CannotDrillError(f"No synthetic fault is known for the metric {rule.metric} of {trigger}.")
    with parts.database.read() as connection:
        plan, _baseline = current_plan(connection, settings, policy)
        frozen = newest_baseline(connection, policy)
        if frozen is None:
            raise CannotDrillError(f"{policy} has no baseline: freeze one with `checkrein baseline freeze {policy}`.")
        route = connection.execute(select(routes).where(routes.c.policy == policy)).one_or_none()
        serving = route.serving if route else settings.policy[policy].first_serving
        triggers = _triggers(on, trigger, plan)
        needs = ", ".join(METRICS[rule.metric].needs) or "what it judges"
        if rule.metric != "evaluation" and not keys_of(rule, plan):
            raise CannotDrillError(
                f"{trigger} judges nothing of {policy}: its log, its baseline or its configuration lacks {needs}"
                f"{', or segments' if rule.segment else ''}."
            )
        window = min(int(one.window) for one in triggers.values())
        replayed = ground(
            connection, parts.landing.lake, policy, settings.policy[policy], frozen, serving, window
        )  # fmt: skip
    generation = int(route.generation) if route else 1
    rule = triggers[trigger]
    return Prepared(trigger, rule, fault, triggers, plan, frozen, replayed, serving, generation)


def _triggers(on: dict[str, Trigger], name: str, plan: Plan) -> dict[str, Trigger]:
    """Return the triggers that are on in a drill: the drilled one; where it watches others, one that can fail."""
    rule = on[name]
    if rule.metric != "evaluation":
        return {name: rule}
    others = (one for one in on.values() if one.metric != "evaluation" and not METRICS[one.metric].event)
    watched = next((one for one in others if keys_of(one, plan) and METRICS[one.metric].scope == "version"), None)
    if watched is None:
        raise CannotDrillError(f"{name} watches the other triggers, and no other one judges anything.")
    quiet = watched.model_copy(update={"severity": "info"})
    return {name: rule.model_copy(update={"window": watched.window}), _WATCHED: quiet}
