"""Alerts as a person reads them: worst first, of each policy together, what was done about them said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from dashboard.components import link, moment, shape_of, state
from dashboard.why import why
from dashboard.words import ACTIONS, STATES, length, plural

Finding = dict[str, Any]


def finding(item: Finding, now: float, *, over: bool = False, named: bool = True, did: bool = True) -> html.Li:
    """Return one alert: state, sentence, since when, what the system did and whether that is confirmed.

    Parameters
    ----------
    item, now
        What ``monitor.views.alerts`` returned of it, and the injected clock's now.
    over
        Whether it is over.
    named, did
        Whether it says its policy, and what was done; in a group both are said once.
    """
    shown = item["shown"]
    word = f"{STATES[shown][1]}, over" if over else _word(item)
    key = item["keys"][0] if item["keys"] else None
    where = link(item["policy"], span=item["span"], metric=item["metric"], key=key)
    what = [html.Strong(item["policy"]), " "] if named else []
    what.append(html.Span(", ".join(item["triggers"]), className="code"))
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
            html.P(_did(done), className="did") if did and done["text"] else None,
            *(html.P(f"◇ {one['text']}", className="did overlay") for one in item["overlays"]),
            why(item.get("why")),
        ],
        className=f"finding is-{shown}{' is-over' if over else ''}",
        **{"data-row": item["policy"] + " " + item["trigger"] + " " + more},
    )


def brief(item: Finding, now: float) -> list[Any]:
    """Return one alert in one line."""
    since: list[Any] = [" since ", moment(item["since"], now)] if item["since"] else []
    said = [html.Span(item["trigger"], className="code"), " ", item["reason"], html.Span(since, className="muted")]
    return [state(item["shown"], _word(item)), html.Span(said)]


def findings(items: Sequence[Finding], now: float, *, empty: Any, over: bool = False) -> Any:
    """Return a list of findings of one policy, or what was evaluated where there is none."""
    if not items:
        return html.P(empty, className="empty")
    told = [item for item in items if not over or item["shown"] != "pending"]
    parts = [*_told_once(told, now, over), html.Ul(_listed(told, now, over), className="findings")]
    return html.Div([*parts, _quiet([item for item in items if item not in told], now, over)])


def grouped(items: Sequence[Finding], now: float, *, empty: Any, over: bool = False, most: int = 0) -> Any:
    """Return findings by policy, the policy with the worst first; or what was evaluated where there is none.

    Parameters
    ----------
    items
        Findings, worst and oldest first; their order is kept.
    now, empty, over
        As for ``findings``.
    most
        Findings shown of each policy before the rest is named by its number; 0: all.
    """
    if not items:
        return html.P(empty, className="empty")
    policies = list(dict.fromkeys(item["policy"] for item in items))
    return html.Div(
        [_group(name, [item for item in items if item["policy"] == name], now, over, most) for name in policies],
        className="groups",
    )


def _group(policy: str, items: Sequence[Finding], now: float, over: bool, most: int) -> html.Section:
    told = [item for item in items if not over or item["shown"] != "pending"]
    counts = Counter(item["shown"] for item in told)
    tally = [
        html.Span([str(count), " ", shape_of(shown), html.Span(f" {STATES[shown][1]}", className="quiet")])
        for shown, count in counts.items()
    ]
    first = told[:most] if most else told
    rest = len(told) - len(first)
    more = html.P(dcc.Link(f"and {plural(rest, 'alert')} more", href=f"{link(policy)}#policy-alerts-panel"))
    return html.Section(
        [
            html.H3([dcc.Link(policy, href=link(policy)), html.Span(tally, className="tally-small")]),
            *_told_once(told, now, over),
            html.Ul(_listed(first, now, over), className="findings"),
            more if rest else None,
            _quiet([item for item in items if item not in told], now, over),
        ],
        className="group",
    )


def _told_once(items: Sequence[Finding], now: float, over: bool) -> list[Any]:
    """Return what the system did about several alerts at once, each action one time."""
    actions = {item["done"]["action"]["id"]: item["done"]["action"] for item in items if item["done"]["action"]}
    return [
        html.P(
            [
                *_did({"state": action["state"], "text": action["sentence"], "action": action}),
                html.Span([" Asked for by ", action["trigger"], " ", moment(action["requested"], now), "."]),
            ],
            className="did",
        )
        for action in actions.values()
    ]


def _listed(items: Sequence[Finding], now: float, over: bool) -> list[html.Li]:
    return [finding(item, now, over=over, named=False, did=not item["done"]["action"]) for item in items]


def _quiet(items: Sequence[Finding], now: float, over: bool) -> Any:
    """Return what was pending and never fired, folded away."""
    if not items:
        return None
    rows = html.Ul([finding(item, now, over=over, named=False) for item in items], className="findings")
    word = "was" if len(items) == 1 else "were"
    return html.Details([html.Summary(f"{len(items)} more {word} pending and did not fire"), rows])


def _word(item: Finding) -> str:
    if item["state"] == "recovering":
        return "recovering"
    if item["state"] == "pending" and item["needed"]:
        return f"pending {min(item['streak'], item['needed'])} of {item['needed']}"
    return STATES[item["shown"]][1]


def _since(item: Finding, now: float, over: bool) -> list[Any]:
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
    if done["state"] == "blocked" and not done["action"]["to_version"]:
        shown, word = "page", "no version left"
    return [state(shown, word, size="small"), " ", done["text"]]
