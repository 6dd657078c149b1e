"""The Rollout page of a policy: the stages, the hold, the judgement, who agreed, and the buttons that move it."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html

from dashboard import figures, rolling
from dashboard.components import graph, link, panel, prose, shape_of, state, unread
from dashboard.current import data as current
from dashboard.data import Data
from dashboard.figures.effect import HEIGHT
from dashboard.guard import kept
from dashboard.pages import missing, rollback, rollout_dialog
from dashboard.pages import rollout_parts as parts
from dashboard.pages.stepper import stepper
from dashboard.words import PHASES

_HIDDEN = {"display": "none"}


def layout(policy: str | None = None, **_query: str) -> html.Div:
    """Return the page without data."""
    if policy not in current().policies():
        return missing.layout()
    buttons = [
        html.Button(words, id=f"rollout-{verb}", className=look, style=_HIDDEN)
        for verb, (words, look) in rollout_dialog.BUTTONS.items()
    ]
    back = html.Button("Roll back…", id="rollback-open", className="danger")
    return html.Div(
        [
            html.Div(
                [
                    html.Div([html.H1(f"Rollout of {policy}"), html.Div(id="rollout-state")], className="heading"),
                    html.Nav(
                        [
                            dcc.Link("Policy", href=link(policy), className="plain"),
                            dcc.Link("All rollouts", href="/rollouts", className="plain"),
                        ],
                        className="tabs",
                        **{"aria-label": "About this policy"},
                    ),
                    *buttons,
                    back,
                ],
                className="title",
            ),
            dcc.Store(id="policy", data=policy),
            dcc.Store(id="rollout-seen"),
            dcc.Store(id="weighed-seen"),
            panel("Stages", html.Div(unread(), id="rollout-head"), name="rollout", wide=True, height=150),
            html.Div(
                [
                    panel("Hold", html.Div(unread(), id="rollout-hold"), name="rolled-hold", height=100),
                    panel("Approvals", html.Div(unread(), id="rollout-agreed"), name="rolled-agreed", height=100),
                    panel("Judgement", html.Div(unread(), id="rollout-judgement"), name="judgement", height=160),
                    panel(
                        "Candidate against incumbent",
                        [graph("effect", HEIGHT), html.Div(id="rollout-comparison")],
                        name="rolled-compared",
                        height=HEIGHT,
                    ),
                ],
                className="grid",
            ),
            panel("Actions", html.Div(unread(), id="rollout-acted"), name="rolled-actions", wide=True, height=60),
            panel(
                "Triggers of the candidate",
                html.Div(unread(), id="rollout-triggers"),
                name="rolled-watched",
                wide=True,
                height=60,
            ),
            panel("Earlier rollouts", html.Div(unread(), id="rollout-history"), name="earlier", wide=True, height=40),
            rollout_dialog.dialog(),
            rollback.dialog(),
        ],
        className="page",
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def shown(_pulse: Any, policy: str, seen: Any) -> tuple[Any, ...]:
        return kept(lambda: standing(rolling.stand(data, policy), data.now()), 11, data.now(), seen)

    def weighed(_judged: str | None, policy: str, seen: Any) -> tuple[Any, ...]:
        return kept(lambda: weighing(rolling.measured(data, policy), data.now()), 5, data.now(), seen)

    styles = [Output(f"rollout-{verb}", "style") for verb in rollout_dialog.BUTTONS]
    policy = State("policy", "data")
    app.callback(
        Output("rollout-state", "children"),
        Output("rollout-head", "children"),
        Output("rollout-hold", "children"),
        Output("rollout-agreed", "children"),
        Output("rollout-acted", "children"),
        *styles,
        Output("rollout-error", "children"),
        Output("rollout-seen", "data"),
        Input("pulse", "data"),
        policy,
        State("rollout-seen", "data"),
    )(shown)
    app.callback(
        Output("rollout-judgement", "children"),
        Output("effect", "figure"),
        Output("rollout-comparison", "children"),
        Output("rollout-triggers", "children"),
        Output("rollout-history", "children"),
        Output("judgement-error", "children"),
        Output("weighed-seen", "data"),
        Input("judged", "data"),
        policy,
        State("weighed-seen", "data"),
    )(weighed)


def standing(found: dict[str, Any], now: float) -> tuple[Any, ...]:
    """Return what says where the rollout stands: state, steps, hold, approvals, actions, buttons."""
    rollout, start = found["rollout"], found["start"]
    verbs = rollout_dialog.offered(rollout, start)
    styles = [{} if verb in verbs else _HIDDEN for verb in rollout_dialog.BUTTONS]
    if rollout is None:
        none = [shape_of("no_data"), f" No version was rolled out here yet; {start['serving']} serves."]
        absent = html.P("–", className="empty")
        return (state("no_data", "none", size="large"), html.P(none, className="empty"), *[absent] * 3, *styles)
    title = f"{rollout['incumbent']} → {rollout['candidate']}, rollout {rollout['id']}"
    head = html.Div([html.H3(title), stepper(rollout), parts.head(rollout, now)])
    return (
        state(*PHASES[rollout["phase"]], size="large"), head, parts.hold(rollout), parts.agreed(rollout, now),
        parts.acted(rollout, now), *styles,
    )  # fmt: skip


def weighing(found: dict[str, Any], now: float) -> tuple[Any, ...]:
    """Return what is known of the candidate: judgement, effect, comparison, triggers, and earlier rollouts."""
    rollout = found["rollout"]
    if rollout is None:
        none = html.P("Nothing is rolled out.", className="empty")
        return none, figures.effect(None, "Nothing is rolled out."), None, none, parts.history([], now)
    against = [html.Li(prose(one)) for one in found["against"]]
    judged = [parts.judgement(rollout)]
    if against:
        judged.insert(0, html.Div([html.B("In the way now:"), html.Ul(against, className="reasons")]))
    if found["changed"]:
        told = f"The evidence has changed since the draft was written: {', '.join(found['changed'])}."
        judged.insert(0, html.P([shape_of("warning"), f" {told}"]))
    return (
        html.Div(judged),
        figures.effect(found["comparison"], found["why"]),
        parts.comparison(found["comparison"], rollout),
        parts.triggers(found, rollout),
        parts.history(found["history"], now),
    )
