"""The actions that are still to be sent: claimed, marked, replayed and cancelled by conditional updates only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update

from monitor import events, incidents
from monitor.acting.queued import FAR, SCHEDULE, STILL, Queue, afresh, delay
from monitor.clock import Clock
from monitor.hooks import Acknowledgement, Answer
from monitor.store.tables import actions
from runbooks.actions import ActionEvent, ActionState, accepting, step

PAGE_AFTER = 30.0


@dataclass(frozen=True)
class Claim:
    """One attempt that is ours to make, until the lease ends or somebody's fence is higher."""

    id: str
    policy: str
    state: str
    fence: int
    attempts: int
    generation: int
    kind: str
    from_version: str
    to_version: str
    body: bytes


def titled(action: Claim | Row[Any]) -> str:
    """Return what a sentence about an action begins with."""
    what = "rollback" if action.kind == "rollback" else "rollout stage"
    return f"The {what} of {action.policy} to {action.to_version}"


QUEUE = Queue(actions, "hook", accepting(ActionEvent.CLAIM))


def due_hooks(connection: Connection, clock: Clock) -> dict[str, int]:
    """Return how many actions are due for each hook."""
    return QUEUE.lanes(connection, clock)


def claim(connection: Connection, clock: Clock, hook: str, timeout: float) -> Claim | None:
    """Take the hook's oldest due action, or None: one conditional UPDATE decides who has it."""
    row = QUEUE.claim(connection, clock, hook, timeout)
    if row is None:
        return None
    taken = {name: row._mapping[name] for name in Claim.__dataclass_fields__}
    return Claim(**{**taken, "body": row.body.encode()})


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
    if not QUEUE.mark(connection, held, values):
        return False
    if new.value != held.state and (answer.outcome != "retry" or held.attempts == 1):
        body = {"action": held.id, "generation": held.generation, "attempts": held.attempts, "detail": answer.detail}
        kind = {"delivered": "action.delivered", "retry": "action.failing", "blocked": "action.blocked"}[answer.outcome]
        events.record(connection, clock, kind, held.policy, "checkrein", body)
    if answer.outcome == "blocked":
        text = f"{titled(held)} was refused and is not sent again. {answer.detail}"
        incidents.page_action(connection, clock, held.policy, why="blocked", action=held.id, text=text)
    return True


def _doubt(held: Claim, told: Acknowledgement | None) -> str | None:
    """Say why an answer acknowledges nothing, or None where it says nothing or says what was asked for."""
    right = (held.to_version, held.from_version) if held.kind == "stage" else (held.to_version,)
    if told is None or (told.generation >= held.generation and told.version in right):
        return None
    asked = f"generation {held.generation}, {' or '.join(right)}, was asked for"
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
    text = f"{titled(row)} cannot be delivered by the hook {row.hook!r}; it is sent again at least every 60 s. "
    text += row.last_error or "No attempt has ended yet."
    return incidents.page_action(connection, clock, row.policy, why="undelivered", action=row.id, text=text)


def replay(connection: Connection, clock: Clock, identity: str, actor: str) -> bool:
    """Send a blocked or dead-lettered action again, with the same id and bytes; False if it is in another state."""
    return _by_person(connection, clock, identity, actor=actor, event=ActionEvent.REPLAY, values=afresh(clock))


def cancel(connection: Connection, clock: Clock, identity: str, actor: str) -> bool:
    """Stop sending an action; False if it is finished already. The route stays as it is."""
    return _by_person(connection, clock, identity, actor=actor, event=ActionEvent.CANCEL, values=STILL)


def _by_person(
    connection: Connection, clock: Clock, identity: str, *, actor: str, event: ActionEvent, values: dict[str, Any]
) -> bool:
    # an action without a version to go to has nothing to send
    more = [actions.c.body != ""] if event is ActionEvent.REPLAY else []
    row = QUEUE.move(connection, identity, accepting(event), values, *more)
    if row is None:
        return False
    kind = events.REPLAYED if event is ActionEvent.REPLAY else "action.cancelled"
    events.record(connection, clock, kind, row.policy, actor, {"action": identity})
    return True
