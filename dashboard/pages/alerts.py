"""Alerts: what fired by policy, why, what the system did about it and whether that is confirmed; then what is over."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard.components import panel, unread
from dashboard.data import Data, span_of
from dashboard.findings import grouped
from dashboard.guard import kept
from dashboard.pages import ranges
from dashboard.words import plural

_SPAN = "24h"


def layout(range: str | None = None, **query: str) -> html.Div:
    """Return the page without data."""
    return html.Div(
        [
            html.Div(
                [
                    html.H1("Alerts"),
                    dcc.Input(id="filter", type="search", placeholder="Filter  /", className="filter"),
                    ranges.picker(ranges.chosen(range, query, _SPAN)),
                ],
                className="title",
            ),
            dcc.Store(id="alerts-seen"),
            panel("Open", html.Div(unread(), id="alerts-open"), name="open", wide=True, height=60),
            panel("Cannot be judged", html.Div(unread(), id="alerts-blind"), name="blind", wide=True, height=40),
            panel("Over", html.Div(unread(), id="alerts-past"), name="past", wide=True, height=40),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, asked: str, seen: Any) -> tuple[Any, ...]:
        span = span_of(asked, _SPAN)

        def read() -> tuple[Any, ...]:
            found, now = data.alerts(span=span), data.now()
            count = len(data.policies())
            nothing = f"Nothing fires. {plural(count, 'policy')} watched." if count else "No policy is configured."
            return (
                grouped(found["open"], now, empty=nothing),
                grouped(found["blind"], now, empty="Everything that is watched can be judged."),
                grouped(found["past"], now, empty=f"Nothing fired in {ranges.told(span)}.", over=True),
                ranges.told(span),
            )

        return kept(read, 4, data.now(), seen, panels=3)

    app.callback(
        Output("alerts-open", "children"),
        Output("alerts-blind", "children"),
        Output("alerts-past", "children"),
        Output("past-note", "children"),
        *[Output(f"{name}-error", "children") for name in ("open", "blind", "past")],
        Output("alerts-seen", "data"),
        Input("judged", "data"),
        Input("span", "data"),
        State("alerts-seen", "data"),
    )(show)
