"""Feature by time: how far each state feature has moved from its reference."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.figures.frame import frame, nothing, on_time, shorter
from dashboard.figures.legend import Key

_ROW, _LEAST = 17, 260  # pixels of a row, and of the chart: few features have high rows
MOST = 14  # features drawn; the rest moved less
_SIGNED = 120  # cells in a row above which a sign in each would be noise


def heatmap(found: Mapping[str, Any], revision: str) -> go.Figure:
    """Return the drift heatmap: blue within the limit, amber to red and marked above it, empty where not judged.

    Parameters
    ----------
    found
        What ``monitor.views.drift`` returned.
    revision
        Zoom is kept as long as it stays the same.
    """
    table = found["table"]
    if table.empty:
        return nothing(found["missing"], 240)
    limit = float(found["limit"] or 0.1)
    furthest = table.max(axis=1).nlargest(MOST).index
    table = table.loc[[name for name in table.index if name in set(furthest)]]
    values = table.to_numpy(dtype=float)
    greatest = float(np.nanmax(values))
    top = max(2 * limit, greatest)
    share = limit / top
    window = float(found["window"])
    names = [html.escape(shorter(str(name), 22)) for name in table.index]
    left = min(130, 14 + 7 * max(map(len, names)))
    blank = frame(height=max(_LEAST, 60 + _ROW * len(names)), left=left)
    figure = on_time(blank, found["begin"], found["end"], revision)
    signs = [["▲" if cell > limit else "" for cell in row] for row in values]
    starts = [float(start) for start in table.columns]
    figure.add_heatmap(
        z=[[None if np.isnan(cell) else float(cell) for cell in row] for row in values],
        x=[(start + window / 2) * 1000 for start in starts],
        y=names,
        text=signs if len(starts) <= _SIGNED else None,
        texttemplate="%{text}" if len(starts) <= _SIGNED else None,
        textfont={"size": 8, "color": "white"},
        zmin=0,
        zmax=top,
        colorscale=[
            [0, "rgba(47,128,208,0.10)"],
            [share * 0.999, "rgba(47,128,208,0.55)"],
            [share, "rgb(217,131,31)"],
            [1, "rgb(200,40,50)"],
        ],
        xgap=1 if len(starts) <= _SIGNED else 0,
        ygap=1,
        hovertemplate="%{y}<br>%{x|%b %d %H:%M}<br>%{z:.3f} bit<extra></extra>",
        showscale=False,  # the legend beside the chart says it
    )
    figure.update_yaxes(autorange="reversed", tickfont={"size": 11}, showgrid=False)
    figure.update_layout(margin={"r": 8, "b": 36})
    return figure


def meaning(found: Mapping[str, Any]) -> list[Key]:
    """Return what the colours of the heatmap stand for."""
    if found["table"].empty:
        return []
    limit, greatest = float(found["limit"] or 0.1), float(np.nanmax(found["table"].to_numpy(dtype=float)))
    above = Key("hot", "", f"▲ above it, to {max(2 * limit, greatest):.2g} bit")
    return [Key("heat", "", f"within the limit of {limit:g} bit"), above]
