"""The actions that are still to be sent: claimed, marked, replayed and cancelled by conditional updates only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, or_, select, update
from sqlalchemy.sql.selectable import NamedFromClause

from monitor import events, incidents
from monitor.clock import Clock
from monitor.hooks import Acknowledgement, Answer
from monitor.store.tables import actions
from runbooks.actions import ActionEvent, ActionState, accepting, step

SCHEDULE = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds before each attempt; afterwards EVERY, for ever
EVERY = 60.0
JITTER = 0.2
PAGE_AFTER = 30.0
MARGIN = 10.0  # real seconds that a lease outlives the hook's timeout
FAR = 300.0  # a due time or lease further ahead than this was written before the machine's clock was set back


@dataclass(frozen=True)
class Claim:
    """One attempt that is ours to make, until the lease ends or somebody's fence is higher."""

    id: str
    policy: str
    state: str
    fence: int
    attempts: int
    generation: int
    to_version: str
    body: bytes


def delay(attempts: int, identity: str) -> float:
    """Return the seconds to wait before the next attempt after ``attempts`` failed ones.

    0, 1, 2, 5, 10, 30, 60 s, then every 60 s with 20% jitter. The jitter only shortens, so that a receiver that comes
    back is reached within 60 s, and it is drawn from the action's id, so that the same action waits the same time.

    >>> [delay(n, "act_1") for n in range(7)], 48.0 <= delay(7, "act_1") <= 60.0
    ([0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0], True)
    """
    if attempts < len(SCHEDULE):
        return SCHEDULE[attempts]
    draw = int.from_bytes(hashlib.sha256(f"{identity}:{attempts}".encode()).digest()[:8]) / 2**64
    return EVERY * (1.0 - JITTER * draw)


def due(now: float, table: Table | NamedFromClause = actions) -> ColumnElement[bool]:
    """Return the condition of an action that may be sent now and that no worker holds."""
    c = table.c
    return and_(
        c.state.in_(accepting(ActionEvent.CLAIM)),
        or_(c.real_due <= now, c.real_due > now + FAR),
        or_(c.real_lease.is_(None), c.real_lease < now, c.real_lease > now + FAR),
    )


def due_hooks(connection: Connection, clock: Clock) -> dict[str, int]:
    """Return how many actions are due for each hook."""
    counted = select(actions.c.hook, func.count().label("number")).where(due(clock.real())).group_by(actions.c.hook)
    return {row.hook: row.number for row in connection.execute(counted)}


def claim(connection: Connection, clock: Clock, hook: str, timeout: float) -> Claim | None:
    """Take the hook's oldest due action, or None: one conditional UPDATE decides who has it."""
    now = clock.real()
    other = actions.alias()
    oldest = select(other.c.id).where(due(now, other), other.c.hook == hook).order_by(other.c.real_due, other.c.id)
    oldest = oldest.limit(1).with_for_update(skip_locked=True)  # PostgreSQL: others take the next one; SQLite: nothing
    becomes = {old.value: new.value for old, new in accepting(ActionEvent.CLAIM).items()}
    row = connection.execute(
        update(actions)
        .where(actions.c.id == oldest.scalar_subquery(), due(now))
        .values(
            state=case(becomes, value=actions.c.state),
            fence=actions.c.fence + 1,
            attempts=actions.c.attempts + 1,
            real_first_attempt=func.coalesce(actions.c.real_first_attempt, now),
            real_lease=now + min(timeout + MARGIN, FAR),
        )
        .returning(*(actions.c[name] for name in Claim.__dataclass_fields__))
    ).one_or_none()
    return None if row is None else Claim(**{**row._mapping, "body": row.body.encode()})


