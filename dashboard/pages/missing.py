"""The page for an address that is none."""

from __future__ import annotations

from dash import dcc, html


def layout(**_query: str) -> html.Div:
    """Return the page."""
    return html.Div(
        [html.H1("There is no such page"), html.P([dcc.Link("Overview", href="/"), " shows every policy."])],
        className="page",
    )
