"""An incident in a line: its state, who has it, what happens next and when, and the way to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard.components import moment, state
from dashboard.dialog import ask

Trouble = dict[str, Any]
_STATES = {
    "triggered": ("page", "not acknowledged"),
    "acknowledged": ("pending", "acknowledged"),
    "mitigating": ("pending", "being mitigated"),
    "mitigated": ("healthy", "mitigated"),
    "resolved": ("healthy", "resolved"),
    "closed": ("healthy", "closed"),
}


def sign(one: Trouble, *, size: str = "") -> html.Span:
    """Return an incident's state; one that nobody has looks as severe as it is."""
    shown, word = _STATES[one["state"]]
    if one["expired"] or one["state"] == "triggered":
        shown = "rollback" if one["severity"] == "rollback" else "page"
    return state(shown, "acknowledgement ran out" if one["expired"] else word, size=size)


def link(one: Trouble) -> dcc.Link:
    """Return the link to an incident's page."""
    return dcc.Link(f"Incident {one['number']}", href=one["page"], className="incident-link")


def who(one: Trouble, now: float, real: float) -> list[Any]:
    """Return who has an incident, and until when."""
    if one["expired"]:
        return [
            "The acknowledgement of ",
            html.B(one["ack_by"]),
            " ran out ",
            moment(one["until"], real, real=True),
            ".",
        ]
    if one["state"] in {"acknowledged", "mitigating"}:
        does = "has it" if one["state"] == "acknowledged" else "is acting"
        return [html.B(one["ack_by"]), f" {does}; that runs out ", moment(one["until"], real, real=True), "."]
    if one["state"] == "triggered":
        return ["Nobody has it."]
    if one["state"] == "mitigated":
        return ["Nothing fires any more, and every rollback of it is confirmed ", _at(one["mitigated"], now), "."]
    by = [" by ", html.B(one["resolved_by"])] if one["resolved_by"] else [" by itself, after 30 quiet minutes"]
    return ["Over", *by, " ", _at(one["resolved"] or one["closed"], now), "."]


def coming(one: Trouble, real: float) -> list[Any]:
    """Return what happens next to an incident, and when."""
    after = one["next"]
    if after["at"] is None or not after["text"] or one["state"] in {"acknowledged", "mitigating"}:
        return [after["text"].rstrip(".") + "."] if after["text"] else []
    if after["at"] <= real:
        return [after["text"], " now."]
    return [after["text"], " ", moment(after["at"], real, real=True), "."]


def line(one: Trouble, now: float, real: float) -> html.P:
    """Return an incident in a line, with the button that takes it where nobody has."""
    takes = ask("ack", one["number"], quiet=f"incident {one['number']}") if _free(one) else None
    return html.P(
        [sign(one, size="small"), " ", link(one), ": ", *who(one, now, real), " ", *coming(one, real), " ", takes],
        className="trouble",
    )


def _free(one: Trouble) -> bool:
    return one["state"] == "triggered" or bool(one["expired"])


def instant(text: str) -> float:
    """Return an RFC 3339 time as seconds since 1970.

    >>> instant("1970-01-01T00:01:00Z")
    60.0
    """
    return datetime.fromisoformat(text).timestamp()


def _at(text: str | None, now: float) -> Any:
    return moment(None if text is None else instant(text), now)
