"""The one dialog in which a person does something: what will happen, what it needs to know, and the person's token.

Any button with ``data-ask`` (a name of ``ASKS``) and ``data-on`` (a JSON list) opens it, on every page. Rolling back
has a dialog of its own (``dashboard.pages.rollback``), because it shows a plan and follows what comes of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard.asked import Refused
from dashboard.data import Data, Unavailable
from dashboard.words import length

FIELDS = ("lasts", "text", "owner", "token")
_HIDDEN, _SHOWN = {"display": "none"}, {"display": "block"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_NO_DATE = "no date"


@dataclass(frozen=True)
class Ask:
    """What the dialog says and asks; ``{0}``, ``{1}`` are what the button is about."""

    title: str
    says: str
    button: str
    lasts: tuple[int, ...] = ()  # seconds to choose from; 0: no date
    chosen: int = 0
    text: str = ""  # the label of the long field; "": there is none
    owner: bool = False


ASKS = {
    "ack": Ask(
        "Acknowledge incident {0}",
        "You have it: nobody else is woken until this runs out. Then it wakes people again if it is not over.",
        "Acknowledge",
        (15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR),
        30 * _MINUTE,
    ),
    "escalate": Ask(
        "Escalate incident {0}",
        "The next level is woken now. Whoever has acknowledged the incident gives it back by that.",
        "Escalate now",
    ),
    "mitigate": Ask(
        "Act on incident {0}",
        "Say that you are acting: nobody is woken for 30 minutes. Whether it helped is shown by alerts and the log.",
        "I am acting",
    ),
    "resolve": Ask(
        "Resolve incident {0}",
        "It is over, by your word. What fires within 30 minutes reopens it.",
        "Resolve",
    ),
    "note": Ask("Note for incident {0}", "It is kept in the timeline, with your name.", "Add note", text="Note"),
    "follow_up": Ask(
        "To do after incident {0}",
        "It stays on the incident's list until somebody says that it is done.",
        "Add",
        (0, _DAY, 7 * _DAY, 28 * _DAY),
        7 * _DAY,
        "What is to be done",
        True,
    ),
    "followed": Ask("Done after incident {0}", "Say that it is done: {2}", "It is done"),
    "step": Ask("Step {1} of incident {0}", "Say that it is done: {2}", "Step done"),
    "skip": Ask("Step {1} of incident {0}", "Say that it is left out: {2}", "Skip step"),
    "silence": Ask(
        "Silence {1}",
        "Nobody is paged about {1} of {0}, version {2}, until this ends, at most 7 days. The alert goes on and is "
        "recorded. A rollback is never muted, and neither are its pages.",
        "Silence",
        (30 * _MINUTE, _HOUR, 4 * _HOUR, 8 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY),
        _HOUR,
        "Why",
    ),
    "speak": Ask("End silence {0}", "What still fires pages people again at the next evaluation.", "End silence"),
}


def ask(what: str, *on: Any, text: str | None = None, kind: str = "plain", quiet: str = "") -> html.Button:
    """Return a button that opens the dialog.

    Parameters
    ----------
    what, on
        Which of ``ASKS``, and about what.
    text, kind
        The button's word and look.
    quiet
        Words after it for those who do not see what it stands beside.
    """
    word = text or ASKS[what].button
    return html.Button(
        [word, html.Span(f" {quiet}", className="quiet")] if quiet else word,
        className=kind,
        **{"data-ask": what, "data-on": json.dumps(on)},
    )


def dialog() -> html.Div:
    """Return the dialog, closed, and the line in which its outcome is said."""
    form = [
        html.P(id="ask-says"),
        html.Div(
            dmc.Select(id="ask-lasts", label="For", allowDeselect=False, comboboxProps={"withinPortal": False}),
            id="ask-lasts-box",
        ),
        html.Div(dmc.Textarea(id="ask-text", label="Why", autosize=True, minRows=2), id="ask-text-box"),
        html.Div(
            dmc.TextInput(id="ask-owner", label="Who does it", description="Empty: you.", autoComplete="off"),
            id="ask-owner-box",
        ),
        dmc.PasswordInput(
            id="ask-token", label="Your API token", description="It says who you are. It is checked and not kept."
        ),
        html.P("", id="ask-refused", className="failed", role="alert"),
        html.Button("Go", id="ask-submit", className="primary"),
    ]
    return html.Div(
        [
            dmc.Modal(
                html.Div(form, className="form"),
                id="ask",
                title="",
                opened=False,
                closeButtonProps={"aria-label": "Close"},
            ),
            dcc.Store(id="asked"),
        ]
    )


def register(app: Dash, data: Data) -> None:
    """Register the callbacks."""

    def show(asked: dict[str, Any] | None) -> tuple[Any, ...]:
        about = _about(asked)
        if about is None:
            raise PreventUpdate
        one, on = about
        choices = [{"value": str(s), "label": length(s).replace(".0", "") if s else _NO_DATE} for s in one.lasts]
        boxes = [_SHOWN if shown else _HIDDEN for shown in (one.lasts, one.text, one.owner)]
        return (
            True, one.title.format(*on), one.says.format(*on), one.button, choices, str(one.chosen), one.text, *boxes,
            "", "", "", "", *[""] * len(FIELDS),
        )  # fmt: skip

    def submit(
        clicks: int | None, asked: dict[str, Any] | None, lasts: str | None, text: str, owner: str, token: str
    ) -> tuple[Any, ...]:
        if not clicks or _about(asked) is None or asked is None:
            raise PreventUpdate
        try:
            said = {"lasts": lasts or "", "text": text or "", "owner": owner or ""}
            sentence = data.duty.act(str(asked["what"]), asked["on"], said, token or "")
        except Refused as refusal:
            errors = [refusal.sentence if name == refusal.field else "" for name in FIELDS]
            return (*errors, "" if refusal.field in FIELDS else refusal.sentence, *[no_update] * 3)
        except Unavailable:
            return (*[""] * len(FIELDS), "The database does not answer; nothing was done. Try again.", *[no_update] * 3)
        return (*[""] * len(FIELDS), "", False, "", sentence)

    app.callback(
        Output("ask", "opened"),
        Output("ask", "title"),
        Output("ask-says", "children"),
        Output("ask-submit", "children"),
        Output("ask-lasts", "data"),
        Output("ask-lasts", "value"),
        Output("ask-text", "label"),
        *[Output(f"ask-{name}-box", "style") for name in ("lasts", "text", "owner")],
        *[Output(f"ask-{name}", "value") for name in ("text", "owner", "token")],
        Output("ask-refused", "children"),
        *[Output(f"ask-{name}", "error") for name in FIELDS],
        Input("asked", "data"),
        prevent_initial_call=True,
    )(show)
    app.callback(
        *[Output(f"ask-{name}", "error", allow_duplicate=True) for name in FIELDS],
        Output("ask-refused", "children", allow_duplicate=True),
        Output("ask", "opened", allow_duplicate=True),
        Output("ask-token", "value", allow_duplicate=True),
        Output("said", "children"),
        Input("ask-submit", "n_clicks"),
        State("asked", "data"),
        *[State(f"ask-{name}", "value") for name in FIELDS],
        prevent_initial_call=True,
        running=[(Output("ask-submit", "disabled"), True, False)],  # a second click is the same wish
    )(submit)


def _about(asked: Any) -> tuple[Ask, list[str]] | None:
    """Return what the browser asks for; None where it is nothing that a button of ours says."""
    if not isinstance(asked, dict) or asked.get("what") not in ASKS or not isinstance(asked.get("on"), list):
        return None
    return ASKS[asked["what"]], [*(str(one)[:300] for one in asked["on"]), "", "", ""]
