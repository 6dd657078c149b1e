"""The shadow review of a policy as a page shows it: the queue, what waits for whom, and what it adds up to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.review import concluded, told
from monitor.settings import Settings
from runbooks.reviews import WAITING, Verdict

VERDICTS = tuple(verdict.value for verdict in Verdict)
WAITS = tuple(sorted(state.value for state in WAITING))  # states of what still waits for people


def reviews(
    connection: Connection, settings: Settings, clock: Clock, policy: str, viewer: str | None = None
) -> dict[str, Any]:
    """Return everything that the page of a policy's shadow review needs.

    Parameters
    ----------
    connection, settings, clock, policy
        The open transaction, the configuration, the time, and whose review.
    viewer
        Who looks: verdicts on items that are not decided are there only for who has given theirs.

    Returns
    -------
    dict
        ``queue`` (open, oldest_s, exploits, finding), ``items`` (see ``monitor.review.told.one``, without snapshots),
        ``next`` (the one for the viewer, with its snapshot, or None), ``agreement`` (``monitor.review.concluded``),
        ``days`` (version, day in seconds since 1970, rows, paired, differing, large).
    """
    return {
        "queue": told.queue(connection, settings, clock, policy),
        "items": told.listed(connection, clock, policy, every=True, viewer=viewer),
        "next": told.following(connection, clock, policy, viewer) if viewer else None,
        "agreement": concluded.agreement(connection, policy),
        "days": [
            {
                "version": row.version,
                "day": row.day * 86400,
                **{name: getattr(row, name) for name in ("rows", "paired", "differing", "large")},
            }
            for row in concluded.days(connection, policy)
        ],
    }


def review(connection: Connection, clock: Clock, identity: str, viewer: str | None = None) -> dict[str, Any] | None:
    """Return one item with its snapshot and, where the viewer may see them, the verdicts; None if there is no such."""
    return told.one(connection, clock, identity, viewer)
