"""The half of a drill that is real: what was decided is sent, acknowledged, and confirmed from the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from sqlalchemy import Row, select

from monitor.acting.actions import ActionLoop
from monitor.drill.receiver import Loopback
from monitor.drill.site import SERVING, Site
from monitor.drill.steps import Steps
from monitor.drill.stream import Stream
from monitor.runtime import worker_name
from monitor.store.tables import actions

PAUSE = 0.25  # real seconds between two looks at an action
Wait = Callable[[float], object]


def follow(
    site: Site, stream: Stream, receiver: Loopback, healthy: pa.Table, steps: Steps, limit: float, wait: Wait
) -> float | None:
    """Send what the drill's database holds and measure each step; return the seconds until it was confirmed, or None.

    Parameters
    ----------
    site, stream, receiver, healthy
        The drill's parts, its log, its serving side, and rows that the log goes on with.
    steps
        What was measured is added here.
    limit
        Real seconds from the decision to the confirmation.
    wait
        How real time is waited for.
    """
    rows = _rows(site)
    served = next((row for row in rows if row.hook == SERVING), None)
    if served is None or not served.body:
        told = rows[0].last_error if rows else "nothing was asked for"
        steps.add("requested", "failed", f"No rollback was sent: {told}")
        return None
    text = f"{served.from_version} -> {served.to_version}, generation {served.generation}, was decided."
    steps.add("requested", "passed", text, at=served.requested, real=served.real_requested)
    loop = ActionLoop(site.parts.database, site.parts.settings, site.clock, worker_name())
    try:
        rule = site.parts.settings.policy[stream.policy].confirm
        deadline = served.real_requested + limit
        while not _settled(_rows(site)) and site.clock.real() < deadline:
            if loop.run_due() == 0:
                wait(PAUSE)
        for _ in range(rule.windows + 2):
            stream.confirming(healthy, rule.window, receiver.serving)
            loop.run_due()
            if _of(site, served.id).confirmed is not None:
                break
        else:
            while site.clock.real() < deadline and _of(site, served.id).state == "delivered":
                wait(PAUSE)
                loop.run_due()
    finally:
        loop.close()
    return _tell(site, served.id, steps, limit)


def _settled(rows: list[Row[Any]]) -> bool:
    """Whether the serving side has acknowledged and every other receiver has answered for good."""
    return all(
        row.acknowledged is not None if row.hook == SERVING else row.state not in {"pending", "in_flight"}
        for row in rows
    )


def _tell(site: Site, identity: str, steps: Steps, limit: float) -> float | None:
    row = _of(site, identity)
    since = row.real_requested
    if row.real_first_attempt is None:
        steps.add("attempted", "failed", "It was never sent.")
        return None
    steps.within("attempted", row.real_first_attempt - since, limit, "First attempt", row.real_first_attempt)
    if row.real_delivered is None:
        steps.add("delivered", "failed", f"It was not delivered within {limit:g} s. {row.last_error or ''}".strip())
        return None
    steps.within("delivered", row.real_delivered - since, limit, "Delivered", row.real_delivered)
    for other in [one for one in _rows(site) if one.hook != SERVING]:
        if other.real_delivered is None:
            why = f"The receiver {other.hook} did not take the event: {other.last_error or 'it never answered'}"
            steps.add("receiver", "failed", why)
        else:
            took = other.real_delivered - since
            steps.within("receiver", took, limit, f"{other.hook} answered the drill's event", other.real_delivered)
    if row.real_acknowledged is None:
        why = f"Unconfirmed: the receiver answered and shows another version. {row.last_error or ''}".strip()
        steps.add("acknowledged", "failed", why)
        return None
    steps.within("acknowledged", row.real_acknowledged - since, limit, "Acknowledged", row.real_acknowledged)
    if row.real_confirmed is None:
        text = f"Unconfirmed: the log does not show that {row.from_version} stopped."
        steps.add("confirmed", "failed", text)
        return None
    seconds = float(row.real_confirmed - since)
    what = f"The log shows {row.to_version} instead of {row.from_version}: confirmed"
    steps.within("confirmed", seconds, limit, what, row.real_confirmed)
    return seconds


def _rows(site: Site) -> list[Row[Any]]:
    with site.parts.database.read() as connection:
        return list(connection.execute(select(actions).order_by(actions.c.requested, actions.c.id)).all())


def _of(site: Site, identity: str) -> Row[Any]:
    with site.parts.database.read() as connection:
        return connection.execute(select(actions).where(actions.c.id == identity)).one()
