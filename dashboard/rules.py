"""What the page of a policy's triggers asks: the rules and where they stand, and their false-alarm budget."""

from __future__ import annotations

from typing import Any

from dashboard.data import Data
from monitor import views
from monitor.views.triggers import replayed


def triggers(data: Data, policy: str) -> dict[str, Any]:
    """Return ``triggers``, and ``backtest``: the newest one of the settings as they were, None where there is none."""
    parts = data.parts
    with parts.database.read() as connection:
        found = views.triggers(connection, parts.settings, parts.clock, policy)
        return {"triggers": found, "backtest": replayed(connection, policy)}


def budget(data: Data, policy: str) -> dict[str, Any]:
    """Return the false-alarm budget; the first time takes seconds, because the baseline is drawn and judged anew."""
    with data.parts.database.read() as connection:
        return views.budget(connection, data.parts.settings, policy)
