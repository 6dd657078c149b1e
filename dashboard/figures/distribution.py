"""How the reward is spread, and how evenly the actions are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.frame import ACCENT, MUTED, RED, broken, frame, levels, mark, nothing, on_time, ribbon

HEIGHT = 230
LEGEND = 20  # pixels of the fan's panel that its legend takes


def fan(found: Mapping[str, Any], markers: pd.DataFrame, revision: str) -> go.Figure:
    """Return the quantiles of the reward over time: the middle half, nine tenths, the median and the mean.

    Parameters
    ----------
    found
        What ``monitor.views.series`` returned.
    markers, revision
        What happened, and what zoom is kept with.
    """
    table, window = found["fan"], float(found["window"])
    if table.empty:
        return nothing("No decision with a reward in this span.", HEIGHT)
    figure = on_time(frame(height=HEIGHT - LEGEND), found["begin"], found["end"], revision)
    time = table["time"].tolist()
    for low, high, colour, name in (
        ("q05", "q95", "rgba(47,128,208,0.14)", "5–95%"),
        ("q25", "q75", "rgba(47,128,208,0.26)", "25–75%"),
    ):
        x, y = ribbon(time, table[low].tolist(), table[high].tolist(), window)
        figure.add_scatter(
            x=x, y=y, fill="toself", mode="lines", line={"width": 0}, fillcolor=colour, name=name, hoverinfo="skip"
        )
    for column, name, style in (
        ("q50", "median", {"color": ACCENT, "width": 2}),
        ("mean", "mean", {"color": MUTED, "width": 1.5, "dash": "dot"}),
    ):
        x, y = broken(time, table[column].tolist(), window)
        template = "%{x|%b %d %H:%M}<br>" + name + " %{y:.4g}<extra></extra>"
        figure.add_scatter(x=x, y=y, mode="lines", name=name, line=style, hovertemplate=template)
    return mark(figure, markers, found["begin"], found["end"])


def entropy(found: Mapping[str, Any], markers: pd.DataFrame, serving: str, revision: str) -> go.Figure:
    """Return the action entropy of each version with its maximum and its floor.

    Parameters
    ----------
    found
        What ``monitor.views.series`` returned.
    markers, serving, revision
        What happened, the version that has the accent, and what zoom is kept with.
    """
    table, window = found["entropy"], float(found["window"])
    if len(found["actions"]) < 2:
        return nothing("Entropy needs at least two actions in the log or in checkrein.toml.", HEIGHT)
    if table.empty:
        return nothing("No decision in this span.", HEIGHT)
    figure = on_time(frame(height=HEIGHT), found["begin"], found["end"], revision)
    for version, group in table.groupby("version"):
        x, y = broken(group["time"].tolist(), group["value"].tolist(), window)
        figure.add_scatter(
            x=x, y=y, mode="lines", name=str(version),
            line={"color": ACCENT if version == serving else MUTED, "width": 2},
            hovertemplate="%{x|%b %d %H:%M}<br>%{y:.3f} of ln K<extra>" + str(version) + "</extra>",
        )  # fmt: skip
    lines = [(1.0, "evenly used", MUTED, "dot")]
    floor = found["entropy_floor"]
    if floor is not None:
        lines.append((floor, f"floor {floor:.2f}", RED, "solid"))
    levels(figure, lines)
    figure.update_yaxes(range=[0, 1.08])
    return mark(figure, markers, found["begin"], found["end"])
