"""What happened besides the numbers: rollbacks, stages, incidents and baselines, to be marked on every time chart."""

from __future__ import annotations

import json

import pandas as pd
from sqlalchemy import Connection, select

from monitor.store.tables import events

KINDS = {
    "rollback.requested": "rollback",
    "rollback.limited": "held",
    "rollback.blocked": "held",
    "action.confirmed": "confirmed",
    "baseline.frozen": "baseline",
    "rollout.applying": "stage",
    "rollout.stable": "stage",
    "incident.opened": "incident",
    "incident.resolved": "incident",
}
COLUMNS = ("time", "kind", "text")


def markers(connection: Connection, policy: str, begin: float, end: float) -> pd.DataFrame:
    """Return what is marked on the time axis of a policy's charts.

    Parameters
    ----------
    connection, policy
        The read transaction, and whose charts.
    begin, end
        Seconds since 1970 on the injected clock.

    Returns
    -------
    DataFrame
        ``time`` (seconds), ``kind`` (rollback, held, confirmed, baseline, stage, incident), ``text``.
    """
    found = select(events).where(
        events.c.policy == policy, events.c.kind.in_(KINDS), events.c.at >= begin, events.c.at <= end
    )
    rows = []
    for row in connection.execute(found.order_by(events.c.id)):
        body = json.loads(row.body)
        if body.get("event") == "resume":  # the share stayed
            continue
        rows.append((row.at, KINDS[row.kind], _text(row.kind, body)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _text(kind: str, body: dict[str, object]) -> str:
    if kind == "rollback.requested":
        return f"rollback {body['from_version']} → {body['to_version']}"
    if kind == "action.confirmed":
        return f"confirmed: {body.get('text', '')}"
    if kind == "baseline.frozen":
        return f"baseline {body.get('id', '')} frozen".replace("  ", " ")
    if kind == "rollout.applying":
        return f"{body['candidate']} {body['stage_name']}"
    if kind == "rollout.stable":
        return f"{body['candidate']} serves"
    if kind.startswith("incident."):
        return f"incident {body['incident']} {kind.removeprefix('incident.')}"
    return str(body.get("text", "rollback held: a person must decide"))
