"""Who is woken for an alert: firings of severity page, once each, unless an overlay mutes them.

Written in the transaction that moves the alert, so that a page is there exactly when the transition is. Rollbacks page
about themselves (``incidents.page_action``) and never come here. An alert that flaps pages once to say so, then
keeps quiet (Nagios calls it flap detection): people who are woken for nothing stop reading pages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, or_, select

from monitor import incidents
from monitor.alerting import alert_ids
from monitor.alerting.inhibitions import Where
from monitor.alerting.overlays import QUIET, over
from monitor.clock import Clock
from monitor.incidents.rows import SET_BACK
from monitor.judging.decide import Alert, Change
from monitor.settings import Settings
from monitor.store.database import upsert
from monitor.store.tables import notices, transitions

FLAPS = 4  # times that an alert began or stopped firing, in 30 minutes: two troubles that both ended
_RAISED = frozenset({"firing", "recovering"})


@dataclass(frozen=True)
class Notice:
    """What people know of one alert; a row of ``notices``."""

    policy: str
    version: str
    trigger: str
    key: str
    told: str = ""
    paged: float | None = None
    moved: float | None = None
    flapping: float | None = None


def tell(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    policy: str,
    found: Collection[Alert],
    changes: Sequence[Change],
) -> None:
    """Page about what fires and nobody was told of, inside the transaction that wrote the alerts.

    Runs in every pass, not only in those that change an alert: a silence ends without a transition. What begins to fire
    together under one version is one page, whichever triggers see it.

    Parameters
    ----------
    connection, settings, clock, policy
        The open write transaction, the configuration, the time, and whose alerts.
    found
        The alerts as they are now.
    changes
        What this pass changed about them.
    """
    now = clock.now()
    stored = _load(connection, policy)
    crossed = {_where(one.alert) for one in changes if "firing" in (one.old, one.alert.state)}
    looked = [one for one in found if one.state == "firing" or _where(one) in crossed or _where(one) in stored]
    if not looked:
        return
    unsteady = _unsteady(connection, crossed, changes)
    lies = over(connection, settings, now, policy)
    known = lies.triggers[policy]
    pages: dict[str, list[tuple[str, Alert]]] = {}
    moved = []
    for alert in looked:
        where = _where(alert)
        new, why = step(
            stored.get(where) or Notice(*where),
            alert,
            now,
            crossed=where in crossed,
            flaps=where in unsteady,
            pages=alert.severity == "page" and alert.trigger in known,
            mute=lies.mutes(where),
        )
        if why:
            pages.setdefault(alert.version, []).append((why, alert))
        if new != stored.get(where):
            moved.append(new)
    upsert(connection, notices, [vars(notice) for notice in moved])
    for version, told in pages.items():
        why = "firing" if any(why == "firing" for why, _alert in told) else "flapping"
        first = told[0][1].trigger
        body: dict[str, Any] = {"version": version, "why": why, "trigger": first, "text": _text(policy, version, told)}
        body["keys"] = [alert.key for _why, alert in told if alert.trigger == first]
        body["alerts"] = [
            {"id": alert_ids.of(vars(alert)), "trigger": alert.trigger, "key": alert.key, "why": why}
            for why, alert in told
        ]
        incidents.page(connection, settings, clock, policy, why=why, text=body["text"], severity="page", body=body)


def step(
    notice: Notice, alert: Alert, now: float, *, crossed: bool, flaps: bool, pages: bool, mute: bool
) -> tuple[Notice, str | None]:
    """Return what people know of an alert after a pass, and why they are paged now, None if they are not.

    A trouble pages once. One that comes back within 30 minutes of its page is the same to whoever was woken: it pages
    again only if it still fires when they are over. What a silence muted is news when the silence ends.

    Parameters
    ----------
    notice, alert, now
        What people knew, where the alert stands after this pass, and the time.
    crossed
        Whether it began or stopped firing in this pass.
    flaps
        Whether it did so for the fourth time in 30 minutes.
    pages, mute
        Whether alerts of its severity page, and whether a silence or maintenance covers it.
    """
    # What lies in the future was written before the clock was set back: how long ago is unknown, and long enough.
    if notice.flapping is not None and notice.moved is not None and not -SET_BACK <= now - notice.moved < QUIET:
        notice = replace(notice, flapping=None, told="")
    if crossed:
        notice = replace(notice, moved=now)
    if flaps and notice.flapping is None:
        notice = replace(notice, flapping=now)
    if mute:
        return replace(notice, told="", paged=None), None
    if notice.flapping is not None:
        if not pages or notice.told == "flapping" or not (crossed or alert.state == "firing"):
            return notice, None
        return replace(notice, told="flapping", paged=now), "flapping"
    if alert.state not in _RAISED:
        return replace(notice, told=""), None
    recent = notice.paged is not None and -SET_BACK <= now - notice.paged < QUIET
    if not pages or alert.state != "firing" or notice.told or recent:
        return notice, None
    return replace(notice, told="firing", paged=now), "firing"


def _unsteady(connection: Connection, crossed: Iterable[Where], changes: Sequence[Change]) -> set[Where]:
    """Return the alerts whose last four beginnings and ends of firing lie within 30 minutes of event time.

    Only those count, so that one trouble that is pending, fires, recovers and is resolved is none of it. Event time,
    so that a pass that catches up on a day does not take the day's troubles for one minute's.
    """
    c = transitions.c
    begin = min((one.at for one in changes), default=0.0) - QUIET
    found = set()
    for where in crossed:
        mine = (c.policy == where.policy) & (c.version == where.version)
        mine &= (c.trigger == where.trigger) & (c.key == where.key)
        times = select(c.at).where(mine, c.at >= begin, or_(c.old == "firing", c.new == "firing"))
        last = connection.execute(times.order_by(c.id.desc()).limit(FLAPS)).scalars().all()
        if len(last) == FLAPS and max(last) - min(last) <= QUIET:
            found.add(where)
    return found


def _load(connection: Connection, policy: str) -> Mapping[Where, Notice]:
    rows = connection.execute(select(notices).where(notices.c.policy == policy))
    return {Where(row.policy, row.version, row.trigger, row.key): Notice(**row._mapping) for row in rows}


def _where(alert: Alert) -> Where:
    return Where(alert.policy, alert.version, alert.trigger, alert.key)


def _text(policy: str, version: str, told: Sequence[tuple[str, Alert]]) -> str:
    """Write a sentence for each trigger; where there are several, what they have in common comes first."""
    groups: dict[tuple[str, str], list[Alert]] = {}
    for why, alert in told:
        groups.setdefault((alert.trigger, why), []).append(alert)
    about = f"for {policy}" + ("" if version == "*" else f" under {version}")
    if len(groups) == 1:
        return " ".join(_sentence(why, alerts, f" {about}") for (_trigger, why), alerts in groups.items())
    lines = [_sentence(why, alerts, "") for (_trigger, why), alerts in groups.items()]
    return f"{len(groups)} triggers {about}. " + " ".join(lines)


def _sentence(why: str, alerts: Sequence[Alert], about: str) -> str:
    first = alerts[0]
    named = f" {first.key}" if first.key else ""
    more = f" and {len(alerts) - 1} more series" if len(alerts) > 1 else ""
    if why == "flapping":
        often = f"began or stopped firing {FLAPS} times within 30 minutes; the next page is after 30 quiet ones"
        return f"{first.trigger}{named}{more} flaps{about}: it {often}. {first.reason}"
    return f"{first.trigger}{named}{more} fires{about}: {first.reason}"
