"""Rollouts: every policy with the one that is open, or the last one."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard import rolling
from dashboard.components import shape_of, state, unread
from dashboard.data import Data
from dashboard.guard import kept
from dashboard.pages.rollout_parts import address, opening, when
from dashboard.words import PHASES, percent

_COLUMNS = ("Policy", "Stands", "Stage", "Traffic", "Agreed", "Since", "Why")


def layout(**_query: str) -> html.Div:
    """Return the page without data."""
    return html.Div(
        [
            html.Div([html.H1("Rollouts")], className="title"),
            dcc.Store(id="rollouts-seen"),
            html.P("", id="rollouts-error", className="failed", role="status"),
            html.Section(html.Div(unread(), id="rollouts", style={"minHeight": 120}), className="panel wide"),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, seen: Any) -> tuple[Any, ...]:
        return kept(lambda: (table(rolling.listed(data), data.now()),), 1, data.now(), seen)

    app.callback(
        Output("rollouts", "children"),
        Output("rollouts-error", "children"),
        Output("rollouts-seen", "data"),
        Input("judged", "data"),
        State("rollouts-seen", "data"),
    )(show)


def table(rows: list[dict[str, Any]], now: float) -> Any:
    """Return the policies with their rollouts as a table, which style.css makes cards of on a narrow screen."""
    if not rows:
        return html.P("No policy is configured: name one in checkrein.toml.", className="empty")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in _COLUMNS]))
    return html.Table([head, html.Tbody([_row(one, now) for one in rows])], className="policies")


def _row(one: dict[str, Any], now: float) -> html.Tr:
    policy, found = one["policy"], one["rollout"]
    versions = html.Small(f"{found['incumbent']} → {found['candidate']}") if found else None
    first = html.Th([dcc.Link(policy, href=address(policy), className="name"), versions], scope="row")
    if found is None:
        cells: list[Any] = [[shape_of("no_data"), "none yet"], *["–"] * 5]
    else:
        route, wanted = found["route"], found["wanted"]
        share = route["split"].get(found["candidate"], 0.0) if route else None
        agreed = f"{len(wanted['people'])} of {wanted['needed']}" if wanted["digest"] else "–"
        cells = [
            state(*PHASES[found["phase"]]), found["stage_name"], percent(share), agreed,
            when(found["since"], now), html.Span(opening(found["note"]), className="said"),
        ]  # fmt: skip
    named = zip(_COLUMNS[1:], cells, strict=True)
    return html.Tr(
        [first, *[html.Td(html.Div(cell), **{"data-label": name}) for name, cell in named]],
        **{"data-row": policy},
    )
