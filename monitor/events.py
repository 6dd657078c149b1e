"""The append-only record of everything that happened, and the pages that people get out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from monitor.clock import Clock
from monitor.store.tables import events

PAGE = "page"
REPLAYED = "action.replayed"


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no spaces, so that equal things have equal bytes.

    >>> canonical({"b": 1, "a": "é"})
    '{"a":"é","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def record(connection: Connection, clock: Clock, kind: str, policy: str, actor: str, body: Mapping[str, Any]) -> None:
    """Append one event inside the caller's transaction, so that it is there exactly when the change is."""
    row = {"at": clock.now(), "real_at": clock.real(), "kind": kind, "policy": policy, "actor": actor}
    connection.execute(insert(events), [{**row, "body": canonical(body)}])


def page(connection: Connection, clock: Clock, policy: str, *, why: str, action: str, text: str) -> bool:
    """Append the event that pages a person about an action, once for each reason; False if it is there already.

    Replaying the action makes the next failure news again. The caller holds the action's row (it has just updated
    it), so that two workers cannot both find nothing.
    """
    last = connection.execute(
        select(events.c.kind)
        .where(
            events.c.policy == policy,
            (events.c.kind == REPLAYED) | ((events.c.kind == PAGE) & events.c.body.contains(f'"why":{canonical(why)}')),
            events.c.body.contains(f'"action":{canonical(action)}'),
        )
        .order_by(events.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last == PAGE:
        return False
    record(connection, clock, PAGE, policy, "checkrein", {"action": action, "why": why, "text": text})
    return True


def since(connection: Connection, kind: str, at: float) -> Sequence[Row[Any]]:
    """Return the events of a kind that happened after ``at``, oldest first."""
    found = select(events).where(events.c.kind == kind, events.c.at > at).order_by(events.c.id)
    return connection.execute(found).all()


def paged_since(connection: Connection, why: str, at: float) -> bool:
    """Whether anybody was paged for this reason after ``at``, about any policy."""
    return any(json.loads(row.body).get("why") == why for row in since(connection, PAGE, at))


def paged_about(connection: Connection, policy: str, why: str, body: Mapping[str, Any]) -> bool:
    """Whether somebody was paged for this reason with all of these fields."""
    found = select(events.c.body).where(
        events.c.policy == policy, events.c.kind == PAGE, events.c.body.contains(f'"why":{canonical(why)}')
    )
    return any(body.items() <= json.loads(row.body).items() for row in connection.execute(found))
