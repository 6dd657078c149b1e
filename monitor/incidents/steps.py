"""The runbook as it was when the trouble began: steps with what was measured then, and a clock each."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from monitor import playbook
from monitor.clock import Clock
from monitor.events import canonical
from monitor.incidents.rows import SET_BACK, IncidentError, note, of, person
from monitor.settings import ConfigurationError, Settings
from monitor.store.tables import incident_steps, incidents
from runbooks import pages

_MOST = 5  # pages in one incident: a policy that fires for everything is not helped by forty
_FINAL = ("done", "skipped")


def freeze(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    identity: int,
    policy: str,
    trigger: str,
    version: str | None = None,
    key: str | None = None,
) -> int:
    """Copy a trigger's page into an incident, once, filled with what was measured; return how many steps it has.

    A page that is edited later changes nothing of it: what people were told to do stays readable, with the page's
    hash. A trigger without a page, or with a faulty one, has none; `checkrein runbook lint` names it.
    """
    c = incident_steps.c
    there = set(connection.execute(select(c.trigger).where(c.incident == identity).distinct()).scalars())
    if trigger in there or len(there) >= _MOST:
        return 0
    try:
        page = playbook.page_for(settings, trigger)
        shown = playbook.shown(connection, settings, policy, trigger, version, key)
    except (ConfigurationError, KeyError):
        return 0
    last = connection.execute(select(func.max(c.number)).where(c.incident == identity)).scalar_one() or 0
    values, real = canonical(shown["values"]), clock.real()
    digest = hashlib.sha256(canonical([page.text, page.front_matter()]).encode()).hexdigest()
    rows = []
    for number, step in enumerate(shown["front"]["steps"], last + 1):
        evidence = values if step["kind"] == "evidence" else None
        row = {"incident": identity, "number": number, "trigger": trigger, "page_sha256": digest}
        row |= {"kind": step["kind"], "text": step["do"], "on_timeout": step["on_timeout"]}
        row |= {"expect": pages.fill(step["expect"], shown["values"], trigger), "state": "pending"}
        row |= {"within": pages.duration(step["within"]), "evidence": evidence}
        row["evidence_sha256"] = None if evidence is None else hashlib.sha256(evidence.encode()).hexdigest()
        rows.append({**row, "real_started": None, "real_deadline": None})
    if rows:
        connection.execute(insert(incident_steps), rows)
        _begin(connection, identity, trigger, real)
    limit = pages.duration(page.ack_within)
    here = update(incidents).where(incidents.c.id == identity, incidents.c.ack_within.is_(None))
    connection.execute(here.values(ack_within=limit))
    return len(rows)


def take_step(connection: Connection, clock: Clock, identity: int, number: int, by: str, *, skip: bool = False) -> bool:
    """Say that a step was done, or is skipped; False if somebody said so before. The next step's clock begins.

    Raises
    ------
    IncidentError
        If there is no such incident or step.
    """
    who, row = person(by), of(connection, identity)
    here = (incident_steps.c.incident == identity, incident_steps.c.number == number)
    step = connection.execute(select(incident_steps).where(*here)).one_or_none()
    if row is None or step is None:
        raise IncidentError(f"incident {identity} has no step {number}")
    new = "skipped" if skip else "done"
    open_step = update(incident_steps).where(*here, incident_steps.c.state.not_in(_FINAL))
    if connection.execute(open_step.values(state=new, actor=who, at=clock.now())).rowcount != 1:
        return False
    text = f"Step {number} is {new}: {step.text}"
    note(connection, clock, identity, row.policy, "step", who, text, step=number, state=new)
    if step.real_deadline is not None:
        _begin(connection, identity, step.trigger, clock.real())
    return True


def late(connection: Connection, clock: Clock, identity: int) -> Row[Any] | None:
    """Return the first step whose time is up; one that began in what is now the future counts as late."""
    c, real = incident_steps.c, clock.real()
    running = select(incident_steps).where(c.incident == identity, c.state == "pending", c.real_deadline.is_not(None))
    over = (c.real_deadline <= real) | (c.real_started > real + SET_BACK)
    return connection.execute(running.where(over).order_by(c.number).limit(1)).one_or_none()


def time_out(connection: Connection, clock: Clock, policy: str, step: Row[Any]) -> None:
    """Say what the page says then; the next step's clock begins. The step can still be done."""
    here = (incident_steps.c.incident == step.incident, incident_steps.c.number == step.number)
    left = update(incident_steps).where(*here, incident_steps.c.state == "pending")
    if connection.execute(left.values(state="timed_out")).rowcount == 1:
        text = f"Step {step.number} was not done in time ({step.text}). Then: {step.on_timeout}"
        note(connection, clock, step.incident, policy, "step", "checkrein", text, step=step.number, state="timed_out")
        _begin(connection, step.incident, step.trigger, clock.real())


def _begin(connection: Connection, identity: int, trigger: str, real: float) -> None:
    """Start the clock of the page's next step that nobody has done, unless one is running."""
    c = incident_steps.c
    mine = (c.incident == identity, c.trigger == trigger, c.state == "pending")
    left = connection.execute(select(incident_steps).where(*mine).order_by(c.number)).all()
    if left and all(step.real_deadline is None for step in left):
        first = left[0]
        here = update(incident_steps).where(c.incident == identity, c.number == first.number)
        connection.execute(here.values(real_started=real, real_deadline=real + first.within))
