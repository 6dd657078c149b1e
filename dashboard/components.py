"""Small builders: state, time, panel, steps, finding. Each returns one component and knows nothing of a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from dash import dcc, html

from dashboard.data import stamp
from dashboard.words import ACTIONS, STATES, ago, length, plural

GRAPH = {"displayModeBar": False, "responsive": True, "doubleClick": "reset"}


def state(name: str, word: str | None = None, *, size: str = "") -> html.Span:
    """Return a state as colour, shape and word."""
    shape, usual = STATES[name]
    return html.Span(
        [shape_of(name, shape), html.Span(word or usual, className="word")],
        className=f"state state-{name} {size}".strip(),
    )


def shape_of(name: str, shape: str | None = None) -> html.Span:
    """Return a state's shape alone; whoever uses it says the word beside it."""
    return html.Span(shape or STATES[name][0], className=f"shape shape-{name}", **{"aria-hidden": "true"})


def moment(at: float | None, now: float, *, absent: str = "never") -> html.Time | html.Span:
    """Return a time: relative in the text, absolute in the tooltip; the browser keeps the text fresh."""
    if at is None:
        return html.Span(absent, className="muted")
    shown = stamp(at)
    return html.Time(ago(now - at), dateTime=shown, title=absolute(shown), **{"data-at": f"{at:.1f}"})


def link(policy: str, *, span: str | None = None, metric: str | None = None, key: str | None = None) -> str:
    """Return the address of a policy's page at a metric and time range.

    >>> link("cooling", span="6h", metric="state_drift")
    '/policy/cooling?range=6h&metric=state_drift'
    """
    chosen = {"range": span, "metric": metric, "key": key}
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"/policy/{quote(policy, safe='')}" + (f"?{query}" if query else "")


def unread() -> html.P:
    """Return what stands where data will be: nothing that could be read as quiet."""
    return html.P([shape_of("no_data"), " Nothing read yet."], className="empty")


def panel(title: str, body: Any, *, name: str, note: Any = None, wide: bool = False, height: int = 0) -> html.Section:
    """Return a titled box that keeps its height while it loads."""
    heading = f"{name}-title"
    return html.Section(
        [
            html.Div(
                [html.H2(title, id=heading), html.Div(note, id=f"{name}-note", className="note")], className="head"
            ),
            html.Div(body, className="body", style={"minHeight": height} if height else {}),
            html.P("", id=f"{name}-error", className="failed", role="status"),
        ],
        id=f"{name}-panel",
        className="panel wide" if wide else "panel",
        **{"aria-labelledby": heading},
    )


