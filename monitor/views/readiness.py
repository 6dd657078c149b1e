"""The readiness checklist of a policy, as ``checkrein checklist run`` or the scheduled job left it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from monitor import checklists
from monitor.clock import Clock
from monitor.settings import ConfigurationError, Settings


def readiness(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return the newest run of the checklist of the version that serves (see ``monitor.checklists.read``).

    ``fault`` is why there is no checklist, where its template cannot be read.
    """
    try:
        return {**checklists.read(connection, settings, clock, policy), "fault": ""}
    except ConfigurationError as error:
        return {"ran": False, "fault": str(error), "summary": {}, "items": [], "phases": [], "gates": {}, "run": None}
