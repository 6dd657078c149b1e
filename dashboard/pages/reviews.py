"""Reviews: shadow disagreements by policy, and one of them to judge, blind; keys 1, 2, 3 and n."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import reviewing
from dashboard.components import panel, prose, unread
from dashboard.current import data as current
from dashboard.data import Data, Refused, Unavailable
from dashboard.guard import kept
from dashboard.pages.agreeing import agreement
from dashboard.pages.queue import queue
from dashboard.pages.review import VERDICTS, view

_SHOWN = ("reviews-queue", "review-item-shown", "review-agreement", "review-desk", "review-who")
_HIDDEN = {"display": "none"}
_AWAY = "The database does not answer; nothing was done. Try again."


def layout(policy: str | None = None, item: str | None = None, **_query: str) -> html.Div:
    """Return the page without data."""
    names = current().policies()
    chosen = policy if policy in names else None
    return html.Div(
        [
            html.Div(
                [
                    html.H1(f"Reviews of {chosen}" if chosen else "Reviews"),
                    dcc.Link("All policies", href="/reviews", className="tab") if chosen else None,
                    dcc.Input(id="filter", type="search", placeholder="Filter  /", className="filter"),
                    html.Button("Next (n)", id="review-next", className="plain", **{"data-key": "n"}),
                ],
                className="title",
            ),
            dcc.Store(id="review-policy", data=chosen),
            dcc.Store(id="review-item", data=(item or "")[:64] or None),
            dcc.Store(id="review-said"),
            dcc.Store(id="reviews-seen"),
            html.P("", id="review-told", className="muted", role="status"),
            html.Div([_item(item), _desk()], id="review-desk", className="desk", style={} if item else _HIDDEN),
            panel("Queue", html.Div(unread(), id="reviews-queue"), name="queue", wide=True, height=80),
            panel("Agreement", html.Div(unread(), id="review-agreement"), name="agreement", wide=True, height=60),
        ],
        className="page",
    )


def _item(item: str | None) -> html.Section:
    return panel(
        "Disagreement", html.Div(unread() if item else "", id="review-item-shown"), name="disagreement", height=300
    )


def _desk() -> html.Section:
    buttons = [
        html.Button(
            [html.Span(name), html.Kbd(key), html.Small(what)],
            id=f"say-{name}",
            className=f"verdict is-{shown}",
            **{"data-key": key},
        )
        for name, (shown, key, what) in VERDICTS.items()
    ]
    form = [
        dmc.PasswordInput(
            id="review-token",
            label="API token",
            description="Says who judges. It is checked by the server and kept nowhere.",
            debounce=600,
        ),
        html.P("", id="review-who", className="muted", role="status"),
        dmc.Textarea(id="review-note", label="Why", autosize=True, minRows=2),
        html.Div(buttons, className="say"),
        html.P("", id="review-refused", className="failed", role="alert"),
    ]
    return panel("Your verdict", html.Div(form, className="form"), name="verdict")


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def show(
        _judged: str | None, item: str | None, _said: Any, token: str | None, policy: str | None, seen: Any
    ) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            now = data.now()
            found = reviewing.queue(data, policy, token)
            one = reviewing.item(data, item, token) if item else None
            about = policy or (one["policy"] if one else None) or (found[0]["policy"] if found else None)
            agreed: Any = html.P("Nothing was judged yet.", className="empty")
            if about in data.policies():
                agreed = html.Div([html.P(html.Strong(about)), agreement(reviewing.agreement(data, str(about)))])
            desk: dict[str, str] = {} if item else _HIDDEN
            return queue(found, now, item), view(one, now) if item else "", agreed, desk, _who(one, token)

        return kept(read, len(_SHOWN), data.now(), seen, panels=3)

    def judge(
        *values: Any,
    ) -> tuple[Any, ...]:
        *_clicks, item, token, note = values
        pressed = ctx.triggered_id
        if not pressed or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        verdict = str(pressed).removeprefix("say-")
        try:
            found = reviewing.judge(data, item, verdict, note or "", token)
        except Refused as refusal:
            field = refusal.sentence if refusal.field == "token" else ""
            return field, "" if field else refusal.sentence, no_update, no_update, no_update
        except Unavailable:
            return "", _AWAY, no_update, no_update, no_update
        rest = "" if found["state"] == "decided" else " Press n for the next one."
        return "", "", [item, verdict, data.now()], "", f"You said {verdict}; it is {found['state']}.{rest}"

    def following(clicks: int | None, policy: str | None, item: str | None, token: str | None) -> tuple[Any, ...]:
        if not clicks:
            raise PreventUpdate
        try:
            found = reviewing.following(data, policy, item, token)
        except Unavailable:
            return no_update, "The database does not answer. Try again."
        if found is None:
            return no_update, "Nothing else waits for you." if token else "Nothing else waits."
        return found, ""

    app.callback(
        Output("reviews-queue", "children"),
        Output("review-item-shown", "children"),
        Output("review-agreement", "children"),
        Output("review-desk", "style"),
        Output("review-who", "children"),
        *[Output(f"{name}-error", "children") for name in ("queue", "disagreement", "agreement")],
        Output("reviews-seen", "data"),
        Input("judged", "data"),
        Input("review-item", "data"),
        Input("review-said", "data"),
        Input("review-token", "value"),
        State("review-policy", "data"),
        State("reviews-seen", "data"),
    )(show)
    app.callback(
        Output("review-token", "error"),
        Output("review-refused", "children"),
        Output("review-said", "data"),
        Output("review-note", "value"),
        Output("review-told", "children"),
        *[Input(f"say-{name}", "n_clicks") for name in VERDICTS],
        State("review-item", "data"),
        State("review-token", "value"),
        State("review-note", "value"),
        prevent_initial_call=True,
    )(judge)
    app.callback(
        Output("review-item", "data"),
        Output("review-told", "children", allow_duplicate=True),
        Input("review-next", "n_clicks"),
        State("review-policy", "data"),
        State("review-item", "data"),
        State("review-token", "value"),
        prevent_initial_call=True,
    )(following)
    app.clientside_callback(
        "(item) => item ? window.checkrein.address({ item: item }) : window.dash_clientside.no_update",
        Output("sink", "data", allow_duplicate=True),
        Input("review-item", "data"),
        prevent_initial_call=True,
    )


def _who(item: dict[str, Any] | None, token: str | None) -> Any:
    if not token:
        return "Without a token you can look, and what others said stays hidden until it is decided."
    if item is None or item["viewer"] is None:
        return "This token is not known, was revoked, or has expired."
    said = item["mine"]
    yet = f"You said {said['verdict']}; another verdict replaces it." if said else "You have not judged this one."
    return prose(f"You are {item['viewer']}. {yet}")
