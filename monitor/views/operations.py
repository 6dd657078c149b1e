"""How the product itself does: each channel's messages, each job's last sign of life, actions that need a person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, case, func, select

from monitor import status
from monitor.clock import Clock
from monitor.notify.outbox import waiting
from monitor.running.failures import FAILED
from monitor.settings import Settings
from monitor.store.tables import actions, heartbeats
from monitor.store.tables import notifications as messages
from monitor.views import acting
from runbooks.messages import MessageState

LOOPS = ("actions", "notifications", "watchdog", "auditor")  # give a sign of life every few real seconds
STUCK = ("blocked", "dead_letter")  # what a person replays or cancels


def channels(connection: Connection, settings: Settings, clock: Clock) -> list[dict[str, Any]]:
    """Return every channel: configured ones, and those that messages still name.

    Returns
    -------
    list of dict
        ``name``, ``kind`` ("" where it is not configured any more), ``receivers``, ``policies`` (empty: all),
        ``delivered_s`` (real seconds since the last delivery, None for never), ``waiting``, ``oldest_s``, ``dead``.
    """
    c, real = messages.c, clock.real()
    on_way = waiting()
    statement = select(
        c.channel,
        func.max(c.real_delivered).label("delivered"),
        func.sum(case((on_way, 1), else_=0)).label("waiting"),
        func.min(case((on_way, c.real_requested))).label("oldest"),
        func.sum(case((c.state == MessageState.DEAD_LETTER.value, 1), else_=0)).label("dead"),
    ).group_by(c.channel)
    rows = {row.channel: row for row in connection.execute(statement)}
    found = []
    for name in sorted({*settings.notify, *(name for name, row in rows.items() if row.waiting or row.dead)}):
        row, known = rows.get(name), settings.notify.get(name)
        found.append(
            {
                "name": name,
                "kind": known.kind if known else "",
                "receivers": len(known.targets) if known else 0,
                "policies": list(known.policies) if known else [],
                "digest": bool(known and known.digest),
                "delivered_s": None if row is None or row.delivered is None else real - row.delivered,
                "waiting": row.waiting if row else 0,
                "oldest_s": None if row is None or row.oldest is None else max(0.0, real - row.oldest),
                "dead": row.dead if row else 0,
            }
        )
    return found


def jobs(connection: Connection, settings: Settings, clock: Clock) -> list[dict[str, Any]]:
    """Return every job and loop with its last sign of life: what fails first, then what is late, then the rest.

    Returns
    -------
    list of dict
        ``job``, ``state`` (failing | late | never | seen), ``age_s`` (real seconds, None for never), ``note``.
    """
    rows = {row.part: row for row in connection.execute(select(heartbeats))}
    late = status.stale_jobs(connection, settings, clock)
    found = []
    known = {*rows, *late, "actions", *(["notifications"] if settings.notify else [])}
    for part in sorted(part for part in known if not part.startswith(FAILED)):
        row = rows.get(part)
        age = None if row is None else clock.real() - row.real_at
        overdue = part in LOOPS and age is not None and abs(age) > status.LATEST
        state = "never" if row is None else "late" if overdue or part in late else "seen"
        found.append({"job": part, "state": state, "age_s": age, "note": row.note if row else ""})
    for part, row in rows.items():
        if part.startswith(FAILED):
            name = part.removeprefix(FAILED)
            found = [one for one in found if one["job"] != name]
            found.append({"job": name, "state": "failing", "age_s": clock.real() - row.real_at, "note": row.note})
    order = ("failing", "late", "never", "seen")
    return sorted(found, key=lambda one: (order.index(one["state"]), one["job"]))


def stuck(connection: Connection, most: int = 100) -> list[dict[str, Any]]:
    """Return the actions that could not be delivered and wait for a person, newest first."""
    c = actions.c
    wanted = select(c.id).where(c.state.in_(STUCK)).order_by(c.requested.desc(), c.id).limit(most)
    found = acting.of_identities(connection, list(connection.execute(wanted).scalars()))
    return sorted(found, key=lambda one: -one["requested"])
