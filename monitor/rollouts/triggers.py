"""What a policy's triggers say of a candidate: which fire, which are pending, and which cannot see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from monitor.bucketing import buckets
from monitor.bucketing.plans import current_plan
from monitor.judging.segments import keys_of, split
from monitor.judging.windows import ALL_VERSIONS, newest_baseline
from monitor.metrics import METRICS
from monitor.rollouts.hold import sealed_of
from monitor.settings import Settings, Trigger
from monitor.store.tables import alerts
from runbooks.alerts import OPEN

_REFERENCE = "baseline"  # what a detector says it lacks
HOUR = 3600
STALE = 2  # windows that may be sealed and not judged


@dataclass(frozen=True)
class Seen:
    """What triggers say: reasons to roll back, reasons to wait, and how many judged the candidate and are well."""

    failing: tuple[str, ...]
    doubts: tuple[str, ...]
    well: int


def seen(connection: Connection, settings: Settings, row: Row[Any], *, live: bool) -> Seen:
    """Return what the triggers of a rollout's policy say of its candidate and of all versions together.

    A trigger that cannot see the candidate is a reason to wait: no data, an error, too few rows, not judged at all, or
    judged long ago. Left out are segments of too few rows, as the policy's state leaves them out, triggers that only
    inform, and those that compare with a baseline in which the candidate has no row: nothing is wrong with either, and
    the incumbent that serves beside it is what it is compared with.

    Parameters
    ----------
    connection, settings, row
        A transaction, the configuration, and the rollout.
    live
        Whether the candidate has traffic, so that every trigger of versions must have judged it.
    """
    known = {name: one for name, one in settings.triggers(row.policy).items() if one.severity != "info"}
    c = alerts.c
    found = connection.execute(
        select(alerts).where(c.policy == row.policy, c.version.in_((row.candidate, ALL_VERSIONS)))
    ).all()
    sealed, strange = sealed_of(connection, row.policy), _strange(connection, row.policy, row.candidate)
    failing, doubts, judged, well = [], [], set(), 0
    for alert in found:
        trigger = known.get(alert.trigger)
        if trigger is None:
            continue
        judged.add((alert.trigger, alert.key))
        mine = alert.version == row.candidate
        named = f"{alert.trigger} {alert.key}".strip()
        if alert.state == "firing" and alert.severity == "rollback" and mine:
            failing.append(f"{named} fires: {alert.reason}")
        elif alert.state in OPEN:
            doubts.append(f"{named} is {alert.state}: {alert.reason}")
        elif alert.health == "insufficient" and (split(alert.key)[1] or (strange and _REFERENCE in alert.reason)):
            continue
        elif alert.health != "ok":
            doubts.append(f"{named} cannot tell ({alert.health}): {alert.reason}")
        elif not METRICS[trigger.metric].event and alert.judged_until < sealed - STALE * trigger.window:
            doubts.append(f"{named} has not judged {row.candidate} lately.")
        else:
            well += mine
    if live:
        missing = sorted(_expected(connection, settings, row.policy, known) - judged)
        doubts += [f"{' '.join(one).strip()} has not judged {row.candidate} yet." for one in missing]
    return Seen(tuple(failing), tuple(doubts), well)


def _expected(
    connection: Connection, settings: Settings, policy: str, known: dict[str, Trigger]
) -> set[tuple[str, str]]:
    plan, _baseline = current_plan(connection, settings, policy)
    return {
        (name, key)
        for name, trigger in known.items()
        if METRICS[trigger.metric].scope == "version" and not METRICS[trigger.metric].event and not trigger.segment
        for key in keys_of(trigger, plan)
    }


def _strange(connection: Connection, policy: str, version: str) -> bool:
    """Whether the newest baseline has no decision of a version, as that of a new version has none."""
    frozen = newest_baseline(connection, policy)
    return frozen is None or version not in buckets.versions(connection, policy, HOUR, frozen.begin, frozen.end)
