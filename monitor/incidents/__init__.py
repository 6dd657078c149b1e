"""Incidents: one trouble of one policy, the people who are woken for it until one answers, and what they did."""

from monitor.incidents.acknowledging import acknowledge, unacknowledge
from monitor.incidents.closing import close_quiet, in_the_way, mitigate, resolve
from monitor.incidents.escalation import care, due, escalate
from monitor.incidents.noting import follow_up, follow_up_done, note
from monitor.incidents.opening import acted, add_version, join, open_incident, page, page_action, page_person, rise
from monitor.incidents.rows import Incident, IncidentConflictError, IncidentError, anything_open
from monitor.incidents.steps import freeze, take_step

__all__ = [
    "Incident",
    "IncidentConflictError",
    "IncidentError",
    "acknowledge",
    "acted",
    "add_version",
    "anything_open",
    "care",
    "close_quiet",
    "due",
    "escalate",
    "follow_up",
    "follow_up_done",
    "freeze",
    "in_the_way",
    "join",
    "mitigate",
    "note",
    "open_incident",
    "page",
    "page_action",
    "page_person",
    "resolve",
    "rise",
    "take_step",
    "unacknowledge",
]
