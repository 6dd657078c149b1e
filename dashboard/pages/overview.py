"""Overview: what needs a person, then every policy, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard.components import link, moment, prose, shape_of, state, strip, unread
from dashboard.data import Data
from dashboard.findings import grouped
from dashboard.guard import kept
from dashboard.pages.rollout_parts import tag
from dashboard.troubles import line
from dashboard.words import ACTIONS, number, percent, plural

_COLUMNS = (
    "Policy",
    "Last 24 hours",
    "Serving",
    "Reward",
    "Violations",
    "Drift",
    "Entropy",
    "Best candidate",
    "Ready",
    "Data",
)


_ATTENTION, _EACH = 5, 3  # policies above the table, and alerts of each; the rest is one click away


def layout(**_query: str) -> html.Div:
    """Return the page without data."""
    return html.Div(
        [
            html.Div(
                [
                    html.H1("Overview"),
                    dcc.Input(id="filter", type="search", placeholder="Filter  /", className="filter"),
                ],
                className="title",
            ),
            dcc.Store(id="overview-seen"),
            html.P("", id="overview-error", className="failed", role="status"),
            html.Section(
                [
                    html.H2("Needs attention", id="attention-title"),
                    html.Div(unread(), id="attention", style={"minHeight": 60}),
                ],
                className="panel wide",
                **{"aria-labelledby": "attention-title"},
            ),
            html.Section(
                [html.H2("Policies", id="policies-title"), html.Div(unread(), id="policies", style={"minHeight": 120})],
                className="panel wide",
                **{"aria-labelledby": "policies-title"},
            ),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callback."""

    def show(_judged: str | None, seen: Any) -> tuple[Any, ...]:
        def read() -> tuple[Any, Any]:
            overview, now = data.overview(), data.now()
            real = data.duty.real()
            lines = {name: line(one, now, real) for name, one in data.duty.held().items()}
            return attention(data.alerts()["open"], overview, now, lines), table(overview["policies"], now)

        return kept(read, 2, data.now(), seen)

    app.callback(
        Output("attention", "children"),
        Output("policies", "children"),
        Output("overview-error", "children"),
        Output("overview-seen", "data"),
        Input("judged", "data"),
        State("overview-seen", "data"),
    )(show)


def attention(
    opened: list[dict[str, Any]], overview: dict[str, Any], now: float, troubles: Mapping[str, Any] | None = None
) -> Any:
    """Return what is open with the incident of each policy; where nothing is, what was looked at."""
    rows = overview["policies"]
    judged = sum(row["state"] == "healthy" for row in rows)
    if not rows:
        return html.P("No policy is configured: name one in checkrein.toml.", className="empty")
    if judged == len(rows):
        empty: Any = [shape_of("healthy"), f" Nothing fires. All {len(rows)} policies were judged and are healthy."]
    else:
        empty = [
            shape_of("insufficient"),
            f" Nothing fires, but only {judged} of {len(rows)} policies could be judged healthy.",
        ]
    policies = list(dict.fromkeys(item["policy"] for item in opened))
    lines = troubles or {}
    first = [item for item in opened if item["policy"] in policies[:_ATTENTION]]
    quiet = [said for name, said in lines.items() if name not in policies]  # nothing of it fires, and it is not over
    shown: Any = grouped(first, now, empty=empty, most=_EACH, troubles=lines)
    shown = html.Div([*quiet, shown]) if quiet else shown
    rest = len(policies) - _ATTENTION
    more = html.P(dcc.Link(f"and {plural(rest, 'policy')} more", href="/alerts"))
    return html.Div([shown, more]) if rest > 0 else shown


def table(rows: list[dict[str, Any]], now: float) -> html.Table:
    """Return the policies as a table, which style.css makes cards of on a narrow screen."""
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in _COLUMNS]))
    return html.Table([head, html.Tbody([_row(row, now) for row in rows])], className="policies")


def _row(row: dict[str, Any], now: float) -> html.Tr:
    best = row["best"]
    cells = [
        strip(row["strip"]),
        [
            html.B(row["serving"]),
            html.Small(f"generation {row['generation']}"),
            tag(row["rollout"], row["policy"]),
            _acted(row["action"]),
        ],
        _metric(row["reward"], "reward"),
        _metric(row["violations"], "violations"),
        _metric(row["drift"], "drift"),
        _metric(row["entropy"], "entropy"),
        [number(best["value"]), html.Small(f"{best['candidate']}, {best['trust']}")] if best else "–",
        _ready(row["readiness"]),
        moment(row["last_ts"], now, absent="none yet"),
    ]
    first = html.Th(
        [
            html.Div([state(row["state"]), dcc.Link(row["policy"], href=link(row["policy"]), className="name")]),
            html.Small(prose(row["why"]), className="why"),
        ],
        scope="row",
    )
    named = zip(_COLUMNS[1:], cells, strict=True)
    return html.Tr(
        [first, *[html.Td(html.Div(cell), **{"data-label": name}) for name, cell in named]],
        className=f"is-{row['state']}",
        **{"data-row": row["policy"]},
    )


def _metric(point: dict[str, Any] | None, kind: str) -> Any:
    """Return a metric's newest judged point; what fired has its shape."""
    if point is None or point["state"] in {"no_data", "error"}:
        return html.Span("–", title="not judged yet")
    if kind == "reward":
        sigma = f"{number(point['statistic'], 2)} sigma" if point["statistic"] is not None else "not judged"
        shown = [number(point["value"]), html.Small(sigma)]
    elif kind == "violations":
        shown = [percent(point["value"]), html.Small(soft(point["key"]))]
    elif kind == "drift":
        bits = "–" if point["statistic"] is None else f"{number(point['statistic'], 2)} bit"
        shown = [bits, html.Small(soft(point["key"]))]
    else:
        shown = [number(point["value"], 3), html.Small("of ln K")]
    if point["state"] == "fire":
        shown.insert(0, shape_of("warning"))
    return html.Span(shown, title=point["reason"])


def soft(name: str) -> str:
    r"""Return a name that may break after an underscore.

    >>> soft("a_b") == "a_\u200bb"
    True
    """
    return name.replace("_", "_\u200b")


def _acted(action: dict[str, Any] | None) -> Any:
    if action is None:
        return None
    if action["stuck"] and not action["to_version"]:
        return html.Small([shape_of("page"), " no version left to roll back to"])
    shown = ACTIONS.get(action["state"], "rollback" if action["stuck"] else "pending")
    return html.Small([shape_of(shown), f" {action['kind']} {action['state'].replace('_', ' ')}"])


def _ready(summary: dict[str, int] | None) -> Any:
    if not summary:
        return html.Span("–", title="The checklist was not run yet.")
    passed, total = summary.get("pass", 0), sum(summary.values())
    return [f"{passed} of {total}", html.Small("items pass")]
