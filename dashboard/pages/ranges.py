"""The choice of time range: a named span that ends now, or from one time to another; charts follow it, and it them.

What is chosen is one text in the store ``span``: ``6h``, or ``FROM/TO`` in UTC. Picker, inputs, zoom and address meet
there, in the browser (assets/range.js); the server reads nothing else.
"""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html

from dashboard.data import SPANS, span_between, span_of

CUSTOM = "custom"


def chosen(range: str | None, query: dict[str, str], default: str) -> str:
    """Return the span that an address asks for: ``?range=6h``, or ``?from=...&to=...``.

    >>> chosen(None, {"from": "2019-11-24", "to": "2019-12-01"}, "6h")
    '2019-11-24T00:00Z/2019-12-01T00:00Z'
    """
    if "from" in query and "to" in query:
        return span_between(query["from"], query["to"], default)
    return span_of(range, default)


def picker(span: str) -> html.Div:
    """Return the choice of time range."""
    named = span in SPANS
    data = [*SPANS, CUSTOM]
    ends = ["", ""] if named else span.replace("T", " ").replace("Z", "").split("/")
    fields = [_field(name, word, end) for (name, word), end in zip((("from", "From"), ("to", "to")), ends, strict=True)]
    return html.Div(
        [
            dmc.SegmentedControl(
                id="range", value=span if named else CUSTOM, data=data, size="xs", className="range",
                **{"aria-label": "Time range"},
            ),
            html.Div(
                [
                    *fields,
                    html.Span("UTC", id="range-zone", className="muted"),
                    html.Button("Show", id="range-show", className="plain"),
                    html.Span("", id="range-wrong", className="failed", role="alert"),
                ],
                id="between",
                className="between",
                hidden=named,
            ),
            dcc.Store(id="span", data=span),
        ],
        className="ranges",
    )  # fmt: skip


def _field(name: str, word: str, value: str) -> html.Label:
    field = dcc.Input(
        id=f"range-{name}", type="text", value=value, autoComplete="off", placeholder="2026-01-31 14:00",
        className="instant",
    )  # fmt: skip
    return html.Label([word, field], htmlFor=f"range-{name}")


def told(span: str) -> str:
    """Return a span as it is said.

    >>> told("6h"), told("2019-11-24T00:00Z/2019-12-01T00:00Z")
    ('the last 6h', '2019-11-24 00:00 to 2019-12-01 00:00 UTC')
    """
    if span in SPANS:
        return f"the last {span}"
    return span.replace("T", " ").replace("Z", "").replace("/", " to ") + " UTC"


def register(app: Dash) -> None:
    """Register what the browser does by itself: the picker changes the span, the span changes picker and address."""
    app.clientside_callback(
        "(name, span) => window.checkrein.pick(name, span)",
        Output("span", "data"),
        Input("range", "value"),
        State("span", "data"),
    )
    app.clientside_callback(
        "(span) => window.checkrein.follow(span)",
        Output("sink", "data", allow_duplicate=True),
        Input("span", "data"),
        prevent_initial_call=True,
    )
