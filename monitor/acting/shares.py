"""The share of traffic that the old version keeps, window by window: what confirms a rollback, or belies it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from monitor.clock import Clock
from monitor.settings import Confirmation
from monitor.store.tables import traffic

_AHEAD = 300.0  # timestamps may run ahead of the clock by the allowed skew


@dataclass(frozen=True)
class Window:
    """Decisions of one short window, and how many of them the old version took."""

    start: float
    rows: int
    old: int
    clean: bool

    def counted(self) -> dict[str, Any]:
        """Return the counts as evidence."""
        return {"start": self.start, "rows": self.rows, "old": self.old}


def latest(
    connection: Connection, clock: Clock, action: Row[Any], since: float, rule: Confirmation, lateness: float
) -> list[Window]:
    """Return the newest ``rule.windows`` windows with decisions that began after ``since``, oldest first; else none.

    Whole windows, and complete ones: their end has passed, and either a later window has rows, so that the log was
    read past them, or nothing came for ``lateness`` seconds. The newest ones decide, so that a version that comes back
    is not confirmed away by an hour that was clean.
    """
    c = traffic.c
    stops = [action.from_version] if action.stops is None else json.loads(action.stops)
    old = func.sum(case((c.version.in_(stops), c.rows), else_=0))
    counted = connection.execute(
        select(c.start, func.sum(c.rows).label("rows"), old.label("old"))
        .where(c.policy == action.policy, c.start >= math.ceil(since / rule.window) * rule.window, c.rows > 0)
        .group_by(c.start)
        .order_by(c.start.desc())
        .limit(rule.windows + math.ceil(_AHEAD / rule.window) + 1)
    ).all()
    now = clock.now()
    newest = counted[0].start if counted else 0.0
    complete = [
        Window(row.start, int(row.rows), int(row.old), int(row.old) <= rule.tolerance * int(row.rows))
        for row in counted
        if now >= row.start + rule.window + (0.0 if row.start < newest else lateness)
    ]
    return complete[: rule.windows][::-1] if len(complete) >= rule.windows else []
