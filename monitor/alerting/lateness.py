"""Alerts that nobody evaluates any more: found on reading, because a dead scheduler cannot write that it is dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from monitor.bucketing.plans import current_plan
from monitor.clock import Clock, stamp
from monitor.judging.segments import keys_of
from monitor.judging.standing import standing
from monitor.judging.windows import ALL_VERSIONS
from monitor.metrics import METRICS
from monitor.settings import Settings
from monitor.store.tables import policies
from monitor.summaries.grouping import SHADOW

INTERVALS = 3  # windows of its trigger that may be missing
LEAST = 15.0  # real seconds that a pass may be away, however fast the clock runs


def mark(connection: Connection, settings: Settings, clock: Clock, found: Sequence[dict[str, Any]]) -> None:
    """Set the health ``stale``, and the reason, of alerts whose last window ended too long ago.

    That is longer ago than three windows of the trigger and the time that a window takes to mature. Only what is to be
    evaluated can be late: of the version that serves and of all versions together, of enabled triggers that judge
    windows, and of series that are still counted. Against ``status.stale_jobs``, which knows only when a pass last
    ended, it sees one trigger that falls behind, and passes that end without judging.

    Parameters
    ----------
    connection, settings, clock
        A read transaction, the configuration, the time.
    found
        Rows of ``alerts`` as dictionaries, with times in seconds; changed in place.
    """
    for policy in sorted({item["policy"] for item in found} & {*settings.policy}):
        triggers = settings.triggers(policy)
        maturity = settings.policy[policy].maturity
        late = []
        for item in (one for one in found if one["policy"] == policy):
            trigger = triggers.get(item["trigger"])
            if trigger is not None and not METRICS[trigger.metric].event and trigger.segment != SHADOW:
                due = clock.now() - max(INTERVALS * trigger.window, LEAST * clock.speed) - maturity
                late += [(item, due)] if item["judged_until"] < due else []
        if late:
            _confirm(connection, settings, policy, late)


def _confirm(
    connection: Connection, settings: Settings, policy: str, late: Sequence[tuple[dict[str, Any], float]]
) -> None:
    """Mark those that are to be evaluated: nothing was due before judging began, or before the version served."""
    if connection.execute(select(policies.c.policy).where(policies.c.policy == policy)).first() is None:
        return
    at, (plan, _id) = standing(connection, policy), current_plan(connection, settings, policy)
    triggers = settings.triggers(policy)
    counted = {name: frozenset(keys_of(triggers[name], plan)) for name in {item["trigger"] for item, _due in late}}
    for item, due in late:
        version = item["version"]
        if version not in {at.serving, ALL_VERSIONS} or item["key"] not in counted[item["trigger"]]:
            continue
        begun = max(at.since(version), at.routed if version == at.serving else 0.0)
        if max(item["judged_until"], begun) < due:
            told = f"the last window that was judged ended {stamp(item['judged_until'])}"
            item["reason"] = f"Not evaluated: {told}; is `checkrein serve` or `worker` running?"
            item["health"] = "stale"
