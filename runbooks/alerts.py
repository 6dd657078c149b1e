"""The life of an alert: which event leads from which state to which; counting windows is the caller's."""

from __future__ import annotations

from enum import StrEnum

from runbooks.machine import Machine


class AlertState(StrEnum):
    """Where a trigger stands; its health (ok, no_data, error, insufficient) is a second axis."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


class AlertEvent(StrEnum):
    """What one judged window, or a confirmed rollback, says."""

    BREACH = "breach"  # FIRE, for fewer windows in a row than the trigger's `for`
    BREACH_HELD = "breach_held"  # FIRE, for at least `for` windows in a row
    CLEAR = "clear"  # OK, for fewer windows in a row than the trigger's `clear`
    CLEAR_HELD = "clear_held"  # OK, for at least `clear` windows in a row
    ABSENT = "absent"  # no data, error or too few rows: moves the health, never the state
    WITHDRAWN = "withdrawn"  # the version no longer serves, which the decision log confirmed


S, E = AlertState, AlertEvent

# Every pair is here. An alert is never resolved by absence of data, and one healthy window in `pending` starts the
# count again, so that only windows in a row fire.
TABLE: dict[tuple[AlertState, AlertEvent], AlertState] = {
    (S.INACTIVE, E.BREACH): S.PENDING,
    (S.INACTIVE, E.BREACH_HELD): S.FIRING,
    (S.INACTIVE, E.CLEAR): S.INACTIVE,
    (S.INACTIVE, E.CLEAR_HELD): S.INACTIVE,
    (S.INACTIVE, E.ABSENT): S.INACTIVE,
    (S.INACTIVE, E.WITHDRAWN): S.INACTIVE,
    (S.PENDING, E.BREACH): S.PENDING,
    (S.PENDING, E.BREACH_HELD): S.FIRING,
    (S.PENDING, E.CLEAR): S.INACTIVE,
    (S.PENDING, E.CLEAR_HELD): S.INACTIVE,
    (S.PENDING, E.ABSENT): S.PENDING,
    (S.PENDING, E.WITHDRAWN): S.RESOLVED,
    (S.FIRING, E.BREACH): S.FIRING,
    (S.FIRING, E.BREACH_HELD): S.FIRING,
    (S.FIRING, E.CLEAR): S.RECOVERING,
    (S.FIRING, E.CLEAR_HELD): S.RESOLVED,
    (S.FIRING, E.ABSENT): S.FIRING,
    (S.FIRING, E.WITHDRAWN): S.RESOLVED,
    (S.RECOVERING, E.BREACH): S.FIRING,
    (S.RECOVERING, E.BREACH_HELD): S.FIRING,
    (S.RECOVERING, E.CLEAR): S.RECOVERING,
    (S.RECOVERING, E.CLEAR_HELD): S.RESOLVED,
    (S.RECOVERING, E.ABSENT): S.RECOVERING,
    (S.RECOVERING, E.WITHDRAWN): S.RESOLVED,
    (S.RESOLVED, E.BREACH): S.PENDING,
    (S.RESOLVED, E.BREACH_HELD): S.FIRING,
    (S.RESOLVED, E.CLEAR): S.RESOLVED,
    (S.RESOLVED, E.CLEAR_HELD): S.RESOLVED,
    (S.RESOLVED, E.ABSENT): S.RESOLVED,
    (S.RESOLVED, E.WITHDRAWN): S.RESOLVED,
}

OPEN = frozenset({S.PENDING, S.FIRING, S.RECOVERING})

_MACHINE = Machine("an alert", AlertState, AlertEvent, TABLE)


def next_state(state: str, event: str) -> str:
    """Return the name of the state after an event (``Machine.step``).

    >>> next_state("pending", "breach_held"), next_state("firing", "absent")
    ('firing', 'firing')
    """
    return _MACHINE.step(state, event).value
