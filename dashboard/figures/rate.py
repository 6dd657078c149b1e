"""One constraint's violation rate with its interval, against its budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.frame import (
    ACCENT,
    AMBER,
    RED,
    at,
    broken,
    column,
    frame,
    levels,
    mark,
    nothing,
    on_time,
    ribbon,
)

HEIGHT = 210


def rate(
    table: pd.DataFrame, limit: Mapping[str, Any], found: Mapping[str, Any], markers: pd.DataFrame, revision: str
) -> go.Figure:
    """Return the violation rate of one constraint over time.

    Parameters
    ----------
    table
        One row a window: time, rate, low, high (exact 95% interval).
    limit
        The constraint's row: budget, slack, hard.
    found
        The span: begin, end, window in seconds.
    markers, revision
        What happened, and what zoom is kept with.
    """
    if table.empty:
        return nothing("No decision carries this cost in this span.", HEIGHT)
    window = float(found["window"])
    figure = on_time(frame(height=HEIGHT), found["begin"], found["end"], revision)
    time = table["time"].tolist()
    x, y = ribbon(time, table["low"].tolist(), table["high"].tolist(), window)
    figure.add_scatter(
        x=x, y=y, fill="toself", mode="lines", line={"width": 0}, fillcolor="rgba(47,128,208,0.10)", hoverinfo="skip"
    )
    x, y = broken(time, table["rate"].tolist(), window)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": ACCENT, "width": 2},
        hovertemplate="%{x|%b %d %H:%M}<br>rate %{y:.3%}<extra></extra>",
    )  # fmt: skip
    allowed = limit["budget"] + limit["slack"]
    over = table[(table["low"] > allowed) | ((table["violations"] > 0) & limit["hard"])]
    figure.add_scatter(
        x=at(over["time"]), y=column(over["rate"].tolist()), mode="markers",
        marker={"symbol": "square", "size": 10, "color": RED, "line": {"width": 1, "color": "white"}},
        hovertemplate="%{x|%b %d %H:%M}<br>■ over: %{y:.3%}<extra></extra>",
    )  # fmt: skip
    # The two lines are often too near for two labels.
    budget = "" if limit["slack"] < 0.6 * limit["budget"] else f"budget {limit['budget']:.3%}"
    levels(
        figure,
        [(limit["budget"], budget, AMBER, "dot"), (allowed, f"budget + slack {allowed:.3%}", RED, "solid")],
    )
    top = max(allowed * 2, float(table["rate"].max()) * 1.25)  # upper bounds of thin windows may leave the chart
    figure.update_yaxes(range=[0, top], tickformat=".2%")
    return mark(figure, markers, found["begin"], found["end"])
