"""The queue of shadow disagreements: by policy, exploits first, then disputed ones, then the oldest."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dash import dcc, html

from dashboard.components import moment, prose, seconds, state
from dashboard.pages.review import action, standing
from dashboard.reviewing import MOST
from dashboard.words import length, plural


def queue(found: list[dict[str, Any]], now: float, chosen: str | None) -> Any:
    """Return the policies that have something to review; where none has, what would bring it here."""
    if not found:
        told = 'Nothing waits. A row with `arm = "shadow"` that differs much from what was done comes here.'
        return html.P(prose(told), className="empty")
    return html.Div([_policy(one, now, chosen) for one in found], className="groups")


def _policy(found: dict[str, Any], now: float, chosen: str | None) -> html.Section:
    waits, over, told = found["waiting"], found["over"], found["queue"]
    disputed = sum(item["state"] == "disputed" for item in waits)
    counts: list[Any] = [
        state("rollback", plural(told["exploits"], "exploit")) if told["exploits"] else None,
        state("warning", f"{disputed} disputed") if disputed else None,
        state("pending", f"{told['open'] - disputed} open") if told["open"] - disputed else None,
    ]
    age = f"the oldest for {length(told['oldest_s'])}" if told["oldest_s"] is not None else "nothing waits"
    head = html.H3(
        [
            dcc.Link(found["policy"], href=f"/reviews?policy={quote(found['policy'], safe='')}"),
            html.Span([*filter(None, counts), html.Span(age)], className="tally-small"),
        ]
    )
    parts: list[Any] = [head]
    if waits:
        parts.append(html.Ul([_row(item, now, chosen) for item in waits[:MOST]], className="findings queue"))
    if len(waits) > MOST:
        parts.append(html.P(f"and {len(waits) - MOST} more: `next` brings them.", className="muted"))
    if over:
        rows = html.Ul([_row(item, now, chosen) for item in over[:MOST]], className="findings queue")
        parts.append(html.Details([html.Summary(f"{plural(len(over), 'item')} decided or displaced"), rows]))
    return html.Section(parts, className="group")


def _row(item: dict[str, Any], now: float, chosen: str | None) -> html.Li:
    live, shadow = action(item["live_action"])[:80], action(item["shadow_action"])[:80]
    judged = "" if item["state"] == "decided" else f"{item['judged_by']} of 2 judged"
    size = "size unknown" if item["sense"] == "unmeasured" else f"{item['size']:.3g} times large"
    return html.Li(
        [
            html.Div(
                [standing(item), html.Span(moment(seconds(item["added"]), now), className="muted")], className="top"
            ),
            html.A(
                [
                    html.Span([html.B(item["version"]), " ", html.Span(shadow, className="code")], className="what"),
                    html.Span(f"instead of {live}", className="reason"),
                ],
                href=f"/reviews?item={quote(item['id'], safe='')}",
                **{"data-review": item["id"], **({"aria-current": "true"} if item["id"] == chosen else {})},
            ),
            html.Div([html.Span(size, className="tag"), html.Span(judged, className="tag")], className="tags"),
        ],
        className=f"finding{' is-rollback' if item['exploit'] else ''}",
        **{"data-row": f"{item['policy']} {item['version']} {live} {shadow} {item['state']} {item['id']}"},
    )
