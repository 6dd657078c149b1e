"""Alerts: what fired by policy, why, what the system did about it and whether that is confirmed; then what is over."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard.components import link, moment, panel, shape_of, state, unread
from dashboard.data import Data, span_of
from dashboard.dialog import ask
from dashboard.findings import grouped
from dashboard.guard import kept
from dashboard.pages import ranges
from dashboard.troubles import instant, line
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
            html.Div(id="alerts-silences"),
            panel("Cannot be judged", html.Div(unread(), id="alerts-blind"), name="blind", wide=True, height=40),
            panel("From other systems", html.Div(unread(), id="alerts-foreign"), name="foreign", wide=True, height=40),
            panel("Over", html.Div(unread(), id="alerts-past"), name="past", wide=True, height=40),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, asked: str, seen: Any) -> tuple[Any, ...]:
        span = span_of(asked, _SPAN)

        def read() -> tuple[Any, ...]:
            found, now, real = data.alerts(span=span), data.now(), data.duty.real()
            lines = {name: line(one, now, real) for name, one in data.duty.held().items()}
            count = len(data.policies())
            nothing = f"Nothing fires. {plural(count, 'policy')} watched." if count else "No policy is configured."
            return (
                muted(data.duty.silences(), now),
                grouped(found["open"], now, empty=nothing, acts=True, troubles=lines),
                grouped(found["blind"], now, empty="Everything that is watched can be judged.", acts=True),
                foreign(data.duty.foreign(), now),
                grouped(found["past"], now, empty=f"Nothing fired in {ranges.told(span)}.", over=True),
                ranges.told(span),
            )

        return kept(read, 6, data.now(), seen, panels=4)

    app.callback(
        Output("alerts-silences", "children"),
        Output("alerts-open", "children"),
        Output("alerts-blind", "children"),
        Output("alerts-foreign", "children"),
        Output("alerts-past", "children"),
        Output("past-note", "children"),
        *[Output(f"{name}-error", "children") for name in ("open", "blind", "foreign", "past")],
        Output("alerts-seen", "data"),
        Input("judged", "data"),
        Input("span", "data"),
        State("alerts-seen", "data"),
    )(show)


def muted(found: list[dict[str, Any]], now: float) -> Any:
    """Return the silences that hold, with their ends; nothing where there is none."""
    if not found:
        return None
    rows = [
        html.Li(
            [
                html.Span(
                    [
                        shape_of("silenced"),
                        " ",
                        html.B(one["policy"]),
                        " ",
                        html.Span(
                            " ".join(part for part in (one["trigger"] or "all alerts", one["key"]) if part),
                            className="code",
                        ),
                        f" of {one['version']}" if one["version"] else "",
                        " ends ",
                        moment(instant(one["until"]), now),
                        f". {one['owner']}: {one['reason'].rstrip('.')}.",
                    ]
                ),
                ask("speak", one["id"], text="End", quiet=f"silence {one['id']}"),
            ]
        )
        for one in found
    ]
    note = "They mute pages; a rollback is never muted."
    return html.Section(
        [
            html.Div([html.H2("Silences", id="silences-title"), html.Span(note, className="note")], className="head"),
            html.Ul(rows, className="silences"),
        ],
        className="panel wide",
        **{"aria-labelledby": "silences-title"},
    )


def foreign(found: list[dict[str, Any]], now: float) -> Any:
    """Return the alerts that fire elsewhere: shown beside ours, judged by nobody here."""
    if not found:
        return html.P("No Alertmanager has told of one that fires.", className="empty")
    rows = []
    for one in found:
        said = one["annotations"].get("summary") or one["annotations"].get("description") or ""
        labels = ", ".join(f"{name}={value}" for name, value in sorted(one["labels"].items()) if name != "alertname")
        whose = dcc.Link(one["policy"], href=link(one["policy"])) if one["policy"] else html.Span("no policy of ours")
        rows.append(
            html.Li(
                [
                    html.Div(
                        [
                            state("warning", "fires elsewhere"),
                            html.Span(["since ", moment(instant(one["starts"]), now)]),
                        ],
                        className="top",
                    ),
                    html.Div([html.Span(one["name"], className="code"), " ", whose, " ", said]),
                    html.Div(
                        [
                            html.Span(labels, className="muted"),
                            html.Span([" last heard ", moment(instant(one["last_seen"]), now)], className="muted"),
                        ],
                        className="tags",
                    ),
                ],
                className="finding",
                **{"data-row": f"{one['name']} {one['policy']} {labels}"},
            )
        )
    return html.Ul(rows, className="findings")
