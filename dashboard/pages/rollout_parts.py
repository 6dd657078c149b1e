"""What the Rollout page says around its steps: route, hold, approvals, judgement, comparison, triggers, past."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard.components import legend, link, moment, prose, shape_of, state, steps
from dashboard.figures.frame import MUTED, RED
from dashboard.figures.legend import Key
from dashboard.words import PHASES, VERDICTS, length, number, percent

Found = dict[str, Any]


def when(text: str | None, now: float) -> html.Time | html.Span:
    """Return a time that a view wrote as RFC 3339."""
    return moment(None if text is None else datetime.fromisoformat(text).timestamp(), now)


def facts(rows: list[tuple[str, Any]]) -> html.Dl:
    """Return names with their values in one line that wraps."""
    return html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in rows], className="facts")


def head(found: Found, now: float) -> html.Div:
    """Return the sentence that says where it stands, whose it is, and what the route says now."""
    route = found["route"]
    split = "not configured" if route is None else _split(route["split"])
    rows: list[tuple[str, Any]] = [
        ("Route", split),
        ("Generation", "–" if route is None else str(route["generation"])),
        ("Trusted version", "–" if route is None else html.B(route["serving"])),
        ("Started", [when(found["started"], now), f" by {found['author']}"]),
        ("In this phase", when(found["since"], now)),
    ]
    if found["ended"]:
        rows.append(("Ended", when(found["ended"], now)))
    limit = html.P([shape_of("warning"), " ", found["limitation"]], className="limit") if found["limitation"] else None
    reason = html.P([html.B("Why: "), found["reason"]], className="muted")
    return html.Div([html.P(prose(_where(found)), className="told"), limit, reason, facts(rows)])


def _where(found: Found) -> str:
    """Return the sentence about the phase, without the reasons that the judgement lists."""
    judged = " ".join(found["judgement"]["reasons"]) if found["judgement"] else ""
    begun = f"{found['author']} started it: {found['reason']}"
    said = str(found["sentence"]).removesuffix(begun).strip()
    return f"{said.removesuffix(judged).rstrip(' :.')}." if judged and said.endswith(judged) else said


def _split(split: dict[str, float]) -> str:
    return ", ".join(f"{version} {percent(share)}" for version, share in sorted(split.items()))


def hold(found: Found) -> Any:
    """Return how far the hold is by both clocks: it ends when both have passed, and with at least one decision."""
    told = found["hold"]
    if told is None:
        return html.P("The hold begins with the first stage.", className="empty")
    whole = told["hold"]
    clocks = [
        ("By the data", told["by_data"], "event time that is sealed and mature, less pauses"),
        ("By the clock", told["by_clock"], "time that running processes saw pass"),
    ]
    rows = []
    for name, seconds, meaning in clocks:
        part = max(0.0, min(seconds, whole))
        shown = f"{length(part)} of {length(whole)}"
        bar = html.Progress(value=f"{part:.0f}", max=f"{max(whole, 1):.0f}", **{"aria-label": f"{name}: {shown}"})
        rows.append(html.Div([html.B(name), bar, html.Span(shown), html.Small(meaning)], className="meter"))
    few = "" if told["decisions"] else " Without one no hold ends."
    count = f"{told['decisions']:,} decisions of {found['candidate']} in this stage.{few}"
    return html.Div([*rows, html.P(count, className="note")])


def agreed(found: Found, now: float) -> html.Div:
    """Return who has agreed, to which digest, and how many are missing."""
    wanted = found["wanted"]
    parts: list[Any] = []
    if wanted["digest"]:
        have = len(wanted["people"])
        so_far = f"{have} of {wanted['needed']}" if have else f"none of {wanted['needed']}"
        names = f": {', '.join(wanted['people'])}" if wanted["people"] else ""
        what = "approve the draft" if found["phase"] == "draft" else "advance it"
        parts.append(html.P([html.B(so_far), f" who must {what}{names}. Bound to ", _digest(wanted["digest"])]))
    rows = [
        html.Li(
            [
                html.B(one["person"]),
                html.Span(f" agreed to {'the draft' if one['stage'] < 0 else one['stage_name']}, "),
                when(one["at"], now),
                html.Span([" under ", _digest(one["digest"])]),
                html.Span(" something else by now", className="tag") if _old(one, found) else None,
            ]
        )
        for one in reversed(found["approvals"])
    ]
    parts.append(html.Ul(rows, className="agreed") if rows else html.P("Nobody has agreed yet.", className="empty"))
    return html.Div(parts)


def _old(one: Found, found: Found) -> bool:
    """Whether an approval is for the step that is open now and bound to other bytes, so that it does not count."""
    here = -1 if found["phase"] == "draft" else found["stage"] + 1
    return bool(found["wanted"]["digest"]) and one["stage"] == here and one["digest"] != found["wanted"]["digest"]


def _digest(digest: str) -> html.Code:
    return html.Code(digest[:12], title=digest)


def acted(found: Found, now: float) -> Any:
    """Return the actions of the stage, each with its steps to confirmed."""
    if not found["actions"]:
        none = "Nothing was sent: until the first stage with traffic the route stays."
        return html.P(none if not found["ended"] else "Nothing was sent.", className="empty")
    return [
        html.Div(
            [html.P(html.B(one["sentence"])), steps(one, now) if one["steps"] else None],
            className="action " + ("is-stuck" if one["stuck"] else "is-done" if one["done"] else "is-open"),
        )
        for one in found["actions"]
    ]


def judgement(found: Found) -> Any:
    """Return the newest judgement of the stage with its reasons and its digest."""
    body = found["judgement"]
    evidence = html.Details(
        [
            html.Summary("Evidence of the draft as it is kept"),
            html.Pre(json.dumps(found["evidence"], indent=1, ensure_ascii=False), className="evidence", tabIndex=0),
        ]
    )
    bound = facts([("Evidence of the draft", _digest(found["evidence_digest"]))])
    if body is None:
        return html.Div([html.P("○ This stage has not been judged yet.", className="empty"), bound, evidence])
    shown, word = VERDICTS[body["verdict"]]
    reasons = body["reasons"] or ["Nothing speaks against it."]
    rows = [
        ("Judgement", _digest(found["judgement_digest"])),
        ("Stage", percent(body["share"]) if body["share"] else "shadow"),
        ("Decisions", f"{body['decisions']:,}"),
        ("Triggers that found it well", str(body["triggers_well"])),
    ]
    return html.Div(
        [
            html.P(state(shown, word, size="large")),
            html.Ul([html.Li(prose(reason)) for reason in reasons], className="reasons"),
            facts(rows),
            bound,
            evidence,
        ]
    )


def comparison(found: Found | None, rollout: Found) -> Any:
    """Return what the comparison says in words, beside the chart of its effect."""
    if found is None:
        return None
    shown, word = VERDICTS[found["verdict"]]
    p, limit = found["ratio_p"], found["ratio_limit"]
    ratio = "not tested" if p is None else f"p = {number(p, 3)}, {'broken' if p < limit else 'as planned'}"
    told = (rollout["judgement"] or {}).get("reasons", [])
    fresh = [reason for reason in found["reasons"] if reason not in told]
    margin = f"most that may be lost, {number(found.get('margin_used'), 3)}"
    signs = [Key("dot", RED, margin), Key("line", MUTED, "no difference")] if found["effect"] is not None else []
    rows: list[tuple[str, Any]] = [
        ("Verdict", state(shown, word)),
        (f"Decisions of {rollout['candidate']}", f"{found['n_candidate']:,}"),
        (f"of {rollout['incumbent']}", f"{found['n_incumbent']:,}"),
        ("Planned shares", ratio),
        ("Mature", percent(found["matured"])),
    ]
    if found["effect"] is not None:
        ends = f" [{number(found['low'])}, {number(found['high'])}]" if found["low"] is not None else ""
        rows.insert(1, ("Effect", f"{number(found['effect'])}{ends}"))
    reasons = html.Ul([html.Li(prose(reason)) for reason in fresh], className="reasons")
    same = html.P("Its reasons are those of the judgement.", className="note")
    return html.Div([html.Div(legend(signs), className="legend"), facts(rows), reasons if fresh else same])


def triggers(found: Found, rollout: Found) -> Any:
    """Return the triggers that judge the candidate, worst first, and those that have not."""
    if rollout["ended"]:
        return html.P("The rollout has ended: see the alerts of the policy.", className="empty")
    rows = [_trigger(one) for one in found["triggers"]]
    rows += [html.Li([state("no_data", "not judged"), html.Span(one)]) for one in found["blind"]]
    if not rows:
        return html.P([shape_of("no_data"), f" No trigger has judged {rollout['candidate']} yet."], className="empty")
    return html.Ul(rows, className="watched")


def _trigger(one: Found) -> html.Li:
    of = f" {one['key']}" if one["key"] else ""
    whose = "all versions" if one["version"] == "*" else one["version"]
    name = [html.Span(f"{one['trigger']}{of}", className="code"), html.Span(f" {whose}", className="muted")]
    return html.Li([state(one["shown"]), html.Span([*name, html.Span(one["reason"], className="said")])])


def history(past: list[Found], now: float) -> Any:
    """Return the rollouts of the policy before this one."""
    if not past:
        return html.P("There was none before.", className="empty")
    names = ("Rollout", "Ended as", "Reached", "Started", "By", "Why it ended")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    rows = []
    for one in past:
        cells = [
            state(*PHASES[one["phase"]]), one["stage_name"], when(one["started"], now), one["author"],
            html.Span(opening(one["note"]), className="said"),
        ]  # fmt: skip
        named = zip(names[1:], cells, strict=True)
        first = html.Th(f"{one['id']}: {one['incumbent']} → {one['candidate']}", scope="row")
        rows.append(html.Tr([first, *[html.Td(html.Div(cell), **{"data-label": name}) for name, cell in named]]))
    return html.Table([head, html.Tbody(rows)], className="policies past")


def opening(text: str) -> str:
    """Return the first sentence of a note; the page of the rollout has the others.

    >>> opening("v7 earns 0.2 more. Nothing else is known."), opening("Paused")
    ('v7 earns 0.2 more.', 'Paused')
    """
    head, dot, _rest = text.partition(". ")
    return f"{head}." if dot else text


def tag(found: Found | None, policy: str) -> Any:
    """Return an open rollout in one line that leads to its page, for pages about something else; None without."""
    if found is None:
        return None
    shown, word = PHASES[found["phase"]]
    place = "in shadow" if found["stage_name"] == "shadow" else f"{percent(found['share'])} of traffic"
    said = f" {found['candidate']} {place}, {word}"
    return dcc.Link([shape_of(shown), said], href=address(policy), className="rolling")


def address(policy: str) -> str:
    """Return the address of a policy's Rollout page.

    >>> address("a/b")
    '/rollout/a%2Fb'
    """
    return link(policy).replace("/policy/", "/rollout/", 1)
