"""Whether the decision log shows a stage's share: the candidate's part of the newest decisions, by arrival."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from monitor.acting.shares import Window
from monitor.clock import Clock
from monitor.settings import Confirmation
from monitor.store.tables import traffic

EXPECTED = 10.0  # decisions of the candidate that the share promises, before the log can tell
SIGMAS = 4.0  # of the binomial: 1 in 16,000 for a share that is right


def newest(
    connection: Connection, clock: Clock, action: Row[Any], since: float, rule: Confirmation, lateness: float
) -> list[Window]:
    """Return the newest complete windows that are enough to tell the share, oldest first; none while there are not.

    At least ``rule.windows`` of them, and as many as hold ten expected decisions of each side: at 1% of a slow log
    three windows of 10 s hold none of the candidate's at all. A window's ``old`` is the candidate's decisions.
    """
    c = traffic.c
    mine = func.sum(case((c.version == action.to_version, c.rows), else_=0))
    found = connection.execute(
        select(c.start, func.sum(c.rows).label("rows"), mine.label("mine"))
        .where(c.policy == action.policy, c.start >= math.ceil(since / rule.window) * rule.window, c.rows > 0)
        .group_by(c.start)
        .order_by(c.start.desc())
    ).all()
    now, last = clock.now(), found[0].start if found else 0.0
    picked: list[Window] = []
    least = min(action.share, 1.0 - action.share) or 1.0
    for row in found:
        if now < row.start + rule.window + (0.0 if row.start < last else lateness):
            continue
        picked.append(Window(row.start, int(row.rows), int(row.mine), True))
        if len(picked) >= rule.windows and sum(one.rows for one in picked) * least >= EXPECTED:
            return picked[::-1]
    return []


def shown(windows: list[Window], share: float, tolerance: float) -> bool:
    """Whether the candidate's part of these decisions is the share: within the tolerance or chance.

    >>> shown([Window(0.0, 1000, 52, True)], 0.05, 0.01), shown([Window(0.0, 1000, 120, True)], 0.05, 0.01)
    (True, False)
    >>> shown([Window(0.0, 1000, 0, True)], 0.01, 0.01), shown([], 0.5, 0.01)
    (False, False)
    """
    rows, mine = sum(one.rows for one in windows), sum(one.old for one in windows)
    if not rows or not mine:
        return False
    off = SIGMAS * math.sqrt(share * (1.0 - share) / rows)
    return abs(mine / rows - share) <= max(tolerance, off)
