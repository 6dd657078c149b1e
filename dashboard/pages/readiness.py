"""Readiness: the checklist of a policy by phase: state, number against threshold, evidence to drill into."""

from __future__ import annotations

import json
from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard.components import moment, prose, state, unread
from dashboard.current import data as current
from dashboard.data import Data
from dashboard.guard import kept
from dashboard.words import ITEMS, number


def layout(policy: str | None = None, **_query: str) -> html.Div:
    """Return the page without data."""
    names = current().policies()
    chosen = policy if policy in names else (names[0] if names else "")
    links = [
        dcc.Link(
            name, href=f"/readiness?policy={name}", className="tab", **({"title": "shown"} if name == chosen else {})
        )
        for name in names
    ]
    return html.Div(
        [
            html.Div(
                [html.H1("Readiness"), html.Nav(links, className="tabs", **{"aria-label": "Policies"})],
                className="title",
            ),
            dcc.Store(id="readiness-policy", data=chosen),
            dcc.Store(id="readiness-seen"),
            html.P("", id="readiness-error", className="failed", role="status"),
            html.Div(unread(), id="readiness", style={"minHeight": 200}),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, policy: str, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            return (checklist(policy, data.readiness(policy) if policy else None, data.now()),)

        return kept(read, 1, data.now(), seen)

    app.callback(
        Output("readiness", "children"),
        Output("readiness-error", "children"),
        Output("readiness-seen", "data"),
        Input("judged", "data"),
        State("readiness-policy", "data"),
        State("readiness-seen", "data"),
    )(show)


def checklist(policy: str, found: dict[str, Any] | None, now: float) -> Any:
    """Return the checklist by phase; where it was never run, the command that does."""
    if found is None:
        return html.P("No policy is configured: name one in checkrein.toml.", className="empty")
    if found["fault"]:
        return html.P([state("error"), " ", *prose(found["fault"])], className="empty")
    if not found["ran"]:
        command = html.Code(f"checkrein checklist run {policy}")
        return html.P([state("no_data", "not run yet"), " No run is on record: ", command], className="empty")
    run = found["run"]
    head = html.Dl(
        [
            _fact("Version", html.B(found["version"])),
            _fact("Judged as of", moment(run["as_of"], now)),
            _fact("Run", [f"{run['id']} by {run['actor']}, ", moment(run["recorded"], now)]),
            _fact("Template", [f"{found['template']['name']} ", html.Code(found["template"]["sha256"][:12])]),
            _fact("Tier", found["tier"]),
        ],
        className="facts",
    )
    tally = [state(ITEMS[name], f"{count} {name.replace('_', ' ')}") for name, count in found["summary"].items()]
    gates = [
        html.Li(
            [
                state("rollback", f"{gate} closed") if gate_of["blocking"] else state("healthy", f"{gate} measured"),
                html.Span([f" {gate_of['title']}", _closed(gate_of["blocking"])], className="muted"),
            ]
        )
        for gate, gate_of in found["gates"].items()
    ]
    by_id = {item["id"]: item for item in found["items"]}
    phases = [
        html.Section(
            [
                html.H2(phase["title"]),
                html.Div([_item(by_id[name], now) for name in phase["items"]], className="items"),
            ],
            className="panel wide",
        )
        for phase in found["phases"]
        if phase["items"]
    ]
    summary = html.Section(
        [head, html.Div(tally, className="tally"), html.Ul(gates, className="gates")], className="panel"
    )
    return html.Div([summary, *phases], className="stack")


def _fact(name: str, value: Any) -> html.Div:
    return html.Div([html.Dt(name), html.Dd(value)])


def _closed(blocking: list[str]) -> str:
    if not blocking:
        return ""
    more = f" and {len(blocking) - 6} more" if len(blocking) > 6 else ""
    return f": blocked by {', '.join(blocking[:6])}{more}"


def _item(item: dict[str, Any], now: float) -> html.Details:
    stale = "stale" in item["overlays"]
    shown = ITEMS["stale"] if stale else ITEMS.get(item["state"], "error")
    word = ("stale, was " if stale else "") + item["state"].replace("_", " ")
    unit = f" {item['unit']}" if item["unit"] else ""
    references = ", ".join(
        f"{name.replace('_', ' ')}: {', '.join(known)}" for name, known in item["references"].items()
    )
    facts = [
        ("Measured", None if item["value"] is None else f"{number(item['value'])}{unit}"),
        ("Threshold", None if item["threshold"] is None else f"{number(item['threshold'])}{unit}"),
        ("Passes when", item["passes_when"]),
        ("Measured from", item["measured_from"]),
        ("A person attests", item["attested_by"]),
        ("Keeps closed", ", ".join(item["gates"]) if item["blocks"] else None),
        ("Collected", moment(item["collected"], now) if item["collected"] else None),
        ("Expires", moment(item["expires"], now) if item["expires"] else None),
        ("Evidence", html.Code(item["evidence"]) if item["evidence"] else None),
        ("See", f"{references} (verify before relying)" if references else None),
    ]
    evidence = html.Pre(json.dumps(item["body"], indent=1, ensure_ascii=False), className="evidence", tabIndex=0)
    parts = [html.Dl([_fact(name, value) for name, value in facts if value])]
    if item["body"]:
        parts.append(html.Details([html.Summary("Evidence as it is kept"), evidence], className="drill"))
    wanted = html.Span("a person must attest", className="tag") if "awaiting_attestation" in item["overlays"] else None
    return html.Details(
        [
            html.Summary(
                [
                    html.Span(item["id"], className="code"),
                    state(shown, word),
                    html.Span(
                        [html.B(item["question"]), " ", wanted, html.Span(prose(item["sentence"]), className="said")]
                    ),
                ]
            ),
            *parts,
        ],
        className=f"item is-{shown}",
        **{"data-row": f"{item['id']} {item['question']} {item['state']}"},
    )
