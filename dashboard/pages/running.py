"""The parts of the operations page: tables of channels, dead letters, jobs, drills and tokens, worst first."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard.components import labelled_row, moment, prose, seconds, state, table_of
from dashboard.words import length, number, plural

Rows = list[dict[str, Any]]
_SENT = {"delivered": "healthy", "dead_letter": "rollback", "cancelled": "no_data"}
_DRILLS = {"passed": "healthy", "failed": "rollback", "insufficient": "insufficient"}
_JOBS = {"failing": ("rollback", "failing"), "late": ("warning", "late"), "never": ("no_data", "never ran")}


def telling(channels: Rows, messages: Rows, now: float) -> Any:
    """Return the channels: whether each reaches people, what waits, and a test of it."""
    if not channels:
        told = "Nobody can be told: no channel is configured. Add `[notify.NAME]` to checkrein.toml, and test it here."
        return html.P([state("warning", "nobody is told"), " ", *prose(told)], className="empty")
    errors = {one["channel"]: one["last_error"] for one in reversed(messages) if one["last_error"]}
    rows = []
    for one in channels:
        button = _button("test", one["name"], "Test", f"Send a test through {one['name']}") if one["kind"] else None
        who = ", ".join(one["policies"]) or "all policies"
        oldest = f", the oldest for {length(one['oldest_s'])}" if one["oldest_s"] is not None else ""
        cells = [
            ("State", _reached(one, bool(errors.get(one["name"])))),
            ("Kind", f"{one['kind']}, {plural(one['receivers'], 'receiver')}" if one["kind"] else "not configured"),
            ("Told about", who + (", digests too" if one["digest"] else "")),
            ("Last delivered", _since(one["delivered_s"], now)),
            ("Waiting", f"{one['waiting']}{oldest}"),
            ("Last error", html.Span(errors.get(one["name"], "none is waiting"), className="error-text")),
            ("", button),
        ]
        rows.append(labelled_row(one["name"], cells))
    return table_of(("Channel", "State", "Kind", "Told about", "Last delivered", "Waiting", "Last error", "Test"), rows)


def dead(messages: Rows, actions: Rows, now: float) -> Any:
    """Return what could not be delivered: rollbacks first, then messages, each with its last error and what to do."""
    letters = [one for one in messages if one["state"] == "dead_letter"]
    if not letters and not actions:
        return html.P("Nothing waits for a person: every message and every action went out.", className="empty")
    rows = [
        labelled_row(
            f"{one['policy']}: {'rollback' if one['kind'] == 'rollback' else 'rollout stage'}",
            [
                ("State", state("rollback", one["state"].replace("_", " "))),
                ("What", one["sentence"]),
                ("To", one["hook"] or "the route"),
                ("Since", moment(one["requested"], now)),
                ("Last error", html.Span(_tried(one), className="error-text")),
                ("", _both(one["id"], "-action", one["sentence"])),
            ],
        )
        for one in actions
    ]
    rows += [
        labelled_row(
            f"{one['policy'] or 'all policies'}: {one['kind']}",
            [
                ("State", state("rollback", "dead letter")),
                ("What", one["title"]),
                ("To", one["channel"]),
                ("Since", moment(seconds(one["requested"]), now)),
                ("Last error", html.Span(_tried(one), className="error-text")),
                ("", _both(one["id"], "", f"{one['kind']} to {one['channel']}")),
            ],
        )
        for one in letters
    ]
    return table_of(("Of", "State", "What", "To", "Since", "Last error", "Do"), rows)


def attempt(one: dict[str, Any]) -> html.P:
    """Return where a message stands that a person follows."""
    shown = _SENT.get(one["state"], "pending")
    tries = plural(one["attempts"], "attempt") if one["attempts"] else "no attempt yet"
    error = f" {one['last_error']}" if one["last_error"] else ""
    word = one["state"].replace("_", " ")
    return html.P([state(shown, word), f" {one['sentence']} {tries[0].upper()}{tries[1:]}.{error}"])


def jobs(found: Rows, now: float) -> Any:
    """Return the jobs: what fails first; those that work are folded where there are many."""
    wrong = [one for one in found if one["state"] != "seen"]
    fine = [one for one in found if one["state"] == "seen"]
    told = f"{plural(len(fine), 'job')} gave a sign of life and did not fail since."
    parts: list[Any] = []
    if wrong:
        parts.append(table_of(("Job", "State", "Sign of life", "Why"), [_job(one, now) for one in wrong]))
    if fine:
        table = table_of(("Job", "State", "Sign of life", "Note"), [_job(one, now) for one in fine])
        parts.append(html.Details([html.Summary([state("healthy", "running"), f" {told}"]), table], open=not wrong))
    return html.Div(parts) if parts else html.P("No job ever ran: is `checkrein serve` running?", className="empty")


def drills(found: Rows, now: float) -> Any:
    """Return each rollback trigger of each policy with its newest drills; what was never drilled says so."""
    ordered = sorted(found, key=lambda one: (_drill_rank(one), one["policy"], one["trigger"]))
    rows = [_drill_row(one, now) for one in ordered if one["newest"] is not None]
    never: dict[str, list[str]] = {}
    for one in ordered:
        if one["newest"] is None:
            never.setdefault(one["policy"], []).append(_drill_name(one["trigger"]))
    for policy, names in sorted(never.items()):
        told = html.Details([html.Summary(plural(len(names), "trigger")), html.Span(", ".join(names))])
        cells = [
            ("State", state("no_data", "never drilled")),
            ("Last passed", moment(None, now)),
            ("Newest", told),
            ("Start it", _command(f"checkrein runbook drill --all --policy {_quoted(policy)}")),
        ]
        rows.append(labelled_row(f"{policy}: {len(names)} never drilled", cells, f"{policy} {' '.join(names)}"))
    note = html.P("A drill is started where somebody watches it, at the command line.", className="muted")
    return html.Div([table_of(("Of", "State", "Last passed", "Newest drill", "Start it"), rows), note])


def tokens(found: Rows, now: float) -> Any:
    """Return whose tokens there are and what each may do; the secret itself is kept nowhere."""
    if not found:
        return html.P("There is no token yet: the server makes the first one when it starts.", className="empty")
    shown = {"in force": "healthy", "expired": "no_data", "revoked": "no_data"}
    rows = [
        labelled_row(
            one["name"],
            [
                ("State", state(shown[one["state"]], one["state"])),
                ("Person", one["person"] or html.Span("a program's", className="muted")),
                ("May", ", ".join(one["can"])),
                ("Created", moment(seconds(one["created"]), now)),
                ("Expires", html.Span(_day(one["expires"]), className="muted")),
            ],
        )
        for one in sorted(found, key=lambda one: one["state"] != "in force")
    ]
    note = html.P(prose("`checkrein token create` makes one, and `checkrein token revoke` ends it."), className="muted")
    return html.Div([table_of(("Token", "State", "Person", "May", "Created", "Expires"), rows), note])


def _reached(one: dict[str, Any], failing: bool) -> html.Span:
    if one["dead"]:
        return state("rollback", plural(one["dead"], "dead letter"))
    if not one["kind"]:
        return state("warning", "not configured")
    if one["waiting"] and failing:
        return state("warning", "trying again")
    if one["waiting"]:
        return state("pending", "sending")
    return state("healthy", "delivers") if one["delivered_s"] is not None else state("no_data", "never tried")


def _tried(one: dict[str, Any]) -> str:
    return f"{plural(one['attempts'], 'attempt')}. {one['last_error'] or ''}"


def _job(one: dict[str, Any], now: float) -> html.Tr:
    shown, word = _JOBS.get(one["state"], ("healthy", "running"))
    cells = [
        ("State", state(shown, word)),
        ("Sign of life", _since(one["age_s"], now)),
        ("Why", html.Span(one["note"], className="error-text")),
    ]
    return labelled_row(one["job"], cells)


def _drill_row(one: dict[str, Any], now: float) -> html.Tr:
    command = f"checkrein runbook drill {one['trigger']} --policy {_quoted(one['policy'])}"
    cells = [
        ("State", _drilled(one)),
        ("Last passed", moment(one["passed"], now)),
        ("Newest", _steps(one["newest"])),
        ("Start it", _command(command)),
    ]
    return labelled_row(f"{one['policy']}: {_drill_name(one['trigger'])}", cells)


def _drill_name(trigger: str) -> str:
    return "kill switch" if trigger == "kill" else trigger


def _command(text: str) -> html.Span:
    return html.Span([html.Code(text), _copy(text)], className="command")


def _drill_rank(one: dict[str, Any]) -> int:
    newest = one["newest"]
    failed = newest is not None and newest["state"] == "failed"
    return 0 if failed else 1 if one["overdue"] else 2 if one["passed"] is None else 3


def _drilled(one: dict[str, Any]) -> html.Span:
    newest = one["newest"]
    if newest is not None and newest["state"] != "passed":
        return state(_DRILLS[newest["state"]], "failed" if newest["state"] == "failed" else "showed nothing")
    if one["overdue"]:
        return html.Span(state("warning", "overdue"), title=one["overdue"])
    return state("healthy", "passed") if one["passed"] is not None else state("no_data", "never drilled")


def _steps(drill: dict[str, Any]) -> html.Details:
    lines = [
        html.Li(
            [
                state(_DRILLS[step["state"]], step["step"], size="small"),
                html.Span(
                    f"{number(step['seconds'], 3)} s" + (f" of {step['limit']:g} s" if step["limit"] else "")
                    if step["seconds"] is not None
                    else "",
                    className="muted",
                ),
                html.Span(step["sentence"]),
            ]
        )
        for step in drill["steps"]
    ]
    return html.Details([html.Summary(drill["sentence"]), html.Ol(lines, className="drill-steps")])


def _button(what: str, about: str, word: str, spoken: str) -> html.Button:
    return html.Button(
        word, id={"kind": "ops", "what": what, "about": about}, className="plain", **{"aria-label": spoken}
    )


def _both(identity: str, kind: str, about: str) -> html.Div:
    buttons = [
        _button(f"replay{kind}", identity, "Replay", f"Replay: {about}"),
        _button(f"cancel{kind}", identity, "Cancel", f"Cancel: {about}"),
    ]
    return html.Div(buttons, className="buttons")


def _copy(text: str) -> html.Button:
    return html.Button("Copy", className="plain small", **{"data-copy": text, "aria-label": f"Copy: {text}"})


def _quoted(name: str) -> str:
    plain = all(letter.isalnum() or letter in "-_." for letter in name)
    return name if plain else "'" + name.replace("'", "'\\''") + "'"


def _since(age: float | None, now: float) -> Any:
    """Return a moment of the machine's clock; the page's own may be another."""
    return moment(None if age is None else now - age, now)


def _day(shown: str | None) -> str:
    return "never" if shown is None else shown[:10]
