"""The runbook page of the trigger that fired, with what was measured filled in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from monitor import playbook
from monitor.settings import ConfigurationError, Settings
from runbooks import pages


def runbook(connection: Connection, settings: Settings, policy: str, trigger: str) -> dict[str, Any]:
    """Return a trigger's page for a policy; ``fault`` is why there is none."""
    try:
        found = playbook.shown(connection, settings, policy, trigger)
        for step in found["front"]["steps"]:
            step["expect"] = pages.fill(step["expect"], found["values"], trigger)
        return {**found, "fault": ""}
    except ConfigurationError as error:
        return {"trigger": trigger, "fault": str(error)}