def graph(name: str, height: int) -> dcc.Graph:
    """Return an empty chart of a known height."""
    blank = {"layout": {"height": height, "xaxis": {"visible": False}, "yaxis": {"visible": False}}}
    blank["layout"] |= {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
    return dcc.Graph(id=name, config=GRAPH, figure=blank, className="chart", style={"minHeight": height})


def steps(action: dict[str, Any], now: float) -> html.Ol:
    """Return the four steps of a rollback; the one under way says so, the one that failed says why."""
    words = {"done": "done", "now": "under way", "failed": "failed", "todo": "to come"}
    items = []
    for step in action["steps"]:
        when = _when(step, action["requested"], now) if step["at"] is not None else words[step["state"]]
        items.append(
            html.Li(
                [
                    html.Span(className="dot", **{"aria-hidden": "true"}),
                    html.Span(step["name"], className="step"),
                    html.Span(when, className="when"),
                    html.Span(step["note"], className="why"),
                    html.Span(f", {words[step['state']]}", className="quiet"),
                ],
                className=f"is-{step['state']}",
            )
        )
    return html.Ol(items, className="steps", **{"aria-label": "Steps of the rollback"})


def _when(step: dict[str, Any], began: float, now: float) -> Any:
    """Return when a step was done: the first as a time, the others as how long after it."""
    if step["name"] == "decided":
        return moment(step["at"], now)
    shown = stamp(step["at"])
    return html.Time(f"after {length(step['at'] - began)}", dateTime=shown, title=absolute(shown))


def absolute(shown: str) -> str:
    """Return an RFC 3339 time as a tooltip says it.

    >>> absolute("2026-11-20T20:19:38Z")
    '2026-11-20 20:19:38 UTC'
    """
    return shown.replace("T", " ").replace("Z", " UTC")


def prose(text: str) -> list[Any]:
    """Return a sentence with what stands between backticks as code.

    >>> [type(part).__name__ for part in prose("Run `checkrein serve`.")]
    ['str', 'Code', 'str']
    """
    return [html.Code(part) if odd % 2 else part for odd, part in enumerate(text.split("`")) if part]


def finding(item: dict[str, Any], now: float, *, over: bool = False) -> html.Li:
    """Return one alert: state, sentence, since when, what the system did and whether that is confirmed."""
    shown = item["shown"]
    word = f"{STATES[shown][1]}, over" if over else _word(item)
    key = item["keys"][0] if item["keys"] else None
    where = link(item["policy"], span=item["span"], metric=item["metric"], key=key)
    what = [html.Strong(item["policy"]), " ", html.Span(", ".join(item["triggers"]), className="code")]
    more = ", ".join(item["keys"][:4]) + (f" and {len(item['keys']) - 4} more" if len(item["keys"]) > 4 else "")
    done = item["done"]
    return html.Li(
        [
            html.Div([state(shown, word), html.Span(_since(item, now, over), className="muted")], className="top"),
            dcc.Link(
                [
                    html.Span(what, className="what"),
                    html.Span(item["reason"] or "Nothing of it has been judged yet.", className="reason"),
                ],
                href=where,
            ),
            html.Div(
                [
                    html.Span(f"{item['version']} " if item["version"] != "*" else "", className="tag"),
                    html.Span(plural(item["count"], "series") if item["count"] > 1 else "", className="tag"),
                    html.Span(more, className="muted"),
                ],
                className="tags",
            ),
            html.P(_did(done), className="did") if done["text"] else None,
        ],
        className=f"finding is-{shown}{' is-over' if over else ''}",
        **{"data-row": item["policy"] + " " + item["trigger"] + " " + more},
    )


def brief(item: dict[str, Any], now: float) -> list[Any]:
    """Return one alert in one line."""
    since: list[Any] = [" since ", moment(item["since"], now)] if item["since"] else []
    said = [html.Span(item["trigger"], className="code"), " ", item["reason"], html.Span(since, className="muted")]
    return [state(item["shown"], _word(item)), html.Span(said)]


def _word(item: dict[str, Any]) -> str:
    if item["state"] == "recovering":
        return "recovering"
    if item["state"] == "pending" and item["needed"]:
        return f"pending {min(item['streak'], item['needed'])} of {item['needed']}"
    return STATES[item["shown"]][1]


def _since(item: dict[str, Any], now: float, over: bool) -> list[Any]:
    if over:
        return [moment(item["since"], now), f", for {length(item['until'] - item['since'])}"]
    return ["since ", moment(item["since"], now)] if item["since"] else []


def _did(done: dict[str, Any]) -> list[Any]:
    """Return what the system did, with the state of it where there is one."""
    if not done["state"]:
        return [done["text"]]
    stuck = done["state"] in {"stuck", "unconfirmed", "blocked", "dead_letter", "limited"}
    shown = ACTIONS.get(done["state"], "rollback" if stuck else "pending")
    word = "not confirmed" if stuck and done["state"] == "stuck" else done["state"].replace("_", " ")
    return [state(shown, word, size="small"), " ", done["text"]]


def findings(items: Sequence[dict[str, Any]], now: float, *, empty: Any, over: bool = False) -> Any:
    """Return a list of findings, or what was evaluated where there is none."""
    if not items:
        return html.P(empty, className="empty")
    told = [item for item in items if not over or item["shown"] != "pending"]
    parts: list[Any] = [html.Ul([finding(item, now, over=over) for item in told], className="findings")]
    quiet = [item for item in items if item not in told]
    if quiet:
        rows = html.Ul([finding(item, now, over=over) for item in quiet], className="findings")
        word = "was" if len(quiet) == 1 else "were"
        parts.append(html.Details([html.Summary(f"{len(quiet)} more {word} pending and did not fire"), rows]))
    return html.Div(parts)


def strip(cells: Sequence[dict[str, Any]]) -> html.Div:
    """Return the last 24 hours as a strip; its words are for those who do not see it."""
    worst: dict[str, int] = {}
    for cell in cells:
        worst[cell["state"]] = worst.get(cell["state"], 0) + 1
    spoken = ", ".join(f"{STATES[name][1]} {count / 2:g} h" for name, count in worst.items())
    marks = [
        html.I(
            className=f"cell-{cell['state']}", title=f"{stamp(cell['start'])[11:16]} UTC: {STATES[cell['state']][1]}"
        )
        for cell in cells
    ]
    return html.Div(marks, className="strip", role="img", **{"aria-label": f"Last 24 hours: {spoken}"})
