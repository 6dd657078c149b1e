"""Rolling back from the page: from -> to, what will be called, token, typed name, reason; then followed live."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard.components import steps
from dashboard.data import Data, Refused, Unavailable

_FIELDS = ("token", "typed", "reason", "to")


def dialog() -> html.Div:
    """Return the dialog, closed."""
    form = [
        html.Div(id="rollback-plan"),
        dmc.Select(id="rollback-to", label="Go to version", allowDeselect=False, comboboxProps={"withinPortal": False}),
        dmc.PasswordInput(
            id="rollback-token",
            label="API token",
            description="Shown once when the server first started. It is checked there and not kept.",
        ),
        dmc.TextInput(id="rollback-typed", label="Type the policy's name", autoComplete="off"),
        dmc.Textarea(id="rollback-reason", label="Why", autosize=True, minRows=2),
        html.P("", id="rollback-refused", className="failed", role="alert"),
        html.Button("Roll back now", id="rollback-submit", className="danger"),
    ]
    return html.Div(
        [
            dmc.Modal(
                [html.Div(form, id="rollback-form"), html.Div(id="rollback-result", **{"aria-live": "polite"})],
                id="rollback",
                title="Roll back",
                opened=False,
                size="lg",
                closeButtonProps={"aria-label": "Close"},
            ),
            dcc.Store(id="rollback-shown"),
            dcc.Store(id="rollback-actions"),
        ]
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def show(clicks: int | None, policy: str) -> tuple[Any, ...]:
        if not clicks:
            raise PreventUpdate
        try:
            found = data.situation(policy)
        except Unavailable:
            raise PreventUpdate from None
        what = found["rollback"]
        shown = {"from": found["serving"], "generation": found["generation"], "sentence": None}
        choices = [{"value": name, "label": _choice(name, what)} for name in what["to"]]
        return (
            True, f"Roll back {policy}", plan(found), choices, what["default"], shown, None, "", "", "", "",
            {"display": "block"}, "", f"{policy}",
        )  # fmt: skip

    def submit(
        clicks: int | None, policy: str, shown: dict[str, Any], to: str | None, token: str, typed: str, reason: str
    ) -> tuple[Any, ...]:
        if not clicks:
            raise PreventUpdate
        empty = [""] * len(_FIELDS)
        try:
            done = data.roll_back(policy, shown or {}, to, typed or "", reason or "", token or "")
        except Refused as refusal:
            errors = [refusal.sentence if name == refusal.field else "" for name in _FIELDS]
            return (*errors, "" if refusal.field in _FIELDS else refusal.sentence, *[no_update] * 4)
        except Unavailable:
            return (
                *empty,
                "The database does not answer; nothing was done. Try again.",
                *[no_update] * 4,
            )
        return (*empty, "", done["actions"], {"display": "none"}, html.P(done["sentence"]), "")

    def follow(_pulse: Any, identities: list[str] | None) -> Any:
        if not identities:
            raise PreventUpdate
        try:
            found = data.progress(identities)
        except Unavailable:
            raise PreventUpdate from None
        now = data.now()
        parts: list[Any] = []
        for action in found:
            parts += [html.P(html.B(action["sentence"])), *([steps(action, now)] if action["steps"] else [])]
        return parts

    app.callback(
        Output("rollback", "opened"),
        Output("rollback", "title"),
        Output("rollback-plan", "children"),
        Output("rollback-to", "data"),
        Output("rollback-to", "value"),
        Output("rollback-shown", "data"),
        Output("rollback-actions", "data", allow_duplicate=True),
        Output("rollback-token", "value"),
        Output("rollback-typed", "value"),
        Output("rollback-reason", "value"),
        Output("rollback-refused", "children", allow_duplicate=True),
        Output("rollback-form", "style", allow_duplicate=True),
        Output("rollback-result", "children", allow_duplicate=True),
        Output("rollback-typed", "placeholder"),
        Input("rollback-open", "n_clicks"),
        State("policy", "data"),
        prevent_initial_call=True,
    )(show)
    app.callback(
        *[Output(f"rollback-{name}", "error") for name in _FIELDS],
        Output("rollback-refused", "children"),
        Output("rollback-actions", "data"),
        Output("rollback-form", "style"),
        Output("rollback-result", "children", allow_duplicate=True),
        Output("rollback-token", "value", allow_duplicate=True),
        Input("rollback-submit", "n_clicks"),
        State("policy", "data"),
        State("rollback-shown", "data"),
        State("rollback-to", "value"),
        State("rollback-token", "value"),
        State("rollback-typed", "value"),
        State("rollback-reason", "value"),
        prevent_initial_call=True,
    )(submit)
    app.callback(
        Output("rollback-result", "children"),
        Input("pulse", "data"),
        Input("rollback-actions", "data"),
        prevent_initial_call=True,
    )(follow)


def _choice(name: str, what: dict[str, Any]) -> str:
    if name in what["tried"]:
        return f"{name} (rolled back in this incident)"
    return f"{name} (next fallback)" if name == what["default"] else name


def plan(found: dict[str, Any]) -> html.Div:
    """Return what will happen: what is stopped, its traffic, and what will be called."""
    share = found["split"].get(found["serving"], 0.0)
    hooks = found["rollback"]["hooks"]
    calls = [html.Li([html.B(hook["name"]), f" {hook['kind']} ", html.Code(hook["where"])]) for hook in hooks]
    called = (
        html.Ul(calls) if calls else html.P("No hook is configured: the route changes, and whoever asks it follows.")
    )
    return html.Div(
        [
            html.P(
                [
                    "Stop ",
                    html.B(found["serving"]),
                    f" (generation {found['generation']}), which the route gives {share:.0%} of the traffic.",
                ]
            ),
            html.P("Will be called, signed, until it answers:" if calls else ""),
            called,
        ],
        className="plan",
    )
