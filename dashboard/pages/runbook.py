"""The runbook beside a firing alert: its steps with their clocks, and the page with what was measured filled in."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from dash import Dash, Input, Output, State, dcc, html

from dashboard.components import panel, prose
from dashboard.data import Data
from dashboard.guard import kept

_PAGE = re.compile(r"\]\(([a-z0-9_]+)\.md\)")


def section(trigger: str | None) -> html.Div:
    """Return the panel, empty; ``trigger`` is the one that the address asks for."""
    shown = panel("Runbook", html.Div(id="runbook"), name="runbook", wide=True)
    return html.Div([dcc.Store(id="runbook-asked", data=trigger), dcc.Store(id="runbook-seen"), shown])


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, policy: str, asked: str | None, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            trigger = asked or chosen(data.alerts(policy))
            if trigger is None:
                return html.P("Nothing fires, so no page is open.", className="empty"), ""
            return page(data.runbook(policy, trigger), policy), html.Span(trigger, className="code")

        return kept(read, 2, data.now(), seen)

    app.callback(
        Output("runbook", "children"),
        Output("runbook-note", "children"),
        Output("runbook-error", "children"),
        Output("runbook-seen", "data"),
        Input("judged", "data"),
        State("policy", "data"),
        State("runbook-asked", "data"),
        State("runbook-seen", "data"),
    )(show)


def chosen(found: dict[str, list[dict[str, Any]]]) -> str | None:
    """Return the trigger whose page is wanted most: the worst that is open, else the newest that fired."""
    over = [item for item in found["past"] if item["shown"] != "pending"]
    for item in [*found["open"], *over]:
        return str(item["trigger"])
    return None


def page(found: dict[str, Any], policy: str) -> Any:
    """Return a page: steps first, because a clock runs, then the text."""
    if found["fault"]:
        return html.P(prose(found["fault"]), className="empty")
    front = found["front"]
    who = front["kill_authority"]
    steps = [
        html.Li(
            [
                html.Span([html.B(step["kind"]), f" within {step['within']}"], className="when"),
                html.Span(
                    [html.Span(step["do"]), html.Small(f"Expect: {step['expect']}. Else: {step['on_timeout']}.")]
                ),
            ]
        )
        for step in front["steps"]
    ]
    decides = f"{who['primary']} decides, then {who['deputy']}; after {who['anyone_after']} anyone may roll back."
    return html.Div(
        [
            html.P(decides, className="muted"),
            html.Ol(steps, className="runbook-steps"),
            html.Details(
                [html.Summary("Meaning, impact, diagnosis, mitigation"), dcc.Markdown(linked(found["text"], policy))],
                className="page-text",
                open=found["fired"],
            ),
        ]
    )


def linked(text: str, policy: str) -> str:
    r"""Return the text with links between pages as addresses of this policy; headings go down one level.

    >>> linked("# A\n[state_drift](state_drift.md)", "bids")
    '## A\n[state_drift](/policy/bids?runbook=state_drift)'
    """
    target = quote(policy, safe="")
    lowered = re.sub(r"^(#+ )", r"#\1", text, flags=re.MULTILINE)
    return _PAGE.sub(rf"](/policy/{target}?runbook=\1)", lowered)
