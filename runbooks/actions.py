"""The life of an action (a rollback): which event leads from which state to which."""

from __future__ import annotations

from enum import StrEnum

from runbooks.machine import Machine


class ActionState(StrEnum):
    """Where an action stands; only CONFIRMED is done, and only it is shown green."""

    PROPOSED = "proposed"
    DRY_RUN = "dry_run"
    LIMITED = "limited"
    COOLING_DOWN = "cooling_down"
    AUTHORISED = "authorised"
    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    BLOCKED = "blocked"
    DEAD_LETTER = "dead_letter"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class ActionEvent(StrEnum):
    """What can happen to an action."""

    SIMULATE = "simulate"  # dry-run: decided, never sent
    LIMIT = "limit"  # over the blast radius
    COOL_DOWN = "cool_down"
    AUTHORISE = "authorise"
    QUEUE = "queue"
    CLAIM = "claim"  # a worker takes it, or takes it over when the lease ran out
    RETRY = "retry"  # the attempt failed in a way that may pass
    DELIVER = "deliver"  # 2xx, exit 0, or a route that nobody needs to be told of
    REFUSE = "refuse"  # 4xx, or no version left to go to
    GIVE_UP = "give_up"
    ACKNOWLEDGE = "acknowledge"  # the serving side shows the generation
    TIME_OUT = "time_out"  # no acknowledgement, or no change of traffic, in time
    CONFIRM = "confirm"  # the decision log shows that the traffic moved
    RELAPSE = "relapse"  # the old version takes decisions again
    REPLAY = "replay"
    SUPERSEDE = "supersede"  # a higher generation was issued
    CANCEL = "cancel"


S, E = ActionState, ActionEvent

# A pair that is not here cannot happen. An unconfirmed action that is sent again stays unconfirmed until the traffic
# moves: each resend would otherwise hide it for another two minutes.
TABLE: dict[tuple[ActionState, ActionEvent], ActionState] = {
    (S.PROPOSED, E.SIMULATE): S.DRY_RUN,
    (S.PROPOSED, E.LIMIT): S.LIMITED,
    (S.PROPOSED, E.COOL_DOWN): S.COOLING_DOWN,
    (S.PROPOSED, E.AUTHORISE): S.AUTHORISED,
    (S.PROPOSED, E.REFUSE): S.BLOCKED,
    (S.LIMITED, E.AUTHORISE): S.AUTHORISED,
    (S.COOLING_DOWN, E.AUTHORISE): S.AUTHORISED,
    (S.COOLING_DOWN, E.LIMIT): S.LIMITED,
    (S.AUTHORISED, E.QUEUE): S.PENDING,
    (S.AUTHORISED, E.DELIVER): S.DELIVERED,
    (S.PENDING, E.CLAIM): S.IN_FLIGHT,
    (S.PENDING, E.ACKNOWLEDGE): S.PENDING,
    (S.IN_FLIGHT, E.CLAIM): S.IN_FLIGHT,
    (S.IN_FLIGHT, E.ACKNOWLEDGE): S.IN_FLIGHT,
    (S.IN_FLIGHT, E.DELIVER): S.DELIVERED,
    (S.IN_FLIGHT, E.RETRY): S.PENDING,
    (S.IN_FLIGHT, E.REFUSE): S.BLOCKED,
    (S.IN_FLIGHT, E.GIVE_UP): S.DEAD_LETTER,
    (S.DELIVERED, E.ACKNOWLEDGE): S.DELIVERED,
    (S.DELIVERED, E.TIME_OUT): S.UNCONFIRMED,
    (S.DELIVERED, E.CONFIRM): S.CONFIRMED,
    (S.UNCONFIRMED, E.CLAIM): S.UNCONFIRMED,
    (S.UNCONFIRMED, E.DELIVER): S.UNCONFIRMED,
    (S.UNCONFIRMED, E.RETRY): S.UNCONFIRMED,
    (S.UNCONFIRMED, E.REFUSE): S.BLOCKED,
    (S.UNCONFIRMED, E.GIVE_UP): S.DEAD_LETTER,
    (S.UNCONFIRMED, E.ACKNOWLEDGE): S.UNCONFIRMED,
    (S.UNCONFIRMED, E.CONFIRM): S.CONFIRMED,
    (S.CONFIRMED, E.RELAPSE): S.UNCONFIRMED,
    (S.BLOCKED, E.REPLAY): S.PENDING,
    (S.BLOCKED, E.ACKNOWLEDGE): S.DELIVERED,
    (S.DEAD_LETTER, E.REPLAY): S.PENDING,
    (S.DEAD_LETTER, E.ACKNOWLEDGE): S.DELIVERED,
}

TERMINAL = frozenset({S.DRY_RUN, S.CONFIRMED, S.SUPERSEDED, S.CANCELLED})
UNFINISHED = frozenset(S) - TERMINAL
TABLE |= {(state, E.SUPERSEDE): S.SUPERSEDED for state in UNFINISHED}
TABLE |= {(state, E.CANCEL): S.CANCELLED for state in UNFINISHED}

_MACHINE = Machine("an action", ActionState, ActionEvent, TABLE)
step = _MACHINE.step
accepting = _MACHINE.accepting
