"""One policy: where it stands, what was done, and the charts that say why."""

from __future__ import annotations

from functools import partial
from typing import Any

import dash
from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from dashboard import figures, reports
from dashboard.components import graph, legend, moment, panel, state, triggers_link, unread
from dashboard.current import data as current
from dashboard.data import Data, rate_series, span_of
from dashboard.findings import findings
from dashboard.guard import kept
from dashboard.pages import missing, ranges, rollback
from dashboard.pages import runbook as runbook_page
from dashboard.pages.notes import constraints, control_note, drift_more, drift_note, entropy_note
from dashboard.pages.rivals import rivals
from dashboard.pages.standing import situation
from dashboard.troubles import line

_PANELS = {"reward": "control", "violation_rate": "rates", "hard_constraint": "rates", "state_drift": "drift"}
_PANELS |= {"action_entropy": "entropy", "candidate_value": "candidates", "volume": "control"}
_SEEN = ("stand", "fired", "trend", "moved", "valued")  # one a callback: what the browser has of it


def layout(
    policy: str | None = None,
    range: str | None = None,
    metric: str | None = None,
    key: str | None = None,
    constraint: str | None = None,
    runbook: str | None = None,
    **query: str,
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
                    html.Div(
                        [html.H1(policy), html.Div(id="policy-state"), triggers_link(policy)], className="heading"
                    ),
                    ranges.picker(ranges.chosen(range, query, "6h")),
                    html.Button("Roll back…", id="rollback-open", className="danger"),
                ],
                className="title",
            ),
            dcc.Store(id="policy", data=policy),
            dcc.Store(id="constraint", data=chosen),
            *[dcc.Store(id=f"{name}-seen") for name in _SEEN],
            html.Div("", id="focus", hidden=True, **{"data-panel": focus}),
            html.Div(unread(), id="situation", style={"minHeight": 74}),
            html.P("", id="situation-error", className="failed", role="status"),
            panel("Mean reward", [_legend("control"), graph("control", 300)], name="control", wide=True, height=320),
            html.Div(
                [
                    panel("Violations", [html.Div(id="constraints"), graph("rate", 210)], name="rates", height=300),
                    panel(
                        "State drift", [_legend("drift"), graph("drift", 260), _more("drift")], name="drift", height=260
                    ),
                    panel("Reward distribution", [_legend("fan"), graph("fan", 210)], name="fan", height=230),
                    panel("Action entropy", graph("entropy", 230), name="entropy", height=230),
                ],
                className="grid",
            ),
            panel(
                "Candidates, off-policy",
                [html.Div(id="rivals"), graph("forest", 166)],
                name="candidates",
                wide=True,
                height=166,
            ),
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

    def stand(_pulse: Any, policy: str, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now = data.situation(policy), data.now()
            trouble = data.duty.held().get(policy)
            told = line(trouble, now, data.duty.real()) if trouble else None
            return state(found["state"], size="large"), situation(found, data.alerts(policy)["open"], now, told)

        return kept(read, 2, data.now(), seen)

    def fired(_judged: str | None, span: str, policy: str, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now = data.alerts(policy, span_of(span)), data.now()
            groups = [findings(found["open"], now, empty="Nothing fires now.")]
            if found["blind"]:
                groups += [html.H3("Cannot be judged"), findings(found["blind"], now, empty="")]
            if found["past"]:
                groups += [html.H3("Over"), findings(found["past"], now, empty="", over=True)]
            return (groups,)

        return kept(read, 1, data.now(), seen)

    def trend(
        _pulse: Any, _judged: str | None, span: str, constraint: str | None, zone: str | None, policy: str, seen: Any
    ) -> tuple[Any, ...]:
        if set(dash.ctx.triggered_prop_ids) == {"pulse.data"} and not data.live(span) and seen:
            raise PreventUpdate  # a longer span shows judged windows only
        read = partial(trends, data, policy, span_of(span), constraint, zone or "UTC")
        return kept(read, 10, data.now(), seen, panels=4)

    def moved(_judged: str | None, span: str, zone: str | None, policy: str, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found = data.drift(policy, span_of(span))
            figure = figures.clocked(figures.heatmap(found, f"{policy}{span}"), zone or "UTC")
            more = [drift_more(found), *reports.note(found["report"])]
            return figure, drift_note(found), legend(figures.meaning(found)), more

        return kept(read, 4, data.now(), seen)

    def valued(_judged: str | None, policy: str, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found = data.candidates(policy)
            if found["missing"]:
                return figures.forest(found), "", rivals(found["compared"])
            days = (found["end"] - found["begin"]) / 86400
            note = [f"{days:.0f} days to ", moment(found["end"], data.now())]
            return figures.forest(found), note, rivals(found["compared"])

        return kept(read, 3, data.now(), seen)

    pulse, judged, span = Input("pulse", "data"), Input("judged", "data"), Input("span", "data")
    zone, policy = Input("zone", "data"), State("policy", "data")

    def shown(names: str, *inputs: Any, of: Any) -> None:
        """Register a callback: its outputs are ``component.property``, and what the browser has of them."""
        outputs = [Output(*name.rsplit(".", 1)) for name in names.split()]
        seen = f"{of.__name__}-seen"
        app.callback(*outputs, Output(seen, "data"), *inputs, policy, State(seen, "data"))(of)

    shown("policy-state.children situation.children situation-error.children", pulse, of=stand)
    shown("policy-alerts.children policy-alerts-error.children", judged, span, of=fired)
    shown(
        "control.figure control-note.children control-legend.children fan.figure fan-legend.children entropy.figure "
        "entropy-note.children constraints.children rate.figure rates-note.children control-error.children "
        "fan-error.children entropy-error.children rates-error.children",
        pulse, judged, span, Input("constraint", "data"), zone, of=trend,
    )  # fmt: skip
    shown(
        "drift.figure drift-note.children drift-legend.children drift-more.children drift-error.children",
        judged, span, zone, of=moved,
    )  # fmt: skip
    shown("forest.figure candidates-note.children rivals.children candidates-error.children", judged, of=valued)


def _legend(name: str) -> html.Div:
    return html.Div(id=f"{name}-legend", className="legend")


def _more(name: str) -> html.P:
    return html.P(id=f"{name}-more", className="note")


def trends(data: Data, policy: str, span: str, constraint: str | None, zone: str = "UTC") -> tuple[Any, ...]:
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
        note = f"over {ranges.told(span)}, exact 95% intervals"
    control, fan = figures.control(found, happened, serving, revision), figures.fan(found, happened, revision)
    return (
        figures.clocked(control, zone),
        control_note(found),
        legend(figures.keys(control)),
        figures.clocked(fan, zone),
        legend(figures.keys(fan)),
        figures.clocked(figures.entropy(found, happened, serving, revision), zone),
        entropy_note(found, serving),
        constraints(limits, chosen["constraint"] if chosen else ""),
        figures.clocked(rate, zone),
        note,
    )
