"""Operations: can people be reached, does everything run, was it drilled, who may act, and what waits for a person."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import operating
from dashboard.components import panel, unread
from dashboard.data import Data, Refused, Unavailable
from dashboard.guard import kept
from dashboard.pages import running

_PANELS = ("ops-telling", "ops-dead", "ops-jobs", "ops-drills", "ops-tokens")
_AWAY = "The database does not answer; nothing was done. Try again."


def layout(**_query: str) -> html.Div:
    """Return the page without data."""
    token = dmc.PasswordInput(
        id="ops-token",
        label="API token",
        description="Test, replay and cancel ask for it. It is checked by the server and kept nowhere.",
        className="ops-token",
    )
    result = html.Div(
        [
            html.P("", id="ops-refused", className="failed", role="alert"),
            html.Div(id="ops-told", **{"aria-live": "polite"}),
        ]
    )
    return html.Div(
        [
            html.Div(
                [
                    html.H1("Operations"),
                    dcc.Input(id="filter", type="search", placeholder="Filter  /", className="filter"),
                ],
                className="title",
            ),
            dcc.Store(id="ops-seen"),
            dcc.Store(id="ops-done"),
            dcc.Store(id="ops-followed"),
            dcc.Interval(id="ops-beat", interval=1000, disabled=True),
            html.Section([token, result], className="panel", **{"aria-label": "Who acts"}),
            panel("Notifications", html.Div(unread(), id="ops-telling"), name="telling", wide=True, height=80),
            panel("Dead letters", html.Div(unread(), id="ops-dead"), name="dead", wide=True, height=40),
            panel("Jobs", html.Div(unread(), id="ops-jobs"), name="jobs", wide=True, height=80),
            panel("Drills", html.Div(unread(), id="ops-drills"), name="drills", wide=True, height=80),
            panel("Tokens", html.Div(unread(), id="ops-tokens"), name="tokens", wide=True, height=80),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def show(_judged: str | None, _done: Any, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now = operating.operations(data), data.now()
            return (
                running.telling(found["channels"], found["messages"], now),
                running.dead(found["messages"], found["actions"], now),
                running.jobs(found["jobs"], now),
                running.drills(found["drills"], now),
                running.tokens(found["tokens"], now),
            )

        return kept(read, len(_PANELS), data.now(), seen, panels=len(_PANELS))

    def act(_clicks: list[Any], token: str | None) -> tuple[Any, ...]:
        pressed = ctx.triggered_id
        if not pressed or not ctx.triggered[0]["value"]:
            raise PreventUpdate  # a button that was just drawn
        what, about = str(pressed["what"]), str(pressed["about"])
        try:
            if what == "test":
                return "", "", [operating.test(data, about, token)], data.now(), ""
            sentence = operating.move(data, what, about, token)
            followed = [about] if what == "replay" else []
            return "", "", followed, [about, data.now()], html.P(sentence)
        except Refused as refusal:
            field = refusal.sentence if refusal.field == "token" else ""
            return field, "" if field else refusal.sentence, no_update, no_update, no_update
        except Unavailable:
            return "", _AWAY, no_update, no_update, no_update

    def follow(_beat: int | None, followed: list[str] | None, before: Any) -> tuple[Any, ...]:
        if not followed:
            return no_update, no_update, True
        try:
            found = operating.messages_of(data, [str(one)[:64] for one in followed[:5]])
        except Unavailable:
            raise PreventUpdate from None
        stands = [[one["id"], one["state"], one["attempts"]] for one in found]
        finished = all(one["state"] not in {"pending", "in_flight"} for one in found)
        return [running.attempt(one) for one in found], no_update if stands == before else stands, finished

    app.callback(
        *[Output(name, "children") for name in _PANELS],
        *[Output(f"{name.removeprefix('ops-')}-error", "children") for name in _PANELS],
        Output("ops-seen", "data"),
        Input("judged", "data"),
        Input("ops-done", "data"),
        State("ops-seen", "data"),
    )(show)
    app.callback(
        Output("ops-token", "error"),
        Output("ops-refused", "children"),
        Output("ops-followed", "data"),
        Output("ops-done", "data", allow_duplicate=True),
        Output("ops-told", "children", allow_duplicate=True),
        Input({"kind": "ops", "what": ALL, "about": ALL}, "n_clicks"),
        State("ops-token", "value"),
        prevent_initial_call=True,
    )(act)
    app.callback(
        Output("ops-told", "children"),
        Output("ops-done", "data"),
        Output("ops-beat", "disabled"),
        Input("ops-beat", "n_intervals"),
        Input("ops-followed", "data"),
        State("ops-done", "data"),
        prevent_initial_call=True,
    )(follow)
