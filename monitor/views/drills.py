"""Drills that were performed: which triggers were seen to work, when, and how quick each step was."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from monitor.clock import Clock
from monitor.drill import kept
from monitor.settings import Settings
from monitor.store.tables import drills as table


def drills(connection: Connection, policy: str | None = None, most: int = 200) -> list[dict[str, Any]]:
    """Return the newest drills first, without their steps."""
    found = select(table).order_by(table.c.id.desc()).limit(most)
    if policy is not None:
        found = found.where(table.c.policy == policy)
    return [
        {name: value for name, value in kept.shown(row).items() if name != "steps"} for row in connection.execute(found)
    ]


def drill(connection: Connection, identity: int) -> dict[str, Any] | None:
    """Return one drill with its steps, and whether its row still is what its digest was taken of; None: no such."""
    row = connection.execute(select(table).where(table.c.id == identity)).one_or_none()
    return None if row is None else {**kept.shown(row), "intact": kept.intact(row)}


def drilled(connection: Connection, settings: Settings, clock: Clock) -> list[dict[str, Any]]:
    """Return every rollback trigger of every policy, and its kill switch, with what their drills showed.

    Returns
    -------
    list of dict
        ``policy``, ``trigger``, ``passed`` (end of the newest passed drill whose row is intact, None for never),
        ``overdue`` (a sentence, "" where it is not), ``newest`` (the newest drill with its steps, None for never).
    """
    passed = kept.newest_passed(connection)
    last = select(func.max(table.c.id)).group_by(table.c.policy, table.c.trigger)
    newest = {
        (row.policy, row.trigger): kept.shown(row)
        for row in connection.execute(select(table).where(table.c.id.in_(last)))
    }
    found = []
    for policy in settings.policy:
        late = {one["trigger"]: one["sentence"] for one in kept.overdue(connection, settings, clock, policy)}
        rules = settings.triggers(policy)
        wanted = [name for name, rule in sorted(rules.items()) if rule.severity == "rollback"]
        extra = sorted(name for where, name in newest if where == policy and name in rules and name not in wanted)
        for trigger in [kept.KILL, *wanted, *extra]:
            row = passed.get((policy, trigger))
            found.append(
                {
                    "policy": policy,
                    "trigger": trigger,
                    "passed": None if row is None else row.ended,
                    "overdue": late.get(trigger, ""),
                    "newest": newest.get((policy, trigger)),
                }
            )
    return found