def mark(connection: Connection, clock: Clock, held: Claim, answer: Answer) -> bool:
    """Write what came of an attempt; False when the claim was lost to another worker or a higher generation."""
    now, real = clock.now(), clock.real()
    event = {"delivered": ActionEvent.DELIVER, "retry": ActionEvent.RETRY, "blocked": ActionEvent.REFUSE}[
        answer.outcome
    ]
    new = step(held.state, event)
    failed = len(SCHEDULE) if answer.outcome == "delivered" else held.attempts  # an unconfirmed one is sent every 60 s
    again = real + max(delay(failed, held.id), answer.retry_after or 0.0)
    values: dict[str, Any] = {"state": new.value, "real_lease": None, "last_error": answer.detail}
    values["real_due"] = again if new in {ActionState.PENDING, ActionState.UNCONFIRMED} else None
    if answer.outcome == "delivered":
        values["last_error"] = _doubt(held, answer.acknowledged)
        values["delivered"] = func.coalesce(actions.c.delivered, now)
        values["real_delivered"] = func.coalesce(actions.c.real_delivered, real)
    mine = (actions.c.id == held.id, actions.c.fence == held.fence, actions.c.state == held.state)
    if connection.execute(update(actions).where(*mine).values(**values)).rowcount != 1:
        return False
    if new.value != held.state and (answer.outcome != "retry" or held.attempts == 1):
        body = {"action": held.id, "generation": held.generation, "attempts": held.attempts, "detail": answer.detail}
        kind = {"delivered": "action.delivered", "retry": "action.failing", "blocked": "action.blocked"}[answer.outcome]
        events.record(connection, clock, kind, held.policy, "checkrein", body)
    if answer.outcome == "blocked":
        text = f"The rollback of {held.policy} to {held.to_version} was refused and is not sent again. {answer.detail}"
        incidents.page_action(connection, clock, held.policy, why="blocked", action=held.id, text=text)
    return True


def _doubt(held: Claim, told: Acknowledgement | None) -> str | None:
    """Say why an answer acknowledges nothing, or None where it says nothing or says what was asked for."""
    if told is None or (told.generation >= held.generation and told.version == held.to_version):
        return None
    asked = f"generation {held.generation}, {held.to_version}, was asked for"
    return f"The receiver took the event but serves {told.version}, generation {told.generation}; {asked}."


def undelivered(connection: Connection, clock: Clock) -> list[str]:
    """Return the actions whose first attempt is 30 s old, or is in what is now the future, and that nobody took yet."""
    waiting = actions.c.state.in_((ActionState.PENDING, ActionState.IN_FLIGHT))
    first, now = actions.c.real_first_attempt, clock.real()
    late = select(actions.c.id).where(waiting, or_(first <= now - PAGE_AFTER, first > now + FAR))
    return list(connection.execute(late).scalars())


def page_undelivered(connection: Connection, clock: Clock, identity: str) -> bool:
    """Page about one of them, once; it goes on being sent."""
    waiting = actions.c.state.in_((ActionState.PENDING, ActionState.IN_FLIGHT))
    held = update(actions).where(actions.c.id == identity, waiting).values(attempts=actions.c.attempts)
    row = connection.execute(held.returning(*actions.c)).one_or_none()
    if row is None:
        return False
    text = f"The rollback of {row.policy} to {row.to_version} cannot be delivered by the hook {row.hook!r}; it is sent"
    text += f" again at least every 60 s. {row.last_error or 'No attempt has ended yet.'}"
    return incidents.page_action(connection, clock, row.policy, why="undelivered", action=row.id, text=text)


def replay(connection: Connection, clock: Clock, identity: str, actor: str) -> bool:
    """Send a blocked or dead-lettered action again, with the same id and bytes; False if it is in another state."""
    fresh: dict[str, Any] = {"attempts": 0, "real_first_attempt": None, "real_due": clock.real(), "real_lease": None}
    return _by_person(connection, clock, identity, actor=actor, event=ActionEvent.REPLAY, values=fresh)


def cancel(connection: Connection, clock: Clock, identity: str, actor: str) -> bool:
    """Stop sending an action; False if it is finished already. The route stays as it is."""
    still: dict[str, Any] = {"real_due": None, "real_lease": None}
    return _by_person(connection, clock, identity, actor=actor, event=ActionEvent.CANCEL, values=still)


def _by_person(
    connection: Connection, clock: Clock, identity: str, *, actor: str, event: ActionEvent, values: dict[str, Any]
) -> bool:
    becomes = {old.value: new.value for old, new in accepting(event).items()}
    here = update(actions).where(actions.c.id == identity, actions.c.state.in_(becomes))
    if event is ActionEvent.REPLAY:
        here = here.where(actions.c.body != "")  # an action without a version to go to has nothing to send
    values |= {"state": case(becomes, value=actions.c.state)}
    row = connection.execute(here.values(**values).returning(actions.c.policy)).one_or_none()
    if row is None:
        return False
    kind = events.REPLAYED if event is ActionEvent.REPLAY else "action.cancelled"
    events.record(connection, clock, kind, row.policy, actor, {"action": identity})
    return True
