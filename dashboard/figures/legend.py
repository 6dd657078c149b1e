"""What the signs of a chart mean: kept out of the chart, so that it wraps with the page and no chart shrinks for it."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class Key:
    """One entry of a legend: a band, a line or a sign, its colour, and what it stands for."""

    kind: str  # band | line | dot | square | triangle-up
    colour: str
    name: str


def keys(figure: go.Figure) -> list[Key]:
    """Return the legend of a chart, one entry for each trace that has a name and does not hide it."""
    return [_key(trace) for trace in figure.data if trace.name and trace.showlegend is not False]


def _key(trace: go.Scatter) -> Key:
    if trace.fill:
        return Key("band", str(trace.fillcolor), str(trace.name))
    if trace.mode == "markers":
        return Key(str(trace.marker.symbol), str(trace.marker.color), str(trace.name))
    return Key("dot" if trace.line.dash == "dot" else "line", str(trace.line.color), str(trace.name))
