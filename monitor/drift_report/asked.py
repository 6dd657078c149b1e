"""Asking for a drift report: by hand, or because a drift trigger fired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from monitor.acting import route
from monitor.clock import Clock, stamp
from monitor.judging.windows import ALL_VERSIONS, newest_baseline
from monitor.settings import Settings
from monitor.store.tables import drift_reports, policies, transitions
from monitor.why.case import case_of

METRIC = "state_drift"
APART = 3600.0  # event seconds: a version that keeps firing gets a report an hour
_BEHIND = 86400.0  # what an import fires is history: the newest day of event time gets reports
COURTESY = 10.0  # real seconds after a firing that belong to its rollback
_SPAN = 3600.0  # of a request that names no span
_BITS = 0.1  # limit where no trigger has one


@dataclass(frozen=True)
class Wish:
    """What a person wants a report of; None: the version that serves, the last hour up to the newest decision."""

    policy: str
    version: str | None = None
    begin: float | None = None
    end: float | None = None


def ask(connection: Connection, settings: Settings, clock: Clock, wish: Wish, actor: str) -> int:
    """Put a person's request on the list and return its id.

    Raises
    ------
    ValueError
        If there is nothing to compare, or nothing to compare it with: the sentence says what to do.
    """
    frozen = newest_baseline(connection, wish.policy)
    if frozen is None:
        raise ValueError(f"{wish.policy} has no frozen baseline to compare with: run `checkrein baseline freeze`")
    newest = connection.execute(select(policies.c.last_ts).where(policies.c.policy == wish.policy)).scalar_one_or_none()
    if newest is None:
        raise ValueError(f"no decision of {wish.policy} has been logged yet")
    end = newest + 1e-6 if wish.end is None else wish.end
    begin = end - _SPAN if wish.begin is None else wish.begin
    if begin >= end:
        raise ValueError(f"the span begins at {stamp(begin)}, not before its end at {stamp(end)}")
    serving = route.current(connection, settings, clock, wish.policy).serving
    row = _row(wish.policy, wish.version or serving, begin, end, actor, clock)
    row |= {"baseline": frozen.id, "bits": _limit(settings, wish.policy)}
    return int(connection.execute(insert(drift_reports).values(row).returning(drift_reports.c.id)).scalar_one())


def for_firings(connection: Connection, settings: Settings, clock: Clock, policy: str) -> list[dict[str, Any]]:
    """Return the rows that the newest drift firings ask for, one an hour and version: the others show the same."""
    drifts = {name: one for name, one in settings.triggers(policy).items() if one.metric == METRIC}
    c, d = transitions.c, drift_reports.c
    fired = select(transitions).where(c.policy == policy, c.new == "firing", c.old != "recovering")
    fired = fired.where(c.trigger.in_(drifts), c.version != ALL_VERSIONS, c.at > clock.now() - _BEHIND)
    fired = fired.where(c.real_created <= clock.real() - COURTESY)
    known = select(d.version, d.end, d.transition).where(d.policy == policy, d.transition.is_not(None))
    covered = connection.execute(known).all()
    ends = [(one.version, one.end) for one in covered]
    done = {one.transition for one in covered}
    new = []
    for row in connection.execute(fired.order_by(c.id)).all():
        case = case_of(connection, settings, row)
        near = any(case.version == version and abs(case.end - end) < APART for version, end in ends)
        if row.id in done or near or case.baseline is None:
            continue
        ends.append((case.version, case.end))
        wanted = _row(policy, case.version, case.begin, case.end, "checkrein", clock)
        limit = drifts[row.trigger].threshold or _BITS
        new.append({**wanted, "baseline": case.baseline, "bits": limit, "transition": row.id})
    return new


def next_asked(connection: Connection, known: list[str]) -> Any | None:
    """Return the request whose turn it is: a person's first, then the newest firing."""
    d = drift_reports.c
    waiting = select(drift_reports).where(d.state == "asked", d.policy.in_(known))
    order = (func.coalesce(d.transition, 0) > 0, d.transition.desc(), d.id)
    return connection.execute(waiting.order_by(*order).limit(1)).one_or_none()


def _row(policy: str, version: str, begin: float, end: float, actor: str, clock: Clock) -> dict[str, Any]:
    nothing = {"state": "asked", "sentence": "", "body": "{}", "sha256": "", "transition": None}
    where = {"policy": policy, "version": version, "begin": begin, "end": end}
    return {**nothing, **where, "actor": actor, "asked": clock.now()}


def _limit(settings: Settings, policy: str) -> float:
    """Return the limit that the drift panel draws: the largest of the policy's drift triggers."""
    limits = [one.threshold for one in settings.triggers(policy).values() if one.metric == METRIC and one.threshold]
    return max(limits, default=_BITS)
