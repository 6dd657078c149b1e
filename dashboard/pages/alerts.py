"""Alerts: what fired, why, what the system did about it and whether that is confirmed; then what is over."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html

from dashboard.components import findings, panel, unread
from dashboard.data import SPANS, Data, span_of
from dashboard.guard import kept
from dashboard.words import plural


def layout(range: str | None = None, **_query: str) -> html.Div:
    """Return the page without data."""
    chosen = span_of(range or "24h")
    return html.Div(
        [
            html.Div(
                [
                    html.H1("Alerts"),
                    dcc.Input(id="filter", type="search", placeholder="Filter  /", className="filter"),
                    picker(chosen),
                ],
                className="title",
            ),
            panel("Open", html.Div(unread(), id="alerts-open"), name="open", wide=True, height=60),
            panel("Cannot be judged", html.Div(unread(), id="alerts-blind"), name="blind", wide=True, height=40),
            panel("Over", html.Div(unread(), id="alerts-past"), name="past", wide=True, height=40),
        ],
        className="page",
    )


def picker(chosen: str) -> dmc.SegmentedControl:
    """Return the choice of time range."""
    return dmc.SegmentedControl(
        id="range", value=chosen, data=list(SPANS), size="xs", className="range", **{"aria-label": "Time range"}
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def show(_judged: str | None, span: str) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now = data.alerts(span=span_of(span)), data.now()
            count = len(data.policies())
            nothing = f"Nothing fires. {plural(count, 'policy')} watched." if count else "No policy is configured."
            return (
                findings(found["open"], now, empty=nothing),
                findings(found["blind"], now, empty="Everything that is watched can be judged."),
                findings(found["past"], now, empty=f"Nothing fired in the last {span_of(span)}.", over=True),
            )

        return kept(read, 3, data.now())

    app.callback(
        Output("alerts-open", "children"),
        Output("alerts-blind", "children"),
        Output("alerts-past", "children"),
        Output("open-error", "children"),
        Input("judged", "data"),
        Input("range", "value"),
    )(show)
    # One for all pages with a range: the address follows the choice, without a second page load.
    app.clientside_callback(
        "(range) => window.checkrein.address({range})",
        Output("sink", "data", allow_duplicate=True),
        Input("range", "value"),
        prevent_initial_call=True,
    )
