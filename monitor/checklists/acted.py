"""Facts about what was done: rollbacks, and the ledger of firings with what followed each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from monitor import events
from monitor.checklists.span import Span
from monitor.store.tables import actions, transitions
from monitor.store.tables import events as log
from runbooks.checklist.facts import Firing, Return

BEFORE, AFTER = 1.0, 60.0  # seconds around a transition in which its own transaction wrote the rollback's event
_OVER = {"resolved", "recovering"}


def gather(connection: Connection, span: Span) -> dict[str, Any]:
    """Return the fields of ``Facts`` that actions, transitions and events fill."""
    configured = span.settings.policy[span.policy]
    chain = configured.fallbacks or (configured.incumbent,)
    rows = connection.execute(
        select(actions).where(actions.c.policy == span.policy).order_by(actions.c.requested)
    ).all()
    returns = tuple(_return(row) for row in rows if row.kind == "rollback" and row.state != "dry_run")
    firings = _firings(connection, span, {row.id: row for row in rows})
    return {
        "fallback": next((version for version in chain if version != span.version), None),
        "returns": returns,
        "firings": firings,
        "datasets": {
            "actions": span.cite_values("rollbacks", len(returns), [vars(r) for r in returns]),
            "firings": span.cite_values("firings", len(firings), [vars(f) for f in firings]),
        },
    }


def _return(row: Row[Any]) -> Return:
    seconds = None if row.real_acknowledged is None else max(0.0, row.real_acknowledged - row.real_requested)
    return Return(row.from_version, row.to_version, row.trigger, row.state, seconds, row.confirmed)


def _firings(connection: Connection, span: Span, acted: dict[str, Row[Any]]) -> tuple[Firing, ...]:
    c = transitions.c
    of_policy = select(transitions).where(c.policy == span.policy, c.severity == "rollback", ~c.dry_run)
    moved = connection.execute(of_policy.order_by(transitions.c.id)).all()
    told = connection.execute(
        select(log).where(log.c.policy == span.policy, log.c.kind.like("rollback.%")).order_by(log.c.id)
    ).all()
    paged = connection.execute(
        select(log.c.body).where(log.c.policy == span.policy, log.c.kind == events.PAGE)
    ).scalars()
    paged_about = {json.loads(body).get("action") for body in paged}
    found = []
    for index, row in enumerate(moved):
        if row.new != "firing" or row.old == "recovering":
            continue
        answer, identities = _answer(row, told, acted)
        if not answer:
            answer, identities = _held(row, acted)
        if not answer and _over(row, moved[index + 1 :]):
            answer = "over"
        found.append(
            Firing(row.trigger, row.key, row.version, row.at, answer, bool(answer), bool(paged_about & set(identities)))
        )
    return tuple(found)


def _answer(row: Row[Any], told: Sequence[Row[Any]], acted: dict[str, Row[Any]]) -> tuple[str, list[str]]:
    """Return what followed a firing, and the actions that did it: the first event of its own transaction."""
    for event in told:
        if not row.created - BEFORE <= event.at <= row.created + AFTER:
            continue
        body = json.loads(event.body)
        if body.get("trigger") != row.trigger or body.get("from_version") != row.version:
            continue
        kind = event.kind.removeprefix("rollback.")
        if kind == "unneeded":
            return kind, []
        identities = body.get("actions") or [body.get("action", "")]
        if kind == "blocked" and all(acted[one].state == "cancelled" for one in identities if one in acted):
            return "ended", identities
        states = [acted[identity].state for identity in identities if identity in acted]
        pending = [state for state in states if state not in {"confirmed", "superseded"}]
        if kind == "requested" and states and not pending:
            return ("confirmed" if "confirmed" in states else "superseded"), identities
        return (pending[0] if pending else kind), identities
    return "", []


def _held(row: Row[Any], acted: dict[str, Row[Any]]) -> tuple[str, list[str]]:
    """Return the rollback without a version to go to that stood when this one fired too: it pages once for all."""
    held = [one for one in acted.values() if one.from_version == row.version and not one.to_version]
    held = [one for one in held if one.state != "dry_run"]
    newest = max((one for one in held if one.requested <= row.created), key=lambda one: one.requested, default=None)
    if newest is None:
        return "", []
    return ("ended" if newest.state == "cancelled" else newest.state), [newest.id]


def _over(row: Row[Any], later: Sequence[Row[Any]]) -> bool:
    """Whether the pass that found the firing also found its end: it was catching up with the log."""
    same = (item for item in later if (item.version, item.trigger, item.key) == (row.version, row.trigger, row.key))
    following = next(same, None)
    return following is not None and following.new in _OVER and following.created <= row.created + BEFORE
