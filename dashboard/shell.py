"""What is around every page: header with counts, data age and clock, the beat that refreshes, banners, help."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import dialog
from dashboard.components import moment, prose, shape_of
from dashboard.current import data
from dashboard.data import RANK, Data, Unavailable
from dashboard.words import STATES, counted, length, plural

BEAT = 1000  # ms between looks at the token; a look costs a few ms and changes nothing when nothing changed
_TOLD = 2  # findings that the banner says in full
PAGES = (
    ("/", "Overview"),
    ("/alerts", "Alerts"),
    ("/incidents", "Incidents"),
    ("/rollouts", "Rollouts"),
    ("/reviews", "Reviews"),
    ("/readiness", "Readiness"),
    ("/operations", "Operations"),
)
_KEYS = (
    ("/", "filter"),
    ("j, k", "next, previous row"),
    ("Enter", "open the row"),
    ("g o, g a, g i", "overview, alerts, incidents"),
    ("g l, g v", "rollouts, reviews"),
    ("g r, g p", "readiness, operations"),
    ("1, 2, 3", "in a review: improvement, neutral, exploit"),
    ("n", "in a review: the next one"),
    ("t", "next time range"),
    ("z", "back from a zoom"),
    ("u", "times in UTC or local"),
    ("p", "pause or go on"),
    ("?", "this help"),
)


def layout() -> dmc.MantineProvider:
    """Return the page's frame."""
    return dmc.MantineProvider(
        [
            html.A("Skip to content", href="#main", className="skip"),
            _header(),
            html.Div(id="banner", **{"aria-live": "polite"}),
            html.Div("", id="said", className="said-done", role="status"),
            html.Div("", id="offline", className="banner", hidden=True, role="alert"),
            html.Main(dash.page_container, id="main", tabIndex=-1),
            _help(),
            dialog.dialog(),
            dcc.Store(id="pulse"),
            dcc.Store(id="judged"),
            dcc.Store(id="sink"),
            dcc.Store(id="zone", storage_type="local"),
            dcc.Interval(id="beat", interval=BEAT),
        ],
        theme={"primaryColor": "blue", "defaultRadius": "md", "fontFamily": "inherit", "respectReducedMotion": True},
        defaultColorScheme="auto",
    )


def _header() -> html.Header:
    return html.Header(
        [
            dcc.Link(
                [html.Span("", className="logo", **{"aria-hidden": "true"}), "Checkrein"], href="/", className="brand"
            ),
            html.Button(
                "Menu", id="menu", className="plain", **{"aria-expanded": "false", "aria-controls": "pages-menu"}
            ),
            html.Nav(
                [dcc.Link(name, href=path, className="nav") for path, name in PAGES],
                id="pages-menu",
                **{"aria-label": "Pages"},
            ),
            html.Div(id="counts"),
            html.Div(
                [
                    html.Span(id="age", className="muted"),
                    html.Button(
                        html.Span("", id="now"),
                        id="zone-switch",
                        className="plain now",
                    ),
                    html.Button("Pause", id="pause", className="plain", **{"aria-pressed": "false"}),
                    html.Button(
                        "◐",
                        id="theme",
                        className="plain icon",
                        title="Light or dark",
                        **{"aria-label": "Light or dark"},
                    ),
                    html.Button("?", id="help-open", className="plain icon", title="Keys", **{"aria-label": "Keys"}),
                ],
                className="right",
            ),
        ]
    )


def _help() -> html.Dialog:
    rows = [html.Div([html.Dt(html.Kbd(key)), html.Dd(what)]) for key, what in _KEYS]
    return html.Dialog(
        [html.H2("Keys", id="help-title"), html.Dl(rows), html.Button("Close", id="help-close", className="plain")],
        id="help",
        **{"aria-labelledby": "help-title"},
    )


def title(**_path: str) -> str:
    """Return the page's title: the counts by state come first, because a tab shows its beginning."""
    try:
        return f"{counted(data().overview()['counts'])} · Checkrein"
    except Unavailable:
        return "○ · Checkrein"


