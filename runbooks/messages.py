"""The life of a message to people: which event leads from which state to which."""

from __future__ import annotations

from enum import StrEnum

from runbooks.machine import Machine


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

_MACHINE = Machine("a message", MessageState, MessageEvent, TABLE)
step = _MACHINE.step
accepting = _MACHINE.accepting
