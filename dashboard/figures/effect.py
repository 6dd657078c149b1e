"""Candidate less incumbent with its anytime interval, against 0 and the loss that is accepted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard.figures.frame import AMBER, GREEN, MUTED, RED, frame, nothing

COLOURS = {"better": GREEN, "no_worse": GREEN, "worse": RED, "inconclusive": AMBER, "error": MUTED}
HEIGHT = 120


def effect(found: Mapping[str, Any] | None, why: str = "") -> go.Figure:
    """Return the effect of a comparison as one interval.

    Parameters
    ----------
    found
        ``comparison`` of ``monitor.views.rollout_page``; None where there is none.
    why
        The sentence that is shown instead.

    Examples
    --------
    >>> found = {"effect": 0.1, "low": -0.2, "high": 0.4, "margin_used": 0.3, "verdict": "no_worse", "reasons": []}
    >>> chart = effect({**found, "n_candidate": 90, "n_incumbent": 300})
    >>> [float(line.x0) for line in chart.layout.shapes]
    [-0.3, 0.0]
    """
    if found is None:
        return nothing(why, HEIGHT)
    value, low, high = found["effect"], found["low"], found["high"]
    if value is None or not math.isfinite(value):
        return nothing(" ".join(found["reasons"]) or "Nothing was measured.", HEIGHT)
    margin = found.get("margin_used") or 0.0
    bounded = all(end is not None and math.isfinite(end) for end in (low, high))
    ends = [low, high] if bounded else [value, value]
    colour = COLOURS[found["verdict"]]
    figure = frame(height=HEIGHT, left=14)
    # as a line of its own: error bars have no words for a reader of the tooltip
    figure.add_scatter(
        x=[ends[0], value, ends[1]], y=[0, 0, 0], mode="lines+markers",
        line={"color": colour, "width": 3},
        marker={"symbol": ["line-ns-open", "diamond", "line-ns-open"], "size": [16, 13, 16], "color": colour,
                "line": {"width": 3, "color": colour}},
        hovertemplate="%{x:.5g}<extra></extra>",
    )  # fmt: skip
    for at, colour_of, dash in ((-margin, RED, "dash"), (0.0, MUTED, "solid")):
        figure.add_shape(
            type="line", x0=at, x1=at, y0=0, y1=1, yref="paper",
            line={"color": colour_of, "width": 1.4, "dash": dash},
        )  # fmt: skip
    points = [*ends, 0.0, -margin]
    room = 0.35 * (max(points) - min(points) or 1.0)
    figure.update_xaxes(
        range=[min(points) - room, max(points) + room], fixedrange=True, showgrid=True,
        title={"text": "reward per decision, candidate less incumbent", "font": {"size": 11}},
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[-1, 1])
    figure.update_layout(margin={"b": 44}, uirevision="effect", dragmode=False)
    return figure
