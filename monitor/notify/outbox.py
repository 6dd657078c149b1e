"""The messages that are still to be sent: claimed, marked, replayed and cancelled like actions are."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, case, exists, func, or_, update

from monitor import events
from monitor.acting.queued import STILL, Queue, afresh, delay
from monitor.clock import Clock
from monitor.events import canonical
from monitor.hooks.answer import Answer
from monitor.notify.message import Message, parsed
from monitor.store.tables import notifications
from runbooks.messages import WAITING, MessageEvent, MessageState, accepting, step

GIVE_UP = 86400.0  # real seconds after the first attempt
GIVE_UP_TEST = 600.0  # of a test: whoever asked for it has gone home
LEAST = 10  # attempts before anything is given up: a machine's clock may jump, or nobody ran for a day


@dataclass(frozen=True)
class Claim:
    """One attempt that is ours to make, until the lease ends or somebody's fence is higher."""

    id: str
    channel: str
    state: str
    fence: int
    attempts: int
    first_attempt: float
    reached: frozenset[str]
    message: Message


def _in_turn(here: FromClause) -> ColumnElement[bool]:
    """Hold back what another message of the same trouble goes before: nothing is resolved that was not paged."""
    before = notifications.alias()
    same = (before.c.channel == here.c.channel, before.c.dedup == here.c.dedup, before.c.place < here.c.place)
    return ~exists().where(*same, before.c.state.in_(WAITING)).correlate(here)


def _urgent(here: FromClause) -> tuple[ColumnElement[Any], ...]:
    """Order what somebody waits for before what can wait, so that a queue of digests delays no page."""
    return (case((here.c.kind.in_(("page", "test")), 0), else_=1),)


QUEUE = Queue(notifications, "channel", accepting(MessageEvent.CLAIM), _in_turn, _urgent)


def claim(connection: Connection, clock: Clock, channel: str, lasts: float) -> Claim | None:
    """Take the channel's first due message, or None: one conditional UPDATE decides who has it."""
    row = QUEUE.claim(connection, clock, channel, lasts)
    if row is None:
        return None
    reached, message = frozenset(json.loads(row.reached)), parsed(row.body)
    return Claim(row.id, row.channel, row.state, row.fence, row.attempts, row.real_first_attempt, reached, message)


def mark(connection: Connection, clock: Clock, held: Claim, answer: Answer, reached: Collection[str]) -> bool:
    """Write what came of an attempt, and which receivers have the message; False when the claim was lost."""
    real, told = clock.real(), held.message
    happened = {"delivered": MessageEvent.DELIVER, "retry": MessageEvent.RETRY, "blocked": MessageEvent.REFUSE}
    event = happened[answer.outcome]
    lasts = GIVE_UP_TEST if told.kind == "test" else GIVE_UP
    if event is MessageEvent.RETRY and held.attempts >= LEAST and real - held.first_attempt >= lasts:
        event = MessageEvent.GIVE_UP
    new = step(held.state, event)
    values: dict[str, Any] = {
        "state": new.value,
        **STILL,
        "reached": canonical(sorted(reached)),
        "last_error": None if new is MessageState.DELIVERED else answer.detail,
    }
    if new is MessageState.PENDING:
        values["real_due"] = real + max(delay(held.attempts, held.id), answer.retry_after or 0.0)
    if new is MessageState.DELIVERED:
        values["real_delivered"] = func.coalesce(notifications.c.real_delivered, real)
    if not QUEUE.mark(connection, held, values):
        return False
    if new is MessageState.DELIVERED:
        _overtaken(connection, held)
    if new is not MessageState.PENDING or held.attempts == 1:
        kind = {"delivered": "delivered", "dead_letter": "dead_letter"}.get(new.value, "failing")
        body = {"notification": held.id, "channel": held.channel, "kind": told.kind, "attempts": held.attempts}
        body |= {"incident": told.incident, "drill": told.drill, "detail": answer.detail}
        events.record(connection, clock, f"notification.{kind}", told.policy, "checkrein", body)
    return True


def _overtaken(connection: Connection, held: Claim) -> None:
    """Cancel what waited behind a message that went through where a newer page of the same trouble waits, too.

    A level that repeats while the channel is down would otherwise wake somebody twenty times when it is back. Only
    then: while nothing goes through the oldest one keeps its age, and becomes a dead letter in its time.
    """
    c, newer = notifications.c, notifications.alias()
    same = (newer.c.channel == c.channel, newer.c.dedup == c.dedup, newer.c.place > c.place)
    page = exists().where(*same, newer.c.kind == "page", newer.c.state == MessageState.PENDING.value)
    behind = (c.channel == held.channel, c.dedup == held.message.dedup, c.kind.in_(("page", "update")))
    gone = {
        "state": MessageState.CANCELLED.value,
        **STILL,
        "last_error": "A newer page of this trouble is sent instead.",
    }
    becomes = c.state == MessageState.PENDING.value
    connection.execute(update(notifications).where(*behind, becomes, page.correlate(notifications)).values(**gone))


def replay(connection: Connection, clock: Clock, identity: str, actor: str) -> bool:
    """Send a dead letter again, to the receivers that do not have it; False if it is in another state."""
    return _by_person(connection, clock, identity, actor, MessageEvent.REPLAY, afresh(clock))


def cancel(connection: Connection, clock: Clock, identity: str, actor: str) -> bool:
    """Stop sending a message, or say that a dead letter was seen to; False if it is finished already."""
    return _by_person(connection, clock, identity, actor, MessageEvent.CANCEL, STILL)


def _by_person(
    connection: Connection, clock: Clock, identity: str, actor: str, event: MessageEvent, values: dict[str, Any]
) -> bool:
    row = QUEUE.move(connection, identity, accepting(event), values)
    if row is None:
        return False
    kind = {"replay": "replayed", "cancel": "cancelled"}[event.value]
    body = {"notification": identity, "channel": row.channel, "incident": row.incident}
    events.record(connection, clock, f"notification.{kind}", row.policy, actor, body)
    return True


def troubled() -> ColumnElement[bool]:
    """Return the condition of a message that should have told somebody and did not; tests and drills aside."""
    c = notifications.c
    return (c.state == MessageState.DEAD_LETTER.value) & (c.kind != "test") & c.drill.is_(False)


def waiting() -> ColumnElement[bool]:
    """Return the condition of a message that is on its way."""
    return or_(*(notifications.c.state == state.value for state in WAITING))
