"""One incident: who has it and what comes next, what the system did, the runbook as it was, and all that happened."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard import history
from dashboard.components import link as page_of
from dashboard.components import moment, panel, prose, state, steps, unread
from dashboard.current import data as current
from dashboard.data import Data, Unavailable
from dashboard.dialog import ask
from dashboard.guard import kept
from dashboard.pages import missing, rollback
from dashboard.troubles import coming, sign, who
from dashboard.why import why

_PANELS = ("acted", "copy", "notes", "after", "history", "messages")


def layout(number: str | None = None, **_query: str) -> html.Div:
    """Return the page without data; the policy is read now, because the rollback dialog is about it."""
    wanted = int(number) if number and number.isascii() and number.isdigit() and len(number) < 10 else 0
    try:
        found = current().duty.incident(wanted)
    except Unavailable:
        found = {"policy": ""}
    if found is None:
        return missing.layout()
    policy = found["policy"]
    back = html.Button("Roll back…", id="rollback-open", className="danger") if policy else None
    return html.Div(
        [
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(f"Incident {wanted}"),
                            html.Div(id="incident-state"),
                            dcc.Link(policy, href=page_of(policy)) if policy else None,
                        ],
                        className="heading",
                    ),
                    back,
                ],
                className="title",
            ),
            dcc.Store(id="incident", data=wanted),
            dcc.Store(id="policy", data=policy),
            dcc.Store(id="incident-seen"),
            html.Section(
                [
                    html.Div(unread(), id="incident-head"),
                    html.P("", id="incident-error", className="failed", role="status"),
                ],
                className="panel wide",
                **{"aria-label": "Where it stands"},
                style={"minHeight": 120},
            ),
            panel("What the system did", html.Div(unread(), id="acted"), name="acted", wide=True, height=60),
            panel("Runbook, as it was", html.Div(unread(), id="copy"), name="copy", wide=True, height=60),
            html.Div(
                [
                    panel("Notes", html.Div(unread(), id="notes"), name="notes", height=60),
                    panel("To do afterwards", html.Div(unread(), id="after"), name="after", height=60),
                ],
                className="grid",
            ),
            panel("Timeline", html.Div(unread(), id="history"), name="history", wide=True, height=60),
            panel("Who was told", html.Div(unread(), id="messages"), name="messages", wide=True, height=40),
            rollback.dialog(),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, number: int, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            one, now, real = data.duty.incident(number), data.now(), data.duty.real()
            if one is None:
                return sign_gone(), *[""] * (len(_PANELS) + 1)
            return (
                sign(one, size="large"),
                head(one, now, real),
                did(one, now),
                history.runbook(one, now, real),
                history.notes(one, now),
                history.follow_ups(one, now),
                history.timeline(one, now),
                history.messages(one, now),
            )

        return kept(read, len(_PANELS) + 2, data.now(), seen, panels=len(_PANELS) + 1)

    app.callback(
        Output("incident-state", "children"),
        Output("incident-head", "children"),
        *[Output(name, "children") for name in _PANELS],
        Output("incident-error", "children"),
        *[Output(f"{name}-error", "children") for name in _PANELS],
        Output("incident-seen", "data"),
        Input("judged", "data"),
        State("incident", "data"),
        State("incident-seen", "data"),
    )(show)


def sign_gone() -> html.Span:
    """Return what stands where an incident is no more, which only another database can bring about."""
    return state("no_data", "not there any more")


def head(one: dict[str, Any], now: float, real: float) -> html.Div:
    """Return what it is, who has it, what comes next, whether going back will help, and what a person can do."""
    facts = [
        ("Severity", one["severity"]),
        ("Since", moment(one["since"], now)),
        ("Level", f"{one['level']}" if one["level"] else "nobody was told yet"),
    ]
    if one["reopened"]:
        facts.append(("Reopened", f"{one['reopened']}×"))
    told = one["why"]
    helps = told and (told["help"] or told["why"])
    return html.Div(
        [
            html.P(html.B(one["title"] or one["reason"]), className="lead"),
            html.P(one["reason"]) if one["title"] and one["reason"] != one["title"] else None,
            html.P([*who(one, now, real), " ", *coming(one, real)], className="trouble big"),
            html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in facts], className="facts"),
            html.P([html.B("Will going back help? "), helps], className="next") if helps else None,
            _buttons(one),
        ]
    )


def _buttons(one: dict[str, Any]) -> Any:
    """Return what can be done now; what cannot says why beside it."""
    number, may = one["number"], one["may"]
    found = []
    if "acknowledge" in may:
        renews = one["state"] != "triggered" and not one["expired"]
        found.append(
            ask("ack", number, text="Renew" if renews else "Acknowledge", kind="plain" if renews else "primary")
        )
    if one["active"] and one["led_by"] is None:
        found.append(ask("escalate", number))
    if "start_mitigation" in may:
        found.append(ask("mitigate", number))
    if "resolve" in may:
        button = ask("resolve", number)
        if one["hindered"]:
            button.disabled = True
        found.append(button)
    if not found:
        return None
    hindered = one["hindered"] if "resolve" in may else ""
    why_not = f"{hindered[:1].upper()}{hindered[1:]}." if hindered else ""
    return html.Div(
        [html.Div(found, className="buttons"), html.P(prose(why_not), className="muted") if why_not else None]
    )


def did(one: dict[str, Any], now: float) -> Any:
    """Return the actions of an incident with their steps, then why it fired with its numbers."""
    parts: list[Any] = [
        html.Div(
            [
                html.P([html.B(action["sentence"]), " ", html.Span(action["reason"], className="muted")]),
                html.P(action["last_error"], className="failed") if action["stuck"] and action["last_error"] else None,
                steps(action, now) if action["steps"] else None,
            ],
            className="action " + ("is-stuck" if action["stuck"] else "is-done" if action["done"] else "is-open"),
        )
        for action in one["actions"]
    ]
    if not parts:
        nothing = "Nothing automatic: what fired is of severity page." if one["severity"] == "page" else "Nothing yet."
        parts.append(html.P(nothing, className="empty"))
    return html.Div([*parts, why({**one["why"], "help": ""}) if one["why"] else None])  # the head says whether it helps
