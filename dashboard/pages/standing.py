"""Where a policy stands, in words: facts, what fires, what was done about it, what to do next."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from dashboard.components import moment, prose, steps
from dashboard.findings import brief
from dashboard.pages.rollout_parts import address, tag

_BRIEF = 3  # alerts named above the charts


def situation(found: dict[str, Any], opened: list[dict[str, Any]], now: float, trouble: Any = None) -> html.Div:
    """Return the facts, the open incident's line, what fires, what was done with its steps, and the next step."""
    facts = [
        ("Serving", [html.B(found["serving"]), f" generation {found['generation']}"]),
        ("Newest decision", moment(found["last_ts"], now, absent="none yet")),
        ("Judged until", moment(found["sealed_until"], now)),
        ("Baseline", f"{found['baseline']['id']}, frozen" if found["baseline"] else "none frozen"),
    ]
    none = dcc.Link("none open", href=address(found["policy"]))
    facts.append(("Rollout", tag(found["rollout"], found["policy"]) or none))
    if found["quarantined"]:
        rows = sum(item["rows"] for item in found["quarantined"])
        facts.append(("Quarantined", f"{rows:,} rows: {found['quarantined'][0]['reason']}"))
    done = [
        html.Div(
            [
                html.P([html.B(action["sentence"]), " ", html.Span(action["reason"], className="muted")]),
                steps(action, now) if action["steps"] else None,
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
            trouble,
            html.Ul(fires, className="fires") if fires else None,
            *done,
            html.P([html.B("Next: "), *prose(found["next"]["text"]), *due], className="next"),
        ]
    )
