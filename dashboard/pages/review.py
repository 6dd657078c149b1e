"""One shadow disagreement as a reviewer sees it: both actions, how large, what was known, what it stands for."""

from __future__ import annotations

import json
from typing import Any

from dash import html

from dashboard.components import moment, seconds, state
from dashboard.words import number

# verdict -> (the state it is shown as, the key that gives it, what it means)
VERDICTS = {
    "improvement": ("healthy", "1", "better than what was done"),
    "neutral": ("no_data", "2", "makes no difference"),
    "exploit": ("rollback", "3", "earns what is measured and not what is meant"),
}
_STATES = {"open": "pending", "disputed": "warning", "decided": "no_data", "displaced": "no_data"}
_SENSES = {
    "value_gap": "by the critic's values of the two actions",
    "probability": "by how much likelier the shadow takes its own action than the live one",
    "distance": "by the distance between the two actions",
}
_GROUPS = (
    ("state.", "State"),
    ("segment.", "Segment"),
    ("predicted_next_state.", "Predicted next state"),
    ("candidate_probs.", "Probabilities of the actions"),
)
_SHOWN = 14  # rows of the table that are open at once
_LONGEST = 160  # characters of one value; the title has the rest


def standing(item: dict[str, Any]) -> html.Span:
    """Return where an item stands as colour, shape and word; an exploit that may be seen says so first."""
    if item["exploit"]:
        return state("rollback", "exploit" if item["state"] == "decided" else f"exploit said, {item['state']}")
    if item["verdict"]:
        return state(VERDICTS[item["verdict"]][0], item["verdict"])
    return state(_STATES[item["state"]], item["state"])


def action(value: Any) -> str:
    """Return an action as it is said.

    >>> action("cool"), action([0.25, 1.0]), action({"rate": 2})
    ('cool', '0.25, 1', 'rate 2')
    """
    if isinstance(value, dict):
        return ", ".join(f"{name} {action(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(action(part) for part in value)
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value)


def size(item: dict[str, Any]) -> str:
    """Return how large a disagreement is, and in which sense.

    >>> size({"sense": "probability", "size": 1.6})[:50]
    '1.6 times what counts as large, by how much likeli'
    >>> size({"sense": "unmeasured", "size": 1.0})
    'No column of the log says how large it is, so it is looked at like every other.'
    """
    if item["sense"] not in _SENSES:
        return "No column of the log says how large it is, so it is looked at like every other."
    return f"{item['size']:.3g} times what counts as large, {_SENSES[item['sense']]}."


def drawn(item: dict[str, Any]) -> str:
    """Return the inclusion probability in words.

    >>> drawn({"stratum": "sampled", "inclusion": 0.25})
    'Drawn by lot: 25% of those like it are in the queue, so it stands for about 4.'
    >>> drawn({"stratum": "largest", "inclusion": 1.0})
    'One of the largest of its day, which are always in the queue: it stands for itself.'
    """
    if item["stratum"] == "planted":
        return "Planted into the log to see that it is found: it counts in no rate."
    if item["stratum"] == "largest":
        return "One of the largest of its day, which are always in the queue: it stands for itself."
    if item["inclusion"] >= 1:
        return "Every large disagreement of its day is in the queue: it stands for itself."
    stands = number(1 / item["inclusion"], 2) if item["inclusion"] > 0 else "very many"
    share = f"{100 * item['inclusion']:.3g}%"
    return f"Drawn by lot: {share} of those like it are in the queue, so it stands for about {stands}."


def view(item: dict[str, Any] | None, now: float) -> Any:
    """Return one item; where there is none, why."""
    if item is None:
        return html.P(
            "There is no such item: larger ones of its day took its place, or it never was.", className="empty"
        )
    sides = html.Div(
        [
            _side("did", item["live_version"], item["live_action"], "live"),
            _side("would have done instead", item["version"], item["shadow_action"], "shadow"),
        ],
        className="sides",
    )
    facts = html.Dl(
        [
            _fact("Decision", html.Code(item["decision_id"])),
            _fact("Decided", moment(seconds(item["ts"]), now)),
            _fact("In the queue since", moment(seconds(item["added"]), now)),
        ],
        className="facts",
    )
    return html.Div(
        [
            html.Div([html.Strong(item["policy"]), standing(item)], className="heading"),
            sides,
            html.P([html.B("How large: "), size(item)]),
            html.P([html.B("Why this one: "), drawn(item)]),
            facts,
            html.H3("What is known of it"),
            *known(item["snapshot"]),
            html.H3("Verdicts"),
            said(item, now),
        ],
        className="review-item",
    )


def known(snapshot: dict[str, Any]) -> list[Any]:
    """Return what the row says beside the actions as a table, features first; the rest of a long one is folded."""
    rows = []
    for prefix, title in _GROUPS:
        rows += [(title, name.removeprefix(prefix), snapshot[name]) for name in snapshot if name.startswith(prefix)]
    grouped = tuple(prefix for prefix, _title in _GROUPS)
    rows += [("Row", name, snapshot[name]) for name in snapshot if not name.startswith(grouped)]
    if not rows:
        return [html.P("The log says nothing beside the two actions.", className="empty")]
    parts: list[Any] = [_table(rows[:_SHOWN])]
    if len(rows) > _SHOWN:
        parts.append(html.Details([html.Summary(f"{len(rows) - _SHOWN} more"), _table(rows[_SHOWN:])]))
    return parts


def said(item: dict[str, Any], now: float) -> Any:
    """Return the verdicts that may be seen, and what hides the others."""
    if item["blind"]:
        count = {0: "Nobody has judged it yet.", 1: "One person has judged it."}
        told = count.get(item["judged_by"], f"{item['judged_by']} people have judged it.")
        hidden = " What they said is shown once you have judged it too." if item["judged_by"] else ""
        return html.P(told + hidden, className="muted")
    rows = [
        html.Li(
            [
                state(VERDICTS[one["verdict"]][0], one["verdict"]),
                html.Span([html.B(one["by"]), f": {one['note']}" if one["note"] else ""], className="noted"),
                moment(seconds(one["at"]), now),
            ]
        )
        for one in item["verdicts"]
    ]
    return html.Ul(rows, className="verdicts")


def _table(rows: list[tuple[str, str, Any]]) -> html.Table:
    lines, before = [], ""
    for group, name, value in rows:
        if group != before:
            lines.append(html.Tr(html.Th(group, colSpan=2, scope="rowgroup", className="group-name")))
            before = group
        text = action(value)
        short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        lines.append(html.Tr([html.Th(name, scope="row"), html.Td(short, title=text if short != text else None)]))
    return html.Table(html.Tbody(lines), className="known")


def _side(what: str, version: str, value: Any, kind: str) -> html.Div:
    told = html.Span([html.B(version), f" {what}"], className="muted")
    return html.Div([told, html.Span(action(value), className="act")], className=f"side is-{kind}")


def _fact(name: str, value: Any) -> html.Div:
    return html.Div([html.Dt(name), html.Dd(value)])
