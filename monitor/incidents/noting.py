"""What people write about an incident: notes while it lasts, and what must be done afterwards."""

from __future__ import annotations

from sqlalchemy import Connection, insert, update

from monitor.clock import Clock, stamp
from monitor.incidents import rows
from monitor.incidents.rows import IncidentError, of, person
from monitor.store.tables import incident_followups, incident_notes

LATEST = 10 * 365 * 86400.0


def note(connection: Connection, clock: Clock, incident: int, by: str, text: str) -> bool:
    """Append a note; False if there is no such incident.

    Raises
    ------
    IncidentError
        If the name or the text is empty.
    """
    who, row = person(by), of(connection, incident)
    if not text.strip():
        raise IncidentError("a note says something: --text")
    if row is None:
        return False
    values = {"incident": incident, "author": who, "text": text.strip(), "at": clock.now()}
    connection.execute(insert(incident_notes), [values])
    rows.note(connection, clock, incident, row.policy, "note", who, text.strip())
    return True


def follow_up(
    connection: Connection, clock: Clock, incident: int, by: str, text: str, owner: str, due: float | None = None
) -> int | None:
    """Write down what must be done afterwards, by whom and until when; its number, None if there is no such incident.

    Raises
    ------
    IncidentError
        If a name or the text is empty, or the time is past.
    """
    who, whose, row = person(by), person(owner), of(connection, incident)
    if not text.strip():
        raise IncidentError("a follow-up says what is to be done: --text")
    if due is not None and due <= clock.now():
        raise IncidentError("a follow-up is due in the future: choose a later time")
    if due is not None and due > clock.now() + LATEST:
        raise IncidentError("a follow-up is due within ten years: choose an earlier time")
    if row is None:
        return None
    values = {"incident": incident, "owner": whose, "text": text.strip(), "due": due, "made": clock.now()}
    made = insert(incident_followups).values(**values).returning(incident_followups.c.id)
    identity = int(connection.execute(made).scalar_one())
    until = f" until {stamp(due)}" if due is not None else ""
    said = f"{whose} is to do{until}: {text.strip()}"
    rows.note(connection, clock, incident, row.policy, "follow_up", who, said, follow_up=identity)
    return identity


def follow_up_done(connection: Connection, clock: Clock, incident: int, number: int, by: str) -> bool:
    """Say that a follow-up is done; False if there is none of this number that is not.

    Raises
    ------
    IncidentError
        If the name is empty.
    """
    who, row, c = person(by), of(connection, incident), incident_followups.c
    here = update(incident_followups).where(c.id == number, c.incident == incident, c.done.is_(None))
    text = connection.execute(here.values(done=clock.now(), done_by=who).returning(c.text)).scalar_one_or_none()
    if row is None or text is None:
        return False
    rows.note(connection, clock, incident, row.policy, "follow_up", who, f"Done: {text}", follow_up=number)
    return True
