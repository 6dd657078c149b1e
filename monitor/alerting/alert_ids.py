"""Names of alerts in addresses: an alert is one series of one trigger under one version of a policy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from monitor.events import canonical
from monitor.store.tables import alerts

LENGTH = 16  # hex digits: 64 bits, so that a billion alerts share none but with a chance of 3 %


def identify(policy: str, version: str, trigger: str, key: str) -> str:
    """Return an alert's id: always the same one for the same alert, in any process and database.

    Computed and not stored, so that whoever knows the four names knows the address before the alert was ever judged.

    >>> identify("bids", "v7", "no_data", "")
    'ddc945a30e1772f8'
    """
    return hashlib.sha256(canonical([policy, version, trigger, key]).encode()).hexdigest()[:LENGTH]


def of(row: Mapping[str, Any]) -> str:
    """Return the id of a row or a dictionary with the four names."""
    return identify(row["policy"], row["version"], row["trigger"], row["key"])


def find(connection: Connection, identity: str) -> tuple[str, str, str, str] | None:
    """Return policy, version, trigger and key of an alert that was ever judged; None if there is no such."""
    names = select(alerts.c.policy, alerts.c.version, alerts.c.trigger, alerts.c.key)
    found = (tuple(row) for row in connection.execute(names))
    return next(((p, v, t, k) for p, v, t, k in found if identify(p, v, t, k) == identity), None)
