"""Only what changed travels: each answer says what it was made of, the browser says it back, the rest stays there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from dash import Patch, html, no_update
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

Seen = Mapping[str, Any]  # output -> digest; a chart has one for its layout and one for each trace


def changed(values: Sequence[Any], seen: Seen | None) -> tuple[list[Any], dict[str, Any]]:
    """Return what must travel of new values, and what the browser has to remember of them.

    A value that is the same as before is no update; a chart of which some traces are the same is a Patch of the others
    and of its time range, which moves with every look. The browser remembers, so any process can answer next time.

    >>> first, seen = changed(["5 windows"], None)
    >>> again, _ = changed(["5 windows"], seen)
    >>> first, [type(item).__name__ for item in again]
    (['5 windows'], ['NoUpdate'])
    """
    known = seen or {}
    sent: list[Any] = []
    now: dict[str, Any] = {}
    for place, value in enumerate(values):
        name = str(place)
        if isinstance(value, go.Figure):
            part, now[name] = _figure(value, known.get(name))
        else:
            now[name] = _digest(value)
            part = no_update if now[name] == known.get(name) else value
        sent.append(part)
    return sent, now


def _figure(figure: go.Figure, known: Any) -> tuple[Any, dict[str, Any]]:
    drawn = figure.to_plotly_json()
    layout = {**drawn["layout"], "xaxis": {**drawn["layout"].get("xaxis", {})}}
    span = layout["xaxis"].pop("range", None) if layout["xaxis"].get("type") == "date" else None
    now = {"layout": _digest(layout), "traces": [_digest(trace) for trace in drawn["data"]], "span": _digest(span)}
    if not isinstance(known, dict) or known["layout"] != now["layout"] or len(known["traces"]) != len(now["traces"]):
        return figure, now
    if known == now:
        return no_update, now
    patch = Patch()
    if span is not None:
        patch["layout"]["xaxis"]["range"] = list(span)
    for place, (trace, new, old) in enumerate(zip(drawn["data"], now["traces"], known["traces"], strict=True)):
        if new != old:
            patch["data"][place] = trace
    return patch, now


def _digest(value: Any) -> str:
    """Return a short digest of what a value says; that "3 min ago" becomes "4" is the browser's own doing."""
    text = json.dumps(_timeless(value), cls=PlotlyJSONEncoder)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _timeless(value: Any) -> Any:
    if isinstance(value, html.Time):
        return value.dateTime
    if isinstance(value, Component):
        props: dict[str, Any] = value.to_plotly_json()["props"]
        return [type(value).__name__, {name: _timeless(part) for name, part in props.items()}]
    if isinstance(value, list | tuple):
        return [_timeless(part) for part in value]
    return value
