"""Who is woken for an alert: firings of severity page, once each, unless an overlay mutes them.

Written in the transaction that moves the alert, so that a page is there exactly when the transition is. Rollbacks page
about themselves (``events.page``) and never come here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from monitor import events
from monitor.clock import Clock
from monitor.decide import Alert, Change
from monitor.overlays import QUIET, muted, mutes
from monitor.settings import Settings
from monitor.store.database import upsert
from monitor.store.tables import notices

_RAISED = frozenset({"firing", "recovering"})
Where = tuple[str, str, str]  # version, trigger, key


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

    Runs in every pass, not only in those that change an alert: a silence ends without a transition. Series of one
    trigger that fire together are one page.

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
    held = mutes(connection, settings, now, policy)
    known = settings.triggers(policy)
    pages: dict[tuple[str, str, str], list[Alert]] = {}
    moved = []
    for alert in looked:
        where = _where(alert)
        old = stored.get(where) or Notice(policy, *where)
        new, why = step(
            old,
            alert,
            now,
            crossed=where in crossed,
            pages=alert.severity == "page" and alert.trigger in known,
            mute=muted(held, policy, alert.trigger, alert.version),
        )
        if why:
            pages.setdefault((alert.trigger, alert.version, why), []).append(alert)
        if new != old:
            moved.append(new)
    upsert(connection, notices, [vars(notice) for notice in moved])
    for (trigger, version, why), alerts in pages.items():
        body = {"trigger": trigger, "version": version, "keys": [one.key for one in alerts], "why": why}
        text = _text(policy, why, alerts)
        events.record(connection, clock, events.PAGE, policy, "checkrein", {**body, "text": text})


def step(
    notice: Notice, alert: Alert, now: float, *, crossed: bool, pages: bool, mute: bool
) -> tuple[Notice, str | None]:
    """Return what people know of an alert after a pass, and why they are paged now, None if they are not.

    A trouble pages once. One that comes back within 30 minutes of its page is the same to whoever was woken: it pages
    again only if it still fires when they are over. What a silence muted is news when the silence ends.
    """
    if crossed:
        notice = replace(notice, moved=now)
    if mute:
        return replace(notice, told="", paged=None), None
    if alert.state not in _RAISED:
        return replace(notice, told=""), None
    recent = notice.paged is not None and now - notice.paged < QUIET
    if not pages or alert.state != "firing" or notice.told or recent:
        return notice, None
    return replace(notice, told="firing", paged=now), "firing"


def _load(connection: Connection, policy: str) -> Mapping[Where, Notice]:
    rows = connection.execute(select(notices).where(notices.c.policy == policy))
    return {(row.version, row.trigger, row.key): Notice(**row._mapping) for row in rows}


def _where(alert: Alert) -> Where:
    return alert.version, alert.trigger, alert.key


def _text(policy: str, why: str, alerts: Sequence[Alert]) -> str:
    first = alerts[0]
    named = f" {first.key}" if first.key else ""
    more = f" and {len(alerts) - 1} more series" if len(alerts) > 1 else ""
    version = "" if first.version == "*" else f" under {first.version}"
    return f"{first.trigger}{named}{more} fires for {policy}{version}: {first.reason}"
