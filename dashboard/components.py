"""Small builders: state, time, panel, steps, legend. Each returns one component and knows nothing of a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from dash import dcc, html

from dashboard.data import stamp
from dashboard.figures.legend import Key
from dashboard.words import STATES, ago, length

GRAPH = {"displayModeBar": False, "responsive": True, "doubleClick": False}  # a double click goes back: range.js


def state(name: str, word: str | None = None, *, size: str = "") -> html.Span:
    """Return a state as colour, shape and word."""
    shape, usual = STATES[name]
    return html.Span(
        [shape_of(name, shape), html.Span(word or usual, className="word")],
        className=f"state state-{name} {size}".strip(),
    )


def shape_of(name: str, shape: str | None = None) -> html.Span:
    """Return a state's shape alone; whoever uses it says the word beside it."""
    return html.Span(shape or STATES[name][0], className=f"shape shape-{name}", **{"aria-hidden": "true"})


def moment(at: float | None, now: float, *, absent: str = "never", real: bool = False) -> html.Time | html.Span:
    """Return a time: relative in the text, absolute in the tooltip; the browser keeps the text fresh.

    With ``real`` both are of the machine's clock, on which people are woken, and not of the log's.
    """
    if at is None:
        return html.Span(absent, className="muted")
    shown = stamp(at)
    return html.Time(
        ago(now - at), dateTime=shown, title=absolute(shown), **{"data-real" if real else "data-at": f"{at:.1f}"}
    )


def seconds(shown: str) -> float:
    """Return an RFC 3339 time as seconds since 1970.

    >>> seconds("1970-01-02T00:00:00Z")
    86400.0
    """
    return datetime.fromisoformat(shown).timestamp()


def link(policy: str, *, span: str | None = None, metric: str | None = None, key: str | None = None) -> str:
    """Return the address of a policy's page at a metric and time range.

    >>> link("cooling", span="6h", metric="state_drift")
    '/policy/cooling?range=6h&metric=state_drift'
    >>> link("cooling", span="2019-11-24T00:00Z/2019-12-01T00:00Z")
    '/policy/cooling?from=2019-11-24T00%3A00Z&to=2019-12-01T00%3A00Z'
    """
    begin, _, end = (span or "").partition("/")
    chosen: dict[str, str | None] = {"from": begin, "to": end} if end else {"range": span}
    chosen |= {"metric": metric, "key": key}
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"/policy/{quote(policy, safe='')}" + (f"?{query}" if query else "")


def triggers_link(policy: str) -> dcc.Link:
    """Return the link to the page of a policy's triggers."""
    return dcc.Link("Triggers", href=f"/triggers/{quote(policy, safe='')}", className="tab")


def unread() -> html.P:
    """Return what stands where data will be: nothing that could be read as quiet."""
    return html.P([shape_of("no_data"), " Nothing read yet."], className="empty")


def panel(title: str, body: Any, *, name: str, note: Any = None, wide: bool = False, height: int = 0) -> html.Section:
    """Return a titled box that keeps its height while it loads."""
    heading = f"{name}-title"
    return html.Section(
        [
            html.Div(
                [html.H2(title, id=heading), html.Div(note, id=f"{name}-note", className="note")], className="head"
            ),
            html.Div(body, className="body", style={"minHeight": height} if height else {}),
            html.P("", id=f"{name}-error", className="failed", role="status"),
        ],
        id=f"{name}-panel",
        className="panel wide" if wide else "panel",
        **{"aria-labelledby": heading},
    )


def labelled_row(name: Any, cells: Sequence[tuple[str, Any]], word: str | None = None) -> html.Tr:
    """Return a row of a table that becomes a card on a telephone, where each cell says what it is.

    Parameters
    ----------
    name
        What the row is of.
    cells
        Label and value of each.
    word
        What the filter finds; default: the name.
    """
    tds = [
        html.Td(html.Div(value) if isinstance(value, list) else value, **{"data-label": label})
        for label, value in cells
    ]
    return html.Tr([html.Th(name, scope="row"), *tds], **{"data-row": name if word is None else word})


def table_of(head: Sequence[str], rows: Sequence[html.Tr]) -> html.Table:
    """Return such a table."""
    names = html.Thead(html.Tr([html.Th(name, scope="col") for name in head]))
    return html.Table([names, html.Tbody(list(rows))], className="policies desk-table")


def graph(name: str, height: int) -> dcc.Graph:
    """Return an empty chart of a known height, which says that it was not read yet."""
    blank = {"layout": {"height": height, "xaxis": {"visible": False}, "yaxis": {"visible": False}}}
    waits = {"text": "○ Nothing read yet.", "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    blank["layout"]["annotations"] = [waits]
    blank["layout"] |= {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
    return dcc.Graph(id=name, config=GRAPH, figure=blank, className="chart", style={"minHeight": height})


def legend(entries: Sequence[Key]) -> list[html.Span]:
    """Return the legend of a chart as words with their signs."""
    return [
        html.Span(
            [html.I(className=f"sign sign-{entry.kind}", style={"color": entry.colour}), entry.name], className="key"
        )
        for entry in entries
    ]


def steps(action: dict[str, Any], now: float) -> html.Ol:
    """Return the four steps of an action; the one under way says so, the one that failed says why."""
    words = {"done": "done", "now": "under way", "failed": "failed", "todo": "to come"}
    items = []
    for step in action["steps"]:
        when = _when(step, action["requested"], now) if step["at"] is not None else words[step["state"]]
        items.append(
            html.Li(
                [
                    html.Span(className="dot", **{"aria-hidden": "true"}),
                    html.Span(step["name"], className="step"),
                    html.Span(when, className="when"),
                    html.Span(step["note"], className="why"),
                    html.Span(f", {words[step['state']]}", className="quiet"),
                ],
                className=f"is-{step['state']}",
            )
        )
    return html.Ol(items, className="steps", **{"aria-label": f"Steps of the {action['kind']}"})


def _when(step: dict[str, Any], began: float, now: float) -> Any:
    """Return when a step was done: the first as a time, the others as how long after it."""
    if step["name"] == "decided":
        return moment(step["at"], now)
    shown = stamp(step["at"])
    return html.Time(f"after {length(step['at'] - began)}", dateTime=shown, title=absolute(shown))


def absolute(shown: str) -> str:
    """Return an RFC 3339 time as a tooltip says it.

    >>> absolute("2026-11-20T20:19:38Z")
    '2026-11-20 20:19:38 UTC'
    """
    return shown.replace("T", " ").replace("Z", " UTC")


def prose(text: str) -> list[Any]:
    """Return a sentence with what stands between backticks as code.

    >>> [type(part).__name__ for part in prose("Run `checkrein serve`.")]
    ['str', 'Code', 'str']
    """
    return [html.Code(part) if odd % 2 else part for odd, part in enumerate(text.split("`")) if part]


def strip(cells: Sequence[dict[str, Any]]) -> html.Div:
    """Return the last 24 hours as a strip; its words are for those who do not see it."""
    worst: dict[str, int] = {}
    for cell in cells:
        worst[cell["state"]] = worst.get(cell["state"], 0) + 1
    spoken = ", ".join(f"{STATES[name][1]} {count / 2:g} h" for name, count in worst.items())
    marks = [
        html.I(
            className=f"cell-{cell['state']}", title=f"{stamp(cell['start'])[11:16]} UTC: {STATES[cell['state']][1]}"
        )
        for cell in cells
    ]
    return html.Div(marks, className="strip", role="img", **{"aria-label": f"Last 24 hours: {spoken}"})
