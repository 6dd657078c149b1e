"""Incidents: who is on call, what is open and who has it, and what was open in the last 30 days."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard.components import moment, panel, shape_of, state, unread
from dashboard.data import Data
from dashboard.dialog import ask
from dashboard.guard import kept
from dashboard.troubles import coming, instant, link, sign, who
from dashboard.words import length, plural

_PANELS = ("oncall", "troubles", "ended")


def layout(**_query: str) -> html.Div:
    """Return the page without data."""
    return html.Div(
        [
            html.Div(
                [
                    html.H1("Incidents"),
                    dcc.Input(id="filter", type="search", placeholder="Filter  /", className="filter"),
                ],
                className="title",
            ),
            dcc.Store(id="incidents-seen"),
            panel("On call", html.Div(unread(), id="oncall"), name="oncall", wide=True, height=40),
            panel("Open", html.Div(unread(), id="troubles"), name="troubles", wide=True, height=60),
            panel("Over, last 30 days", html.Div(unread(), id="ended"), name="ended", wide=True, height=40),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, _wrong: Any, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now, real = data.duty.incidents(), data.now(), data.duty.real()
            wrong = data.overview()["wrong"]
            opened = [one for one in found if one["closed"] is None]
            return (
                [rotas(data.duty.oncall(), now), findings(wrong)],
                listed(
                    opened, now, real, empty=f"No incident is open. {plural(len(data.policies()), 'policy')} watched."
                ),
                listed([one for one in found if one not in opened], now, real, empty="None was open."),
            )

        return kept(read, 3, data.now(), seen, panels=3)

    app.callback(
        *[Output(name, "children") for name in _PANELS],
        *[Output(f"{name}-error", "children") for name in _PANELS],
        Output("incidents-seen", "data"),
        Input("judged", "data"),
        Input("banner", "children"),
        State("incidents-seen", "data"),
    )(show)


def rotas(found: list[dict[str, Any]], now: float) -> Any:
    """Return who is on call now, who is next, and when nobody is."""
    if not found:
        said = [
            shape_of("no_data"),
            " No rota is configured, so every channel is told: write ",
            html.Code("[oncall.NAME]"),
        ]
        return html.P([*said, "."], className="empty")
    return html.Ul([html.Li(_rota(one, now), className="rota") for one in found], className="rotas")


def _rota(one: dict[str, Any], now: float) -> list[Any]:
    parts: list[Any] = [html.Span(one["rota"], className="code")]
    held, after = one["now"], one["next"]
    if held is None:
        parts.append(html.Span([state("page", "nobody now", size="small"), " Every channel is told."]))
    else:
        over = " (override)" if held["override"] else ""
        until = [", and hands over ", moment(instant(held["until"]), now)] if held["until"] else [" for good"]
        parts.append(html.Span([html.B(held["person"]), f" is on call{over}", *until, "."]))
        if not held["notify"]:
            parts.append(html.Span([shape_of("page"), " No channel of theirs is configured."]))
    parts.append(
        html.Span(
            ["Next: ", html.B(after["person"]), " ", moment(instant(after["from"]), now), "."]
            if after
            else "Nobody is next."
        )
    )
    for gap in one["gaps"]:
        begin, end = instant(gap["from"]), instant(gap["until"])
        parts.append(
            html.Span(
                [
                    shape_of("warning"),
                    " Nobody ",
                    moment(begin, now),
                    f", for {length(end - begin)}: write an override.",
                ]
            )
        )
    return parts


def findings(wrong: list[str]) -> Any:
    """Return everything that the auditor finds, a line each; nothing where all is well."""
    rows = [html.Li([shape_of("page"), " ", text]) for text in wrong]
    return html.Ul(rows, className="wrongs") if rows else None


def listed(found: list[dict[str, Any]], now: float, real: float, *, empty: str) -> Any:
    """Return incidents as rows, those that nobody has first; or what was looked at where there is none."""
    if not found:
        return html.P(empty, className="empty")
    rows = sorted(found, key=lambda one: (one["closed"] is None and not _waits(one), -one["number"]))
    return html.Ul([_row(one, now, real) for one in rows], className="findings")


def _waits(one: dict[str, Any]) -> bool:
    return one["state"] == "triggered" or bool(one["expired"])


def _row(one: dict[str, Any], now: float, real: float) -> html.Li:
    over = one["closed"] is not None
    look = "over" if over else one["severity"] if _waits(one) else "pending"
    lasted = f", for {length(instant(one['closed']) - one['since'])}" if over else ""
    takes = ask("ack", one["number"], quiet=f"incident {one['number']}") if _waits(one) else None
    return html.Li(
        [
            html.Div(
                [sign(one), html.Span(["since ", moment(one["since"], now), lasted], className="muted")],
                className="top",
            ),
            html.Div([link(one), " ", html.B(one["policy"]), " ", html.Span(one["title"] or one["reason"])]),
            html.P([*who(one, now, real), " ", *coming(one, real), " ", takes], className="did"),
        ],
        className=f"finding is-{look}",
        **{"data-row": f"{one['number']} {one['policy']} {one['state']} {one['title']}"},
    )
