"""One policy: where it stands, what was done, and the charts that say why."""

from __future__ import annotations

from typing import Any

import dash
from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from dashboard import figures
from dashboard.components import brief, findings, graph, moment, panel, prose, state, steps, unread
from dashboard.current import data as current
from dashboard.data import LIVE_SPANS, Data, rate_series, span_of
from dashboard.guard import kept
from dashboard.pages import missing, rollback
from dashboard.pages import runbook as runbook_page
from dashboard.pages.alerts import picker
from dashboard.pages.notes import constraints, control_note, drift_note, entropy_note

_PANELS = {"reward": "control", "violation_rate": "rates", "hard_constraint": "rates", "state_drift": "drift"}
_PANELS |= {"action_entropy": "entropy", "candidate_value": "candidates", "volume": "control"}
_BRIEF = 3  # alerts named above the charts


def layout(
    policy: str | None = None,
    range: str | None = None,
    metric: str | None = None,
    key: str | None = None,
    constraint: str | None = None,
    runbook: str | None = None,
    **_query: str,
) -> html.Div:
    """Return the page without data."""
    if policy not in current().policies():
        return missing.layout()
    focus = _PANELS.get(metric or "", "")
    chosen = constraint or (key if focus == "rates" else None)
    return html.Div(
        [
            html.Div(
                [
                    html.Div([html.H1(policy), html.Div(id="policy-state")], className="heading"),
                    picker(span_of(range)),
                    html.Button("Roll back…", id="rollback-open", className="danger"),
                ],
                className="title",
            ),
            dcc.Store(id="policy", data=policy),
            dcc.Store(id="constraint", data=chosen),
            html.Div("", id="focus", hidden=True, **{"data-panel": focus}),
            html.Div(unread(), id="situation", style={"minHeight": 74}),
            html.P("", id="situation-error", className="failed", role="status"),
            panel("Mean reward", graph("control", 320), name="control", wide=True, height=320),
            html.Div(
                [
                    panel("Violations", [html.Div(id="constraints"), graph("rate", 210)], name="rates", height=300),
                    panel("State drift", graph("drift", 260), name="drift", height=260),
                    panel("Reward distribution", graph("fan", 230), name="fan", height=230),
                    panel("Action entropy", graph("entropy", 230), name="entropy", height=230),
                ],
                className="grid",
            ),
            panel("Candidates, off-policy", graph("forest", 166), name="candidates", wide=True, height=166),
            panel(
                "Alerts of this policy",
                html.Div(unread(), id="policy-alerts"),
                name="policy-alerts",
                wide=True,
                height=60,
            ),
            runbook_page.section(runbook),
            rollback.dialog(),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def stand(_pulse: Any, policy: str) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now = data.situation(policy), data.now()
            return state(found["state"], size="large"), situation(found, data.alerts(policy)["open"], now)

        return kept(read, 2, data.now())

    def fired(_judged: str | None, span: str, policy: str) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now = data.alerts(policy, span_of(span)), data.now()
            groups = [findings(found["open"], now, empty="Nothing fires now.")]
            if found["blind"]:
                groups += [html.H3("Cannot be judged"), findings(found["blind"], now, empty="")]
            if found["past"]:
                groups += [html.H3("Over"), findings(found["past"], now, empty="", over=True)]
            return (groups,)

        return kept(read, 1, data.now())

    def trend(
        _pulse: Any, _judged: str | None, span: str, constraint: str | None, policy: str, note: Any
    ) -> tuple[Any, ...]:
        if set(dash.ctx.triggered_prop_ids) == {"pulse.data"} and span not in LIVE_SPANS and note:
            raise PreventUpdate  # a longer span shows judged windows only
        return kept(lambda: trends(data, policy, span_of(span), constraint), 8, data.now(), panels=4)

    def moved(_judged: str | None, span: str, policy: str) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found = data.drift(policy, span_of(span))
            return figures.heatmap(found, f"{policy}{span}"), drift_note(found)

        return kept(read, 2, data.now())

    def valued(_judged: str | None, policy: str) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found = data.candidates(policy)
            if found["missing"]:
                return figures.forest(found), ""
            days = (found["end"] - found["begin"]) / 86400
            return figures.forest(found), [f"{days:.0f} days to ", moment(found["end"], data.now())]

        return kept(read, 2, data.now())

    judged, span, policy = Input("judged", "data"), Input("range", "value"), State("policy", "data")
    app.callback(
        Output("policy-state", "children"),
        Output("situation", "children"),
        Output("situation-error", "children"),
        Input("pulse", "data"),
        policy,
    )(stand)
    app.callback(Output("policy-alerts", "children"), Output("policy-alerts-error", "children"), judged, span, policy)(
        fired
    )
    app.callback(
        Output("control", "figure"),
        Output("control-note", "children"),
        Output("fan", "figure"),
        Output("entropy", "figure"),
        Output("entropy-note", "children"),
        Output("constraints", "children"),
        Output("rate", "figure"),
        Output("rates-note", "children"),
        *[Output(f"{name}-error", "children") for name in ("control", "fan", "entropy", "rates")],
        Input("pulse", "data"),
        judged,
        span,
        Input("constraint", "data"),
        policy,
        State("control-note", "children"),
    )(trend)
    app.callback(
        Output("drift", "figure"),
        Output("drift-note", "children"),
        Output("drift-error", "children"),
        judged,
        span,
        policy,
    )(moved)
    app.callback(
        Output("forest", "figure"),
        Output("candidates-note", "children"),
        Output("candidates-error", "children"),
        judged,
        policy,
    )(valued)


def situation(found: dict[str, Any], opened: list[dict[str, Any]], now: float) -> html.Div:
    """Return the facts, what fires, what was done with its steps, and the next step."""
    facts = [
        ("Serving", [html.B(found["serving"]), f" generation {found['generation']}"]),
        ("Newest decision", moment(found["last_ts"], now, absent="none yet")),
        ("Judged until", moment(found["sealed_until"], now)),
        ("Baseline", f"{found['baseline']['id']}, frozen" if found["baseline"] else "none frozen"),
    ]
    if found["quarantined"]:
        rows = sum(item["rows"] for item in found["quarantined"])
        facts.append(("Quarantined", f"{rows:,} rows: {found['quarantined'][0]['reason']}"))
    done = [
        html.Div(
            [
                html.P([html.B(action["sentence"]), " ", html.Span(action["reason"], className="muted")]),
                steps(action, now),
            ],
            className="action " + ("is-stuck" if action["stuck"] else "is-done" if action["done"] else "is-open"),
        )
        for action in found["actions"]
    ]
    fires = [html.Li(brief(item, now)) for item in opened[:_BRIEF]]
    if len(opened) > _BRIEF:
        fires.append(html.Li(html.A(f"and {len(opened) - _BRIEF} more", href="#policy-alerts-panel")))
    due = [" ", moment(found["next"]["at"], now), "."] if found["next"]["at"] else []
    return html.Div(
        [
            html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in facts], className="facts"),
            html.Ul(fires, className="fires") if fires else None,
            *done,
            html.P([html.B("Next: "), *prose(found["next"]["text"]), *due], className="next"),
        ]
    )


def trends(data: Data, policy: str, span: str, constraint: str | None) -> tuple[Any, ...]:
    """Return what is drawn over time: control chart, fan, entropy, constraints and the rate of the chosen one."""
    found, happened, serving = data.series(policy, span)
    revision = f"{policy}{span}"
    limits = found["constraints"]
    chosen = next((row for row in limits if row["constraint"] == constraint), limits[0] if limits else None)
    if chosen is None:
        rate = figures.nothing("No constraint is configured for this policy.", 210)
        note: Any = ""
    else:
        table = rate_series(found["rates"], chosen["constraint"])
        rate = figures.rate(table, chosen, found, happened, f"{revision}{chosen['constraint']}")
        note = f"over {span}, exact 95% intervals"
    return (
        figures.control(found, happened, serving, revision),
        control_note(found),
        figures.fan(found, happened, revision),
        figures.entropy(found, happened, serving, revision),
        entropy_note(found, serving),
        constraints(limits, chosen["constraint"] if chosen else ""),
        rate,
        note,
    )
