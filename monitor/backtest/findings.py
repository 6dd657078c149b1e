"""What a replay comes to: firings, false alarms, delays, and what other settings would have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.backtest.incidents import Incident, during
from monitor.backtest.replay import Moved, Replayed
from monitor.clock import stamp
from monitor.settings import Settings

STATES = ("ok", "fire", "insufficient", "no_data", "error")
_OPEN = {"firing", "recovering"}


def findings(
    settings: Settings, policy: str, found: Replayed, incidents: Sequence[Incident] | None, first: float, last: float
) -> dict[str, Any]:
    """Return what one replay found, as JSON values.

    Parameters
    ----------
    settings, policy
        What was judged with, and whose windows.
    found
        The replay.
    incidents
        When something was truly wrong; None where nobody said, and then no firing is called false.
    first, last
        The span that was asked for.

    Returns
    -------
    dict
        ``triggers`` (windows by verdict, firings, false alarms), ``firings``, ``rollbacks`` (troubles in which a
        serving version would have been rolled back; one trouble that several triggers see is one), ``dry_run`` (the
        same of the dry-run triggers of severity rollback, which roll nothing back), ``incidents``
        (found by what, with which delay).
    """
    triggers = settings.triggers(policy)
    fired = [_firing(settings, policy, one, found.moved, incidents) for one in found.moved if _fires(one)]
    rows = []
    for name, trigger in triggers.items():
        states: Mapping[str, int] = found.states.get(name, {})
        mine = [one for one in fired if one["trigger"] == name]
        false = None if incidents is None else sum(one["incident"] is None for one in mine)
        counted = {state: states.get(state, 0) for state in STATES}
        rows.append(
            {
                "trigger": name,
                "severity": trigger.severity,
                "dry_run": trigger.dry_run,
                **counted,
                "firings": len(mine),
                "false_alarms": false,
            }
        )
    return {
        "triggers": rows,
        "firings": fired,
        "rollbacks": _rollbacks(settings, policy, found, incidents, first, last),
        "dry_run": _rollbacks(settings, policy, found, incidents, first, last, dry_run=True),
        "incidents": None if incidents is None else [_found(one, fired) for one in incidents],
    }


def effect(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what changed settings change: firings that come and go, rollbacks, and the delay of each incident."""
    named = ("version", "trigger", "key", "at")
    old = {tuple(one[name] for name in named): one for one in before["firings"]}
    new = {tuple(one[name] for name in named): one for one in after["firings"]}
    delays = None
    if before["incidents"] is not None:
        pairs = zip(before["incidents"], after["incidents"], strict=True)
        delays = [
            {"start": a["start"], "label": a["label"], "delay_s": [a["delay_s"], b["delay_s"]],
             "rollback_delay_s": [a["rollback_delay_s"], b["rollback_delay_s"]]}
            for a, b in pairs
        ]  # fmt: skip
    counts = {name: [before["rollbacks"][name], after["rollbacks"][name]] for name in ("count", "false", "false_per")}
    return {
        "added": [new[where] for where in sorted(new.keys() - old.keys(), key=lambda one: one[-1])],
        "removed": [old[where] for where in sorted(old.keys() - new.keys(), key=lambda one: one[-1])],
        "rollbacks": counts,
        "delays": delays,
    }


def _fires(moved: Moved) -> bool:
    return moved.new == "firing" and moved.old != "recovering"


def _firing(
    settings: Settings, policy: str, one: Moved, moved: Sequence[Moved], incidents: Sequence[Incident] | None
) -> dict[str, Any]:
    where = (one.version, one.trigger, one.key)
    ends = (
        later.at
        for later in moved
        if later.at >= one.at and later.new == "resolved" and (later.version, later.trigger, later.key) == where
    )
    end = next(ends, None)
    trouble = during(incidents or (), one.at - settings.triggers(policy)[one.trigger].window, one.at)
    return {
        "version": one.version,
        "trigger": one.trigger,
        "key": one.key,
        "severity": one.severity,
        "dry_run": settings.triggers(policy)[one.trigger].dry_run,
        "served": one.served,
        "at": stamp(one.at),
        "at_s": one.at,
        "resolved": None if end is None else stamp(end),
        "incident": None if trouble is None else trouble.label or stamp(trouble.start),
        "incident_start": None if trouble is None else trouble.start,
        "reason": one.reason,
    }


def _rollbacks(
    settings: Settings,
    policy: str,
    found: Replayed,
    incidents: Sequence[Incident] | None,
    first: float,
    last: float,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Count troubles of a version: from its first alert of severity rollback that fires to the last that resolves.

    Of the triggers that are armed, or of those that are a ``dry_run``.
    """
    triggers = settings.triggers(policy)
    budget = settings.policy[policy].false_rollbacks
    firing: set[tuple[str, str, str]] = set()
    count = false = 0
    for one in found.moved:
        if one.severity != "rollback" or triggers[one.trigger].dry_run != dry_run:
            continue
        where = (one.version, one.trigger, one.key)
        if _fires(one) and one.served:
            if not any(other[0] == one.version for other in firing):
                count += 1
                window = triggers[one.trigger].window
                false += during(incidents or (), one.at - window, one.at) is None
            firing.add(where)
        elif one.new not in _OPEN:
            firing.discard(where)
    known = incidents is not None
    days = max(0.0, min(last, found.end) - max(first, found.begin)) if found.windows else 0.0
    return {
        "count": count,
        "false": false if known else None,
        "span_s": days,
        "per_s": budget.per,
        "at_most": budget.at_most,
        "false_per": false * budget.per / days if known and days else None,
        "kept": None if not known or not days else false * budget.per / days <= budget.at_most,
    }


def _found(incident: Incident, fired: Sequence[dict[str, Any]]) -> dict[str, Any]:
    mine = [one for one in fired if one["incident_start"] == incident.start]
    first = min(mine, key=lambda one: one["at_s"], default=None)
    acts = (one for one in mine if one["severity"] == "rollback" and not one["dry_run"])
    acting = min(acts, key=lambda one: one["at_s"], default=None)
    return {
        "start": stamp(incident.start),
        "end": stamp(incident.end),
        "label": incident.label,
        "found": first is not None,
        "trigger": None if first is None else first["trigger"],
        "delay_s": None if first is None else max(0.0, first["at_s"] - incident.start),
        "rollback_trigger": None if acting is None else acting["trigger"],
        "rollback_delay_s": None if acting is None else max(0.0, acting["at_s"] - incident.start),
    }