def register(app: Dash, found: Data) -> None:
    """Register the beat, and what the browser does by itself."""

    def beat(_n: int | None, old: dict[str, Any] | None) -> tuple[Any, ...]:
        try:
            overview = found.overview()
        except Unavailable:
            if old and old.get("live") == "unavailable":
                raise PreventUpdate from None
            lost = {"live": "unavailable", "judged": "", "title": "○ · Checkrein", **found.clock()}
            return lost, no_update, no_update, no_update, away(old, found.now())
        tokens, now, wrong = overview["tokens"], found.now(), overview["wrong"]
        if old and old.get("live") == tokens.live and old.get("wrong") == wrong:
            raise PreventUpdate
        head = f"{counted(overview['counts'])} · Checkrein"
        pulse = {"live": tokens.live, "judged": tokens.judged, "title": head, "wrong": wrong, **found.clock()}
        same = bool(old) and old is not None and old.get("judged") == tokens.judged
        newest = max((row["last_ts"] for row in overview["policies"] if row["last_ts"]), default=None)
        age = ["data ", moment(newest, now, absent="none yet")]
        return pulse, no_update if same else tokens.judged, counts(overview["counts"]), age, banners(overview)

    dialog.register(app, found)
    app.callback(
        Output("pulse", "data"),
        Output("judged", "data"),
        Output("counts", "children"),
        Output("age", "children"),
        Output("banner", "children"),
        Input("beat", "n_intervals"),
        State("pulse", "data"),
    )(beat)
    app.clientside_callback("(pulse) => window.checkrein.beat(pulse)", Output("sink", "data"), Input("pulse", "data"))
    app.clientside_callback(
        "(zone) => window.checkrein.zone(zone)", Output("zone-switch", "title"), Input("zone", "data")
    )
    app.clientside_callback(
        "(n) => window.checkrein.other()",
        Output("zone", "data"),
        Input("zone-switch", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        "(n) => window.checkrein.pause()",
        Output("pause", "children"),
        Input("pause", "n_clicks"),
        prevent_initial_call=True,
    )


def counts(found: dict[str, int]) -> dcc.Link:
    """Return the counts by state as a link to what fired."""
    ordered = sorted(found, key=lambda name: -RANK[name])
    said = ", ".join(f"{plural(found[name], 'policy')} {STATES[name][1]}" for name in ordered)
    items = [
        html.Span(
            [html.B(str(found[name])), shape_of(name), html.Span(STATES[name][1], className="word")],
            className=f"count state-{name}",
        )
        for name in ordered
    ]
    return dcc.Link(items, href="/alerts", className="counts", title=said)


def banners(overview: dict[str, Any]) -> list[Any]:
    """Return what must be known on every page: that evaluation is late, and that people are not being told."""
    found = [late(overview["stale"])] if overview["stale"] else []
    wrong = overview["wrong"]
    if wrong:
        rest = len(wrong) - _TOLD
        more = [" ", dcc.Link(f"And {rest} more.", href="/incidents")] if rest > 0 else []
        found.append(_banner([*prose(" ".join(wrong[:_TOLD])), *more]))
    return found


def late(stale: dict[str, float | None]) -> Any:
    """Return the banner of an evaluation that is late; nothing where none is."""
    stopped = {job: age for job, age in stale.items() if age is not None}
    if stopped:
        names = ", ".join(job.removeprefix("judge:") for job in sorted(stopped))
        age = length(max(stopped.values()))
        return _banner(
            f"Evaluation is late: {names}, last judged {age} ago in real time. What you see is from then; "
            "is `checkrein serve` or `checkrein worker` running?"
        )
    if stale:
        names = ", ".join(job.removeprefix("judge:") for job in sorted(stale))
        return _banner(f"Not evaluated yet: {names}. Nothing is watched until `checkrein serve` or `worker` runs.")
    return None


def away(old: dict[str, Any] | None, now: float) -> html.Div:
    """Return the banner of a database that does not answer: how old what is shown is, or that nothing was read.

    Parameters
    ----------
    old
        The pulse that the page had before; None where this is its first.
    now
        The injected clock's now.
    """
    if old:
        age: list[Any] = [" What you see was read ", moment(old["now"], now), " and may be out of date;"]
    else:
        age = [" This page was opened ", moment(now, now), "; each part says whether it could be read since;"]
    return _banner(["The database does not answer.", *age, " it goes on asking."])


def _banner(text: str | list[Any]) -> html.Div:
    return html.Div(
        [shape_of("warning"), html.Span(prose(text) if isinstance(text, str) else text)],
        className="banner",
        role="status",
    )
