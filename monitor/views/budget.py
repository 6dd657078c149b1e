"""The false-alarm budget of a policy: each rollback trigger's share, and whether it is kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from monitor.budgeting import budget as shares
from monitor.judging.windows import Windows
from monitor.settings import Settings
from monitor.store.tables import backtests

_WINDOWS = Windows()


def budget(connection: Connection, settings: Settings, policy: str) -> dict[str, Any]:
    """Return what `checkrein budget` shows, with the newest backtest of the settings as they are.

    Parameters
    ----------
    connection, settings, policy
        A read transaction, the configuration, and whose triggers.

    Returns
    -------
    dict
        ``at_most``, ``per_s``, ``expected``, ``kept``, ``triggers`` (see monitor.budgeting.budget.Share),
        ``single_events``, and ``backtest``: id and span of the newest replay without changed settings,
        None where there is none.
    """
    found = shares.document(settings, policy, shares.shares(connection, settings, policy, _WINDOWS))
    c = backtests.c
    newest = select(c.id, c.begin, c.end, c.recorded).where(c.policy == policy, c.changes == "[]")
    row = connection.execute(newest.order_by(c.id.desc()).limit(1)).one_or_none()
    return {**found, "backtest": None if row is None else dict(row._mapping)}
