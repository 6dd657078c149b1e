"""Candidate beside incumbent, for a page: the stage that the route of a policy is in now."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from monitor.checklists import beside, gather
from monitor.settings import Settings


def comparison(connection: Connection, settings: Settings, policy: str, version: str) -> dict[str, Any] | None:
    """Return how a version compares with the one beside it in the route; None where it shares the route with none.

    Parameters
    ----------
    connection, settings, policy
        A read transaction, the configuration, and whose route.
    version
        The candidate: one that the route gives a share.
    """
    seen = beside.compared(connection, gather.span_of(connection, settings, policy, version))
    if seen is None:
        return None
    told = {"candidate": version, "incumbent": seen.other, "shares": seen.shares}
    return {**vars(seen.found), "reasons": list(seen.found.reasons), **told}
