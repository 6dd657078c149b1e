"""The life of a message to people: which event leads from which state to which."""

from __future__ import annotations

from enum import StrEnum

from runbooks.actions import UnknownTransitionError


class MessageState(StrEnum):
    """Where a message stands; DELIVERED says that the channel took it, not that a person has read it."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    DEAD_LETTER = "dead_letter"
    CANCELLED = "cancelled"


class MessageEvent(StrEnum):
    """What can happen to a message."""

    CLAIM = "claim"  # a worker takes it, or takes it over when the lease ran out
    RETRY = "retry"  # the attempt failed in a way that may pass
    DELIVER = "deliver"
    REFUSE = "refuse"  # trying again cannot help: a person must look
    GIVE_UP = "give_up"  # it failed until its time was over
    REPLAY = "replay"
    CANCEL = "cancel"


S, E = MessageState, MessageEvent

# A pair that is not here cannot happen. One that was refused and one that was given up are both dead letters: nobody
# was told, and a person must replay or cancel it.
TABLE: dict[tuple[MessageState, MessageEvent], MessageState] = {
    (S.PENDING, E.CLAIM): S.IN_FLIGHT,
    (S.PENDING, E.CANCEL): S.CANCELLED,
    (S.IN_FLIGHT, E.CLAIM): S.IN_FLIGHT,
    (S.IN_FLIGHT, E.RETRY): S.PENDING,
    (S.IN_FLIGHT, E.DELIVER): S.DELIVERED,
    (S.IN_FLIGHT, E.REFUSE): S.DEAD_LETTER,
    (S.IN_FLIGHT, E.GIVE_UP): S.DEAD_LETTER,
    (S.IN_FLIGHT, E.CANCEL): S.CANCELLED,
    (S.DEAD_LETTER, E.REPLAY): S.PENDING,
    (S.DEAD_LETTER, E.CANCEL): S.CANCELLED,
}
WAITING = (S.PENDING, S.IN_FLIGHT)


def step(state: str, event: str) -> MessageState:
    """Return the state after an event.

    Raises
    ------
    UnknownTransitionError
        If the event cannot happen in this state, or there is no such state or event.

    Examples
    --------
    >>> step("in_flight", "refuse").value
    'dead_letter'
    >>> step("delivered", "retry")
    Traceback (most recent call last):
    ...
    runbooks.actions.UnknownTransitionError: a message that is 'delivered' cannot 'retry'
    """
    try:
        return TABLE[MessageState(state), MessageEvent(event)]
    except (KeyError, ValueError):
        raise UnknownTransitionError(f"a message that is '{state}' cannot '{event}'") from None


def accepting(event: MessageEvent) -> dict[str, str]:
    """Return the states in which an event can happen, with the state that each leads to; for conditional updates.

    >>> accepting(MessageEvent.REPLAY)
    {'dead_letter': 'pending'}
    """
    return {old.value: new.value for (old, happened), new in TABLE.items() if happened is event}
