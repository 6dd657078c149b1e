"""A reviewer's verdict on one disagreement: kept, added up with the others', and paged about where it says exploit."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select, update

from monitor import events, incidents
from monitor.clock import Clock
from monitor.review import told
from monitor.store.database import upsert
from monitor.store.tables import review_verdicts, reviews
from runbooks.reviews import Verdict, decision, is_finding, step


class ReviewError(ValueError):
    """The verdict cannot be taken; the message says what to change."""


def judge(
    connection: Connection, clock: Clock, identity: str, *, by: str, verdict: str, note: str, actor: str
) -> dict[str, Any] | None:
    """Take one reviewer's verdict inside the caller's write transaction; None if there is no such item.

    A reviewer has one verdict and may change it: what it was before stays in the events. Two different people decide
    an item when they agree; where they do not, it waits for a third, or for one of them to be convinced.

    Parameters
    ----------
    connection, clock, identity
        The open write transaction, the time, and the item's id.
    by
        The reviewer's name, however it is spelled (``told.reviewer_of``).
    verdict, note
        What they say, and why.
    actor
        Who asks, for the record.

    Raises
    ------
    ReviewError
        If the name is missing, or there is no such verdict.
    """
    reviewer = told.reviewer_of(by)
    if not reviewer:
        raise ReviewError("say who judges: a review counts people, so it needs a name")
    if verdict not in set(Verdict):
        raise ReviewError(f"there is no verdict {verdict!r}: say {', '.join(Verdict)}")
    here = reviews.c.id == identity
    # Changes nothing, and holds the row: two verdicts, or a verdict and a landing that displaces the item, take turns.
    held = update(reviews).where(here).values(state=reviews.c.state)
    if connection.execute(held).rowcount != 1:
        return None
    row = connection.execute(select(reviews).where(here)).one()
    before = told.verdicts(connection, [identity])
    was = next((one for one in before if one.reviewer == reviewer), None)
    if was is None or (was.verdict, was.note) != (verdict, note):
        mine = {"review": identity, "reviewer": reviewer, "name": by.strip(), "verdict": verdict, "note": note}
        upsert(connection, review_verdicts, [{**mine, "at": clock.now()}])
        _add_up(connection, clock, row, verdict, [one.verdict for one in before if one.reviewer != reviewer], actor)
        body = {**mine, "version": row.version, "was": None if was is None else was.verdict}
        events.record(connection, clock, "review.judged", row.policy, actor, body)
    return told.one(connection, clock, identity, viewer=reviewer)


def _add_up(connection: Connection, clock: Clock, row: Row[Any], verdict: str, others: list[str], actor: str) -> None:
    """Move the item to where the verdicts lead, and page once when it becomes an open exploit."""
    said = [*others, verdict]
    event, agreed = decision(said)
    state = step(row.state, event)
    finding = is_finding(said)
    at = (row.exploit or clock.now()) if finding else None
    here = (reviews.c.id == row.id) & (reviews.c.state == row.state)
    connection.execute(update(reviews).where(here).values(state=state.value, verdict=agreed or "", exploit=at))
    about = {"review": row.id, "version": row.version, "decision_id": row.decision_id}
    if finding and row.exploit is None:
        text = (
            f"A reviewer says that {row.version}, which shadows {row.policy}, exploits the reward in decision "
            f"{row.decision_id}: it would have done {row.shadow_action} where {row.live_action} was done. "
            f"It must not go live: look at review {row.id}."
        )
        incidents.page_person(connection, clock, row.policy, why="exploit", text=text, body=about)
    elif not finding and row.exploit is not None:
        events.record(connection, clock, "review.cleared", row.policy, actor, about)
