"""The life of an incident: which event leads from which state to which; clocks and people are the caller's."""

from __future__ import annotations

from enum import StrEnum

from runbooks.machine import Machine


class IncidentState(StrEnum):
    """Where an incident stands; only TRIGGERED wakes people, and only CLOSED is over for good."""

    TRIGGERED = "triggered"  # nobody has taken it: it escalates
    ACKNOWLEDGED = "acknowledged"  # somebody has, until the acknowledgement expires
    MITIGATING = "mitigating"  # somebody acts, until that expires too
    MITIGATED = "mitigated"  # nothing fires and nothing is unfinished; it waits for quiet
    RESOLVED = "resolved"  # a person said so; what fires within 30 minutes reopens it
    CLOSED = "closed"


class IncidentEvent(StrEnum):
    """What can happen to an incident."""

    TRIGGER = "trigger"  # worse than before, or what was said to be done is not
    ESCALATE = "escalate"  # nobody answered in time: the next level
    ACKNOWLEDGE = "acknowledge"  # a person takes it, or renews
    UNACKNOWLEDGE = "unacknowledge"  # the person gives it back
    EXPIRE = "expire"  # the acknowledgement ran out
    START_MITIGATION = "start_mitigation"  # a person acts
    CONFIRM_MITIGATION = "confirm_mitigation"  # the rollback is confirmed, or nothing fires any more
    RESUME = "resume"  # it fires again while the acknowledgement holds
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"


S, E = IncidentState, IncidentEvent

# A pair that is not here cannot happen. Whoever acts has acknowledged; whoever resolves need not have.
TABLE: dict[tuple[IncidentState, IncidentEvent], IncidentState] = {
    (S.TRIGGERED, E.TRIGGER): S.TRIGGERED,
    (S.TRIGGERED, E.ESCALATE): S.TRIGGERED,
    (S.TRIGGERED, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.TRIGGERED, E.START_MITIGATION): S.MITIGATING,
    (S.TRIGGERED, E.CONFIRM_MITIGATION): S.MITIGATED,
    (S.TRIGGERED, E.RESOLVE): S.RESOLVED,
    (S.ACKNOWLEDGED, E.TRIGGER): S.TRIGGERED,
    (S.ACKNOWLEDGED, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.ACKNOWLEDGED, E.UNACKNOWLEDGE): S.TRIGGERED,
    (S.ACKNOWLEDGED, E.EXPIRE): S.TRIGGERED,
    (S.ACKNOWLEDGED, E.START_MITIGATION): S.MITIGATING,
    (S.ACKNOWLEDGED, E.CONFIRM_MITIGATION): S.MITIGATED,
    (S.ACKNOWLEDGED, E.RESOLVE): S.RESOLVED,
    (S.MITIGATING, E.TRIGGER): S.TRIGGERED,
    (S.MITIGATING, E.ACKNOWLEDGE): S.MITIGATING,
    (S.MITIGATING, E.UNACKNOWLEDGE): S.TRIGGERED,
    (S.MITIGATING, E.EXPIRE): S.TRIGGERED,
    (S.MITIGATING, E.START_MITIGATION): S.MITIGATING,
    (S.MITIGATING, E.CONFIRM_MITIGATION): S.MITIGATED,
    (S.MITIGATING, E.RESOLVE): S.RESOLVED,
    (S.MITIGATED, E.TRIGGER): S.TRIGGERED,
    (S.MITIGATED, E.RESUME): S.ACKNOWLEDGED,
    (S.MITIGATED, E.START_MITIGATION): S.MITIGATING,
    (S.MITIGATED, E.RESOLVE): S.RESOLVED,
    (S.RESOLVED, E.CLOSE): S.CLOSED,
    (S.RESOLVED, E.REOPEN): S.TRIGGERED,
    (S.CLOSED, E.REOPEN): S.TRIGGERED,
}

ANSWERED = frozenset({S.ACKNOWLEDGED, S.MITIGATING})  # a person holds it, until a time
ACTIVE = ANSWERED | {S.TRIGGERED}

_MACHINE = Machine("an incident", IncidentState, IncidentEvent, TABLE)
step = _MACHINE.step
accepting = _MACHINE.accepting
