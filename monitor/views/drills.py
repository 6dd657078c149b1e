"""Drills that were performed: which triggers were seen to work, when, and how quick each step was."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from monitor.drill import kept
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
