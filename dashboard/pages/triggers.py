"""Triggers of a policy: each rule, where it stands, its share of the false-alarm budget, firing, drill, backtest."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dash import Dash, Input, Output, State, dcc, html

from dashboard import rules
from dashboard.components import labelled_row, link, moment, panel, prose, state, table_of, unread
from dashboard.current import data as current
from dashboard.data import Data
from dashboard.guard import kept
from dashboard.pages import missing
from dashboard.words import number, plural

_SEVERITY = {"rollback": "rollback", "page": "page", "warn": "warning", "info": "no_data"}
_HEALTH = {"ok": "judged", "insufficient": "with too few rows", "no_data": "without data", "stale": "not evaluated"}


def layout(policy: str | None = None, **_query: str) -> html.Div:
    """Return the page without data."""
    if policy not in current().policies():
        return missing.layout()
    return html.Div(
        [
            html.Div(
                [
                    html.Div([html.H1(f"Triggers of {policy}")], className="heading"),
                    dcc.Link("The policy", href=link(str(policy)), className="tab"),
                    dcc.Input(id="filter", type="search", placeholder="Filter  /", className="filter"),
                ],
                className="title",
            ),
            dcc.Store(id="triggers-policy", data=policy),
            dcc.Store(id="triggers-seen"),
            dcc.Store(id="budget-seen"),
            panel("Triggers", html.Div(unread(), id="triggers"), name="triggers", wide=True, height=200),
            panel("False-alarm budget", html.Div(unread(), id="budget"), name="budget", wide=True, height=120),
            panel("Backtest", html.Div(unread(), id="backtest"), name="backtest", wide=True, height=60),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks: the budget on its own, because it can take seconds."""

    def show(_judged: str | None, policy: str, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            found, now = rules.triggers(data, policy), data.now()
            return table(policy, found["triggers"], now), replay(policy, found["backtest"], now)

        return kept(read, 2, data.now(), seen, panels=2)

    def share(policy: str, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, ...]:
            return (budget(rules.budget(data, policy)),)

        return kept(read, 1, data.now(), seen)

    app.callback(
        Output("triggers", "children"),
        Output("backtest", "children"),
        Output("triggers-error", "children"),
        Output("backtest-error", "children"),
        Output("triggers-seen", "data"),
        Input("judged", "data"),
        State("triggers-policy", "data"),
        State("triggers-seen", "data"),
    )(show)
    app.callback(
        Output("budget", "children"),
        Output("budget-error", "children"),
        Output("budget-seen", "data"),
        Input("triggers-policy", "data"),
        State("budget-seen", "data"),
    )(share)


def table(policy: str, found: list[dict[str, Any]], now: float) -> Any:
    """Return the rules, the severest first."""
    if not found:
        return html.P("No trigger is enabled for this policy: nothing is watched.", className="empty")
    rows = []
    for one in found:
        page = f"/policy/{quote(policy, safe='')}?runbook={quote(one['trigger'], safe='')}"
        again = f", {one['for_']} in a row" if one["for_"] > 1 else ""
        drilled = moment(one["drilled"], now) if one["severity"] == "rollback" or one["drilled"] else "not asked for"
        cells = [
            ("Severity", _severity(one)),
            ("Stands", _stands(one)),
            ("Judges", [html.Span(one["metric"], className="code"), f" by {one['detector']}, {one['window']}{again}"]),
            ("Fired last", moment(one["fired"], now)),
            ("Drilled last", drilled),
            ("In the backtest", _replayed(one["replayed"])),
        ]
        name = dcc.Link(one["trigger"], href=page, className="code", title="Its runbook page")
        rows.append(labelled_row(name, cells, one["trigger"]))
    head = ("Trigger", "Severity", "Stands", "Judges", "Fired last", "Drilled last", "In the backtest")
    return table_of(head, rows)


def budget(found: dict[str, Any]) -> Any:
    """Return the budget: what is allowed, what is expected, and what each rollback trigger has of it."""
    allowed = f"{number(found['at_most'])} false rollbacks in {found['per_s'] / 86400:g} days are accepted"
    expected = "what to expect is not known of every trigger"
    if found["expected"] is not None:
        expected = f"{number(found['expected'], 3)} are to be expected"
    word = state("healthy", "kept") if found["kept"] else state("warning", "not kept")
    if found["kept"] and found["expected"] is None:
        word = state("insufficient", "not known")
    head: list[Any] = [html.P([word, f" {allowed}; {expected}."])]
    if found["single_events"]:
        names = ", ".join(found["single_events"])
        head.append(html.P(f"A single event fires {names}: they take no share.", className="muted"))
    rows = []
    for one in found["triggers"]:
        cells = [
            ("Kept", _kept(one)),
            ("Share", f"{number(one['share'], 3)} of {number(found['at_most'])}"),
            ("Expected", f"{number(one['expected'], 3)}" if one["expected"] is not None else "not known"),
            ("How that is known", one["method"]),
            ("Limit", f"{one['threshold']}, {plural(one['keys'], 'series')}"),
            ("Cure", one["cure"]),
        ]
        rows.append(labelled_row(html.Span(one["trigger"], className="code"), cells, one["trigger"]))
    if rows:
        head.append(table_of(("Trigger", "Kept", "Share", "Expected", "How that is known", "Limit", "Cure"), rows))
    command = html.Code(f"checkrein budget {found['policy']}")
    return html.Div([*head, html.P(["The same with its arguments: ", command], className="muted")])


def replay(policy: str, found: dict[str, Any] | None, now: float) -> Any:
    """Return what the newest backtest found, and the command that tries other settings."""
    what_if = [
        "Try other settings on what happened: ",
        html.Code(f"checkrein backtest {policy} --from … --to … --set reward_3sigma.k=4"),
        ". It compares them with those in force, and changes nothing.",
    ]
    if found is None:
        told = [state("no_data", "none yet"), " No backtest of these settings is on record."]
        return html.Div([html.P(told), html.P(what_if, className="muted")])
    rolled = found["rollbacks"]["count"]
    span = f"from {found['from'][:16].replace('T', ' ')} to {found['to'][:16].replace('T', ' ')} UTC"
    told = [
        f"Backtest {found['id']} ({span}, made ",
        moment(found["recorded"], now),
        f"): {plural(found['windows'], 'window')}, {plural(len(found['firings']), 'firing')}, ",
        f"{plural(rolled, 'rollback')}.",
    ]
    notes = [html.Li(prose(note)) for note in found["notes"]]
    return html.Div([html.P(told), html.Ul(notes, className="muted"), html.P(what_if, className="muted")])


def _severity(one: dict[str, Any]) -> Any:
    shown = html.Span(one["severity"], className=f"state-{_SEVERITY[one['severity']]}")
    return [shown, " ", state("silenced", "dry run", size="small")] if one["dry_run"] else shown


def _stands(one: dict[str, Any]) -> Any:
    if one["shown"] is None:
        return state("no_data", "never judged")
    health = ", ".join(f"{count} {_HEALTH.get(name, name)}" for name, count in one["health"].items())
    return [state(one["shown"]), html.Small(f"{plural(one['series'], 'series')}: {health}")]


def _kept(one: dict[str, Any]) -> html.Span:
    if one["dry_run"]:
        return state("silenced", "dry run")
    if one["kept"] is None:
        return state("insufficient", "not known")
    return state("healthy", "kept") if one["kept"] else state("warning", "not kept")


def _replayed(one: dict[str, Any] | None) -> str:
    if one is None:
        return "–"
    false = "" if one["false_alarms"] is None else f", {one['false_alarms']} of them false"
    return f"{plural(one['firings'], 'firing')}{false}"
