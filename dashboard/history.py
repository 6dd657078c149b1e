"""What an incident leaves behind: the frozen runbook with its clocks, notes, what is to be done, timeline, messages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from dash import html

from dashboard.components import moment, shape_of, state
from dashboard.dialog import ask
from dashboard.troubles import instant
from dashboard.words import length, number, plural

_SHOWN = 3  # alerts that moved at one time before the rest is folded away
_STEPS = {
    "done": ("healthy", "done"),
    "skipped": ("no_data", "skipped"),
    "timed_out": ("warning", "not in time"),
    "pending": ("pending", "to do"),
}
_KINDS = {
    "transition": ("warning", "alert"),
    "page": ("page", "page"),
    "notification": ("pending", "message"),
    "rollback.requested": ("rollback", "rollback"),
    "action.confirmed": ("healthy", "confirmed"),
    "incident.mitigated": ("healthy", "mitigated"),
    "incident.resolved": ("healthy", "resolved"),
    "auditor.finding": ("page", "auditor"),
}
_MESSAGES = {"delivered": "healthy", "dead_letter": "rollback", "cancelled": "no_data"}


def runbook(one: dict[str, Any], now: float, real: float) -> Any:
    """Return the steps of the frozen pages: kind, text, what was measured, clock, state, and the buttons."""
    if not one["steps"]:
        return html.P(
            "No page was there for what fired: `checkrein runbook lint` names what is missing.", className="empty"
        )
    parts: list[Any] = []
    for trigger, steps in itertools.groupby(one["steps"], key=lambda step: step["trigger"]):
        rows = list(steps)
        digest = html.Span(f"page {rows[0]['page_sha256'][:12]}", className="muted", title=rows[0]["page_sha256"])
        parts += [
            html.H3([html.Span(trigger, className="code"), " ", digest]),
            html.Ol([_step(one, step, now, real) for step in rows], className="frozen"),
        ]
    return html.Div(parts)


def _step(one: dict[str, Any], step: dict[str, Any], now: float, real: float) -> html.Li:
    shown, word = _STEPS[step["state"]]
    buttons = None
    if step["state"] in {"pending", "timed_out"} and one["closed"] is None:
        about = (one["number"], step["number"], step["text"][:200])
        quiet = f"step {step['number']}"
        buttons = html.Div(
            [ask("step", *about, text="Done", quiet=quiet), ask("skip", *about, text="Skip", quiet=quiet)],
            className="buttons",
        )
    expect = f"Expect: {step['expect']}. " if step["expect"] else ""
    return html.Li(
        [
            html.Div(
                [state(shown, word, size="small"), html.Span(_clock(step, now, real), className="muted")],
                className="top",
            ),
            html.Div(
                [
                    html.P([html.B(f"{step['number']}. {step['kind']}: "), step["text"]]),
                    html.Small(f"{expect}Else: {step['on_timeout']}."),
                    _evidence(step),
                ]
            ),
            buttons,
        ],
        className=f"is-{step['state']}",
        **{"data-row": step["text"]},
    )


def _clock(step: dict[str, Any], now: float, real: float) -> list[Any]:
    if step["state"] in {"done", "skipped"}:
        return [f"by {step['actor']} ", moment(instant(step["at"]), now)]
    if step["deadline"] is None:
        return [f"within {length(step['within'])} of the one before"]
    due = instant(step["deadline"])
    return ["overdue since ", moment(due, real, real=True)] if due <= real else ["due ", moment(due, real, real=True)]


def _evidence(step: dict[str, Any]) -> Any:
    """Return what was measured when the incident opened."""
    if not step["evidence"]:
        return None
    values = [
        html.Div([html.Dt(name.replace("_", " ")), html.Dd(number(value) if isinstance(value, float) else str(value))])
        for name, value in step["evidence"].items()
        if value not in (None, "")
    ]
    return html.Details([html.Summary("Measured when it opened"), html.Dl(values, className="measured")])


def notes(one: dict[str, Any], now: float) -> html.Div:
    """Return what people wrote, newest first, and the button to write."""
    rows = [
        html.Li([html.P(note["text"]), html.Small([note["author"], " ", moment(instant(note["at"]), now)])])
        for note in reversed(one["notes"])
    ]
    told = html.Ul(rows, className="written") if rows else html.P("Nobody has written anything.", className="empty")
    return html.Div([told, ask("note", one["number"])])


def follow_ups(one: dict[str, Any], now: float) -> html.Div:
    """Return what must be done afterwards, by whom and until when."""
    rows = []
    for item in one["follow_ups"]:
        if item["done"]:
            sign, said = (
                state("healthy", "done", size="small"),
                [f"by {item['done_by']} ", moment(instant(item["done"]), now)],
            )
            button = None
        else:
            due = None if item["due"] is None else instant(item["due"])
            late = due is not None and due <= now
            sign = state("warning" if late else "pending", "overdue" if late else "to do", size="small")
            said = [item["owner"], ", ", *(["due ", moment(due, now)] if due else ["no date"])]
            button = ask(
                "followed", one["number"], item["id"], item["text"][:200], text="Done", quiet=item["text"][:80]
            )
        rows.append(html.Li([html.P([sign, " ", item["text"]]), html.Small(said), " ", button]))
    told = html.Ul(rows, className="written") if rows else html.P("Nothing is written down yet.", className="empty")
    return html.Div([told, ask("follow_up", one["number"])])


def timeline(one: dict[str, Any], now: float) -> Any:
    """Return how long each part took, then everything that happened, oldest first."""
    entries = one["timeline"]
    rows: list[Any] = []
    for key, several in itertools.groupby(entries, key=lambda entry: (entry["at"], entry["kind"])):
        same = list(several)
        folds = key[1] == "transition" and len(same) > _SHOWN + 1
        rows += [_entry(entry, now) for entry in (same[:_SHOWN] if folds else same)]
        if folds:
            rest = [_entry(entry, now) for entry in same[_SHOWN:]]
            said = f"{plural(len(rest), 'more alert')} moved then"
            rows.append(html.Li(html.Details([html.Summary(said), html.Ol(rest, className="told")]), className="more"))
    return html.Div([milestones(one, now), html.Ol(rows, className="told")])


def milestones(one: dict[str, Any], now: float) -> html.Dl:
    """Return the way from the first signal to the end: each time as how long after the signal it was."""
    first: dict[str, float] = {}
    for entry in one["timeline"]:
        first.setdefault(entry["kind"], instant(entry["at"]))
    began = min([*first.values(), one["since"]])
    confirmed = [action["confirmed"] for action in one["actions"] if action["confirmed"]]
    passed = [
        ("Opened", one["since"]),
        ("Rollback decided", first.get("rollback.requested")),
        ("Acknowledged", first.get("incident.acknowledged")),
        ("Confirmed", max(confirmed) if confirmed and all(action["done"] for action in one["actions"]) else None),
        ("Resolved", None if one["resolved"] is None else instant(one["resolved"])),
    ]
    told = [("First signal", [moment(began, now)])]
    told += [(name, [f"after {length(at - began)}"] if at is not None else ["not yet"]) for name, at in passed]
    if not one["actions"]:
        told = [part for part in told if part[0] not in {"Rollback decided", "Confirmed"}]
    return html.Dl([html.Div([html.Dt(name), html.Dd(said)]) for name, said in told], className="facts milestones")


def _entry(entry: dict[str, Any], now: float) -> html.Li:
    kind = entry["kind"]
    shown, word = _KINDS.get(kind, ("pending", kind.rpartition(".")[2].replace("_", " ")))
    if kind == "transition":
        shown = {"firing": "warning", "resolved": "healthy"}.get(entry["body"]["new"], "pending")
    who = "" if entry["actor"] in {"", "checkrein"} else f" ({entry['actor'].removeprefix('token:')})"
    return html.Li(
        [
            html.Span(moment(instant(entry["at"]), now), className="when"),
            html.Span([shape_of(shown), f" {word}"], className="kind"),
            html.Span(entry["text"].replace(" -> ", " → ") + who, className="text"),
        ]
    )


def messages(one: dict[str, Any], now: float) -> Any:
    """Return who was told and what became of each message."""
    found: Sequence[dict[str, Any]] = one["messages"]
    if not found:
        return html.P([shape_of("page"), " Nobody was told of it: no message is on record."], className="empty")
    rows = []
    for item in found:
        error = f" {item['last_error']}" if item["last_error"] else ""
        tried = f" after {plural(item['attempts'], 'attempt')}" if item["attempts"] else ""
        level = f", level {item['level']}" if item["kind"] == "page" else ""
        rows.append(
            html.Li(
                [
                    html.Span(moment(instant(item["requested"]), now), className="when"),
                    html.Span(
                        state(_MESSAGES.get(item["state"], "pending"), item["state"].replace("_", " "), size="small")
                    ),
                    html.Span([html.B(item["channel"]), f": {item['kind']}{level}{tried}.{error}"], className="text"),
                ]
            )
        )
    return html.Ol(rows, className="told")
