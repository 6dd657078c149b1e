"""An incident in a sentence and a few fields: what every page, command and answer shows of it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row

from monitor.clock import stamp
from runbooks.incidents import ANSWERED, IncidentState

_TIMES = ("opened", "mitigated", "resolved", "closed")


def shown(row: Row[Any]) -> dict[str, Any]:
    """Return one incident without its history."""
    names = ("policy", "state", "severity", "level", "title", "reason", "ack_by", "resolved_by", "reopened", "led_by")
    answered = row.state in ANSWERED
    waits = row.state == IncidentState.TRIGGERED and row.real_next_escalation is not None
    return {
        "number": row.id,
        "page": f"/incident/{row.id}",
        **{name: getattr(row, name) for name in names},
        **{name: None if getattr(row, name) is None else stamp(getattr(row, name)) for name in _TIMES},
        "acknowledged_until": stamp(row.real_ack_expires) if answered and row.real_ack_expires else None,
        "next_escalation": stamp(row.real_next_escalation) if waits else None,
        "rolled_back": json.loads(row.rolled_back),
        "sentence": _sentence(row),
    }


def _sentence(row: Row[Any]) -> str:
    said = f"Incident {row.id} of {row.policy} "
    if row.state == IncidentState.TRIGGERED and row.led_by is not None:
        return f"{said}waits with incident {row.led_by}, which wakes people for both."
    if row.state == IncidentState.TRIGGERED:
        return f"{said}is not acknowledged (level {row.level})."
    if row.state in ANSWERED:
        doing = "acknowledged by" if row.state == IncidentState.ACKNOWLEDGED else "being mitigated by"
        return f"{said}is {doing} {row.ack_by} until {stamp(row.real_ack_expires)}."
    if row.state == IncidentState.MITIGATED:
        return f"{said}is mitigated: nothing fires, and it is over after 30 quiet minutes."
    by = f" by {row.resolved_by}" if row.resolved_by else ""
    return f"{said}is {row.state}{by}."
