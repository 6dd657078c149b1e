"""Why an alert fired and whether a rollback will help: two sentences, the numbers behind them folded away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

_TABLES = {
    "parts": "Where the change of the mean reward came from",
    "features": "Features that carry the other states",
    "segments": "Change by segment",
    "back": "The version to go back to, less the one that fired",
}


def why(told: dict[str, Any] | None) -> html.Div | None:
    """Return what is told of a firing, None where nothing is yet; a failure is said, never left out.

    Parameters
    ----------
    told
        The ``why`` of a finding of ``monitor.views.alerts``.
    """
    if told is None:
        return None
    if told.get("again"):
        return None  # several alerts of one trouble have one answer, and the first of them says it
    said: list[Any] = [html.P(told["why"], className="because")]
    if told["help"]:
        said.append(html.P(told["help"], className="because"))
    tables = [_table(title, told[name]) for name, title in _TABLES.items() if told[name]]
    if tables:
        said.append(html.Details([html.Summary("Numbers"), *tables]))
    if told.get("folded"):
        return html.Div(html.Details([html.Summary("Why this one fired"), *said]), className="why-told")
    return html.Div(said, className="why-told")


def _table(title: str, rows: Sequence[dict[str, Any]]) -> html.Div:
    head = html.Tr([html.Th(name, scope="col") for name in ("part", "per decision", "95% interval")])
    body = [
        html.Tr(
            [
                html.Th(row["name"], scope="row"),
                html.Td(_number(row["value"], row)),
                html.Td(f"{_number(row['low'], row)} to {_number(row['high'], row)}"),
            ],
            title=row.get("note") or None,
        )
        for row in rows
    ]
    return html.Div(html.Table([html.Caption(title), html.Thead(head), html.Tbody(body)], className="why-table"))


def _number(value: float, row: dict[str, Any]) -> str:
    """Write a number with the digits that its interval deserves.

    >>> _number(-0.46626, {"value": -0.46626, "low": -0.515, "high": -0.417})
    '-0.466'
    """
    half = max((row["high"] - row["low"]) / 2, abs(row["value"]) * 1e-3)
    digits = next((n for n in range(9) if half * 10**n >= 10), 9) if half > 1e-9 else 0
    return f"{value + 0.0:+.{digits}f}"
