"""Facts about a version's time in shadow, from the review queue."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Connection, select

from monitor.checklists.span import DAY, Span
from monitor.clock import Clock
from monitor.review import concluded
from monitor.store.tables import reviews
from runbooks.checklist.review_facts import Planted, Reviewed, ShadowDay
from runbooks.reviews import WAITING, ReviewState


def gather(connection: Connection, span: Span, clock: Clock) -> dict[str, Any]:
    """Return ``reviewed``, and its citation; None where the version never was a shadow.

    The age of what waits is taken at the clock, as people see it; all else is of the data.
    """
    counted = concluded.days(connection, span.policy, span.version)
    if not counted:
        return {"datasets": {"reviews": span.cite_values(f"shadow reviews of {span.version}", 0, [])}}
    c = reviews.c
    rows = connection.execute(
        select(c.id, c.state, c.verdict, c.stratum, c.ts, c.added, c.exploit)
        .where(c.policy == span.policy, c.version == span.version)
        .order_by(c.id)
    ).all()
    sampled = [row for row in rows if row.stratum != "planted" and row.state != ReviewState.DISPLACED.value]
    newest = max((row for row in rows if row.stratum == "planted"), key=lambda row: row.ts, default=None)
    planted = None
    if newest is not None:
        days = max(0.0, round((span.end - newest.ts) / DAY, 1))
        planted = Planted(round(max(0.0, newest.added - newest.ts), 3), days)
    within = span.settings.policy[span.policy].review.within
    told = concluded.agreement(connection, span.policy, span.version)
    rates: dict[str, Any] = next((one["rates"] for one in told["versions"]), {})
    found = Reviewed(
        days=tuple(ShadowDay(row.day, row.rows, row.paired, row.differing, row.large) for row in counted),
        queued=len(sampled),
        decided=Counter(row.state for row in sampled)[ReviewState.DECIDED.value],
        overdue=sum(row.state in WAITING and clock.now() - row.added > within for row in sampled),
        exploits=sum(row.exploit is not None for row in rows),
        items=told["items"],
        unanimous=told["unanimous"],
        alpha=None if told["alpha"] is None else told["alpha"]["value"],
        planted=planted,
        rates={name: (one["value"], one["low"], one["high"]) for name, one in rates.items() if one is not None},
    )
    seen = [[row.id, row.state, row.verdict, row.exploit is not None] for row in rows]
    cited = span.cite_values(f"shadow reviews of {span.version}", len(rows), [seen, [vars(day) for day in found.days]])
    return {"reviewed": found, "datasets": {"reviews": cited}}
