"""A person takes an incident for a while: it wakes nobody until that expires, and then it triggers again."""

from __future__ import annotations

from sqlalchemy import Connection, select

from monitor.clock import Clock, stamp
from monitor.incidents.opening import HOLDS
from monitor.incidents.rows import NOBODY, IncidentConflictError, IncidentError, answered, move, of, person, possible
from monitor.incidents.telling import tell
from monitor.settings import Settings
from monitor.store.tables import incidents
from monitor.units import human
from runbooks.incidents import IncidentEvent, IncidentState

LONGEST = 4 * 3600.0  # whoever took it may be asleep again
SHORTEST = 60.0


def acknowledge(
    connection: Connection, settings: Settings, clock: Clock, incident: int, by: str, lasts: float | None = None
) -> bool:
    """Take an incident, or renew; False if there is no such. Those that it speaks for are taken with it.

    Parameters
    ----------
    connection, settings, clock, incident
        The open write transaction, the configuration, the time, and the incident's number.
    by
        Who answers for it.
    lasts
        Real seconds until it triggers again, at most 4 hours; None is 30 minutes.

    Raises
    ------
    IncidentError
        If the name is empty, the time is too long or too short, or the incident is not one that waits for somebody.
    """
    who, length, row = person(by), HOLDS if lasts is None else lasts, of(connection, incident, held=True)
    if row is None:
        return False
    if not SHORTEST <= length <= LONGEST:
        raise IncidentError(f"an acknowledgement lasts {human(SHORTEST)} to {human(LONGEST)}: renew it if need be")
    possible(row, IncidentEvent.ACKNOWLEDGE)
    real = clock.real()
    values = {"ack_by": who, "real_acked": real, "real_ack_expires": real + length, "real_next_escalation": None}
    text = f"{who} has acknowledged incident {incident} until {stamp(real + length)}."
    renewed = answered(row, real) and row.ack_by == who
    if not move(connection, clock, row, IncidentEvent.ACKNOWLEDGE, who, text, values):
        raise IncidentConflictError(f"incident {incident} moved at the same moment: look again")
    if not renewed:
        tell(connection, clock, row, "acknowledged", text)
    if row.led_by is None:
        c = incidents.c
        waiting = (c.led_by == incident) & (c.state.in_((IncidentState.TRIGGERED, IncidentState.ACKNOWLEDGED)))
        for led in connection.execute(select(c.id).where(waiting)).scalars().all():
            acknowledge(connection, settings, clock, led, who, length)
    return True


def unacknowledge(connection: Connection, clock: Clock, incident: int, by: str) -> bool:
    """Give an incident back: it triggers again at once; False if there is no such.

    Raises
    ------
    IncidentError
        If the name is empty, or nobody has taken it.
    """
    who, row = person(by), of(connection, incident)
    if row is None:
        return False
    possible(row, IncidentEvent.UNACKNOWLEDGE)
    values = {**NOBODY, "level": 0, "real_next_escalation": clock.real()}
    return move(
        connection, clock, row, IncidentEvent.UNACKNOWLEDGE, who, f"{who} gives incident {incident} back.", values
    )
