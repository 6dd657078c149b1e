"""Moving a rollout from its page: what is agreed to, the person's own token, and where it is asked for a reason."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import rolling
from dashboard.components import prose
from dashboard.data import Data, Missing, Refused, Unavailable
from dashboard.words import percent

# verb -> (the button's words, its look)
BUTTONS = {
    "start": ("Start a rollout…", "primary"),
    "approve": ("Approve…", "primary"),
    "advance": ("Advance…", "primary"),
    "pause": ("Pause rollout…", "plain"),
    "resume": ("Resume rollout…", "plain"),
    "abort": ("Abort…", "danger"),
}
_SUBMIT = {
    "start": "Write the draft",
    "approve": "Approve as yourself",
    "advance": "Agree as yourself",
    "pause": "Pause now",
    "resume": "Resume now",
    "abort": "Abort now",
}
_FIELDS = ("token", "to", "reason", "typed")
_ASKED = {"start": {"to", "reason"}, "pause": {"reason"}, "resume": {"reason"}, "abort": {"reason", "typed"}}
_AWAY = "The database does not answer; nothing was done. Try again."
_SHOWN, _HIDDEN = {"display": "block"}, {"display": "none"}


def offered(rollout: dict[str, Any] | None, start: dict[str, Any]) -> set[str]:
    """Return the verbs that have a button now; each is checked again when it is done."""
    verbs = set(rollout["may"]) if rollout else set()
    if start["open"] is None:
        verbs.add("start")
    elif rollout and rollout["phase"] == "draft":
        verbs.add("approve")
    elif rollout and rollout["phase"] == "passed":
        verbs.add("advance")
    return verbs


def dialog() -> html.Div:
    """Return the dialog, closed; one for all verbs, whose fields come and go."""
    form = [
        html.Div(id="rollout-plan"),
        html.Div(
            dmc.Select(
                id="rollout-to", label="Version that is to serve", allowDeselect=False,
                comboboxProps={"withinPortal": False},
            ),
            id="rollout-to-box",
        ),
        dmc.PasswordInput(
            id="rollout-token",
            label="Your API token",
            description="Your own: it says who you are. It is checked on the server and not kept.",
        ),
        html.Div(
            dmc.TextInput(id="rollout-typed", label="Type the policy's name", autoComplete="off"),
            id="rollout-typed-box",
        ),
        html.Div(
            dmc.Textarea(id="rollout-reason", label="Why", autosize=True, minRows=2), id="rollout-reason-box"
        ),
        html.P("", id="rollout-refused", className="failed", role="alert"),
        html.Button("", id="rollout-submit", className="primary"),
    ]  # fmt: skip
    return html.Div(
        [
            dmc.Modal(
                [html.Div(form, id="rollout-form"), html.Div(id="rollout-result", **{"aria-live": "polite"})],
                id="rollout-dialog",
                title="Rollout",
                opened=False,
                size="lg",
                closeButtonProps={"aria-label": "Close"},
            ),
            dcc.Store(id="rollout-shown"),
        ]
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def show(*given: Any) -> tuple[Any, ...]:
        clicks, policy = given[:-1], given[-1]
        verb = str(dash.ctx.triggered_id or "").removeprefix("rollout-")
        if verb not in BUTTONS or not any(clicks):
            raise PreventUpdate
        try:
            found = rolling.wanted(data, policy)
        except (Unavailable, Missing):
            raise PreventUpdate from None
        rollout, start, asked = found["rollout"] or {}, found["start"], _ASKED.get(verb, set())
        shown = {"verb": verb, "id": rollout.get("id"), "digest": rollout.get("wanted", {}).get("digest")}
        boxes = [_SHOWN if name in asked else _HIDDEN for name in ("to", "reason", "typed")]
        choices = [{"value": name, "label": name} for name in start["to"]]
        first = start["to"][0] if start["to"] else None
        return (
            True, f"{BUTTONS[verb][0].removesuffix('…')}: {policy}", told(verb, found), choices, first, *boxes, shown,
            *[""] * 3, *[""] * 5, _SUBMIT[verb], "danger" if verb == "abort" else "primary", _SHOWN, "", policy,
        )  # fmt: skip

    def submit(
        clicks: int | None, policy: str, shown: dict[str, Any] | None, token: str, to: str, reason: str, typed: str
    ) -> tuple[Any, ...]:
        if not clicks:
            raise PreventUpdate
        seen = shown or {}
        said = {"token": token, "to": to, "reason": reason, "typed": typed}
        try:
            done = rolling.act(data, str(seen.get("verb")), policy, seen, said)
        except Refused as refusal:
            errors = [refusal.sentence if name == refusal.field else "" for name in _FIELDS]
            return (*errors, "" if refusal.field in _FIELDS else refusal.sentence, no_update, no_update, no_update)
        except Unavailable:
            return (*[""] * 4, _AWAY, no_update, no_update, no_update)
        return (*[""] * 5, _HIDDEN, html.P(prose(done["sentence"]), className="told"), "")

    again = {"allow_duplicate": True}
    app.callback(
        Output("rollout-dialog", "opened"),
        Output("rollout-dialog", "title"),
        Output("rollout-plan", "children"),
        Output("rollout-to", "data"),
        Output("rollout-to", "value"),
        *[Output(f"rollout-{name}-box", "style") for name in ("to", "reason", "typed")],
        Output("rollout-shown", "data"),
        *[
            Output(f"rollout-{name}", "value", **(again if name == "token" else {}))
            for name in ("token", "reason", "typed")
        ],
        *[Output(f"rollout-{name}", "error", **again) for name in _FIELDS],
        Output("rollout-refused", "children", **again),
        Output("rollout-submit", "children"),
        Output("rollout-submit", "className"),
        Output("rollout-form", "style", **again),
        Output("rollout-result", "children", **again),
        Output("rollout-typed", "placeholder"),
        *[Input(f"rollout-{verb}", "n_clicks") for verb in BUTTONS],
        State("policy", "data"),
        prevent_initial_call=True,
    )(show)
    app.callback(
        *[Output(f"rollout-{name}", "error") for name in _FIELDS],
        Output("rollout-refused", "children"),
        Output("rollout-form", "style"),
        Output("rollout-result", "children"),
        Output("rollout-token", "value"),
        Input("rollout-submit", "n_clicks"),
        State("policy", "data"),
        State("rollout-shown", "data"),
        *[State(f"rollout-{name}", "value") for name in _FIELDS],
        prevent_initial_call=True,
    )(submit)


def told(verb: str, found: dict[str, Any]) -> html.Div:
    """Return what will happen, what is signed, and what has changed since it was written."""
    rollout, start = found["rollout"], found["start"]
    if verb == "start" or rollout is None:
        many = start["needed"]
        lines = [f"{start['serving']} serves. This writes a draft, and you are its author. Nothing moves yet."]
        lines.append(
            f"{many} other people must approve it." if many > 1 else "Single operator: you may approve it yourself."
        )
        return html.Div([html.P(line) for line in lines], className="plan")
    name, needed = rollout["candidate"], rollout["wanted"]["needed"]
    if verb in rolling.AGREEING:
        return html.Div(_agreeing(verb, found, name, needed), className="plan")
    share = (rollout["route"] or {"split": {}})["split"].get(name, 0.0)
    said = {
        "pause": f"The clock of the rollout stops; {name} keeps its {percent(share)} of the traffic.",
        "resume": f"The share of {name} is looked at anew before another second of the hold counts.",
        "abort": f"{name} has {percent(share)} of the traffic; {rollout['incumbent']} takes all of it again. One "
        "person is enough. Trying again is a new rollout with a new approval.",
    }  # fmt: skip
    return html.Div(html.P(said[verb]), className="plan")


def _agreeing(verb: str, found: dict[str, Any], name: str, needed: int) -> list[Any]:
    rollout = found["rollout"]
    wanted, stages, stage = rollout["wanted"], rollout["stages"], rollout["stage"]
    so_far = f"{len(wanted['people'])} of {needed} so far" + (
        f": {', '.join(wanted['people'])}" if wanted["people"] else ""
    )
    after = stages[stage + 1]["name"] if stage + 1 < len(stages) else "100%"
    what = f"the draft of {name}" if verb == "approve" else f"{name} going on from {rollout['stage_name']} to {after}"
    lines: list[Any] = [html.P(f"You agree to {what}. {needed} different people must, {so_far}.")]
    if verb == "advance":
        lines += [html.P(prose(reason)) for reason in rollout["judgement"]["reasons"]]
    lines.append(html.P(["What you sign is ", html.Code(wanted["digest"], className="digest")]))
    if found["changed"]:
        lines.append(
            html.P(f"▲ Changed since the draft was written: {', '.join(found['changed'])}. Agreeing writes it anew.")
        )
    elif verb == "approve":
        lines.append(html.P("Nothing of the evidence has changed since it was written."))
    if found["against"]:
        lines.append(html.P(prose(f"▲ In the way now: {' '.join(found['against'])}")))
    elif verb == "advance":
        lines.append(html.P("Nothing is in the way now: no trigger fires, no incident and no action is open."))
    if rollout["limitation"]:
        lines.append(html.P(f"▲ {rollout['limitation']}"))
    return lines
