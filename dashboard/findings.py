"""Alerts as a person reads them: worst first, of each policy together, what was done about them said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from dashboard.components import link, moment, shape_of, state
from dashboard.dialog import ask
from dashboard.troubles import instant
from dashboard.why import why
from dashboard.words import ACTIONS, STATES, length, plural

Finding = dict[str, Any]
_OVER = {"silence": "silenced", "inhibited": "inhibited", "dry_run": "dry run", "flapping": "flapping"}
_OVER |= {"maintenance": "maintenance"}


def finding(
    item: Finding, now: float, *, over: bool = False, named: bool = True, did: bool = True, acts: bool = False
) -> html.Li:
    """Return one alert: state, sentence, since when, what the system did and whether that is confirmed.

    Parameters
    ----------
    item, now
        What ``monitor.views.alerts`` returned of it, and the injected clock's now.
    over
        Whether it is over.
    named, did
        Whether it says its policy, and what was done; in a group both are said once.
    acts
        Whether it can be silenced here.
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
            *(html.P(_overlay(one, now), className="did overlay") for one in item["overlays"]),
            _blind(item),
            why(item.get("why")),
            _mute(item) if acts and not over else None,
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
    listed = _listed(_one_answer(told, keep=True), now, over)
    parts = [*_told_once(told, now, over), html.Ul(listed, className="findings")]
    return html.Div([*parts, _quiet([item for item in items if item not in told], now, over)])


def grouped(
    items: Sequence[Finding],
    now: float,
    *,
    empty: Any,
    over: bool = False,
    most: int = 0,
    acts: bool = False,
    troubles: Mapping[str, Any] | None = None,
) -> Any:
    """Return findings by policy, the policy with the worst first; or what was evaluated where there is none.

    Parameters
    ----------
    items
        Findings, worst and oldest first; their order is kept.
    now, empty, over
        As for ``findings``.
    most
        Findings shown of each policy before the rest is named by its number, and why they fired said once; 0: all.
    acts
        Whether they can be silenced here.
    troubles
        The line of a policy's open incident.
    """
    if not items:
        return html.P(empty, className="empty")
    policies = list(dict.fromkeys(item["policy"] for item in items))
    of = {name: [item for item in items if item["policy"] == name] for name in policies}
    lines = troubles or {}
    return html.Div(
        [_group(name, mine, now, over, most, acts, lines.get(name)) for name, mine in of.items()], className="groups"
    )


def _group(
    policy: str, items: Sequence[Finding], now: float, over: bool, most: int, acts: bool, trouble: Any
) -> html.Section:
    told = [item for item in items if not over or item["shown"] != "pending"]
    counts = Counter(item["shown"] for item in told)
    tally = [
        html.Span([str(count), " ", shape_of(shown), html.Span(f" {STATES[shown][1]}", className="quiet")])
        for shown, count in counts.items()
    ]
    first = told[:most] if most else told
    first = _one_answer(first, keep=not most)
    rest = len(told) - len(first)
    more = html.P(dcc.Link(f"and {plural(rest, 'alert')} more", href=f"{link(policy)}#policy-alerts-panel"))
    return html.Section(
        [
            html.H3([dcc.Link(policy, href=link(policy)), html.Span(tally, className="tally-small")]),
            trouble,
            *_told_once(told, now, over),
            html.Ul(_listed(first, now, over, acts), className="findings"),
            more if rest else None,
            _quiet([item for item in items if item not in told], now, over),
        ],
        className="group",
    )


def _one_answer(items: Sequence[Finding], *, keep: bool) -> list[Finding]:
    """Return findings of which the first that has an answer says why; one trouble has one, and others are its shades.

    ``keep``: those are folded away; else they are left out, and the policy's page has them.
    """
    speaks = next((item for item in items if item.get("why")), None)
    rest = [{**item, "why": {**item["why"], "folded": True} if keep and item.get("why") else None} for item in items]
    return [old if old is speaks else new for old, new in zip(items, rest, strict=True)]


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


def _listed(items: Sequence[Finding], now: float, over: bool, acts: bool = False) -> list[html.Li]:
    return [finding(item, now, over=over, named=False, did=not item["done"]["action"], acts=acts) for item in items]


def _overlay(one: dict[str, Any], now: float) -> list[Any]:
    """Return what lies over an alert: ◇, the word of it, and what it does, by whom and until when."""
    word = _OVER[one["kind"]]
    chip = [state("silenced", word, size="small"), " "]
    if one["kind"] in {"silence", "maintenance"}:
        never = " A rollback and its pages are never muted." if "never muted" in one["text"] else ""
        ends = [" ends ", moment(instant(one["until"]), now), f". {one['by']}: {one['reason'].rstrip('.')}.{never}"]
        return [*chip, one["name"] if one["kind"] == "maintenance" else "", *ends]
    return [*chip, one["text"].removeprefix(word).lstrip(" :")]


def _blind(item: Finding) -> html.P | None:
    """Return that what is open cannot be judged now; missing answers never resolve it."""
    health = item["health"]
    if health == "ok" or item["state"] not in {"pending", "firing", "recovering"}:
        return None
    said = " It stays as it is until it can be judged again."
    return html.P([state(health, size="small"), said], className="did overlay")


def _mute(item: Finding) -> Any:
    """Return the button that silences an alert; one that rolls back cannot be, and says so."""
    if item["severity"] == "rollback" or len(item["triggers"]) != 1:
        never = "A rollback is never muted." if item["shown"] == "rollback" else ""
        return html.P(never, className="did muted") if never else None
    version = "" if item["version"] == "*" else item["version"]
    about = (item["policy"], item["trigger"], version)
    return html.Div(ask("silence", *about, quiet=f"{item['trigger']} of {item['policy']}"), className="buttons did")


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
