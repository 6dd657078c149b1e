"""Acknowledging an alert: whoever was woken for it takes the policy's open incident, which is what escalates."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from monitor import incidents
from monitor.alerting import alert_ids
from monitor.clock import Clock
from monitor.incidents.rows import current
from monitor.settings import Settings
from monitor.store.tables import alerts
from runbooks.alerts import OPEN


def acknowledge(
    connection: Connection, settings: Settings, clock: Clock, identity: str, by: str, lasts: float | None = None
) -> dict[str, Any] | None:
    """Take the open incident of an alert's policy, inside the caller's write transaction; None if there is no alert.

    Parameters
    ----------
    connection, settings, clock
        The open write transaction, the configuration and the time.
    identity
        The alert's id.
    by, lasts
        Who answers for it, and for how many real seconds; None is as long as an incident is held by itself.

    Raises
    ------
    IncidentConflictError
        If the alert is over, or no incident of its policy is open, or that cannot be taken now.
    IncidentError
        If the name is empty, or the time too long or too short.
    """
    where = alert_ids.find(connection, identity)
    if where is None:
        return None
    policy, version, trigger, key = where
    c = alerts.c
    here = (c.policy == policy, c.version == version, c.trigger == trigger, c.key == key)
    state = connection.execute(select(c.state).where(*here)).scalar_one()
    if state not in OPEN:
        raise incidents.IncidentConflictError(f"{trigger} of {policy} is {state}: there is nothing to acknowledge")
    incident = current(connection, policy)
    if incident is None:
        raise incidents.IncidentConflictError(f"{policy} has no open incident: {trigger} has woken nobody")
    incidents.acknowledge(connection, settings, clock, incident.id, by, lasts)
    return {"alert": identity, "policy": policy, "trigger": trigger, "state": state, "incident": incident.id, "by": by}
