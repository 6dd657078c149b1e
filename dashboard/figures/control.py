"""The control chart: window means in the bands that each version's own frozen baseline sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.frame import (
    ACCENT,
    AMBER,
    BANDS,
    MUTED,
    RED,
    at,
    broken,
    column,
    frame,
    mark,
    nothing,
    numbers,
    on_time,
    ribbon,
    wrapped,
)

HEIGHT = 300
_CALM = 8  # windows above which all minutes of the span would only be noise
_MARKS = {"rollback": ("square", RED, "fired, rolls back"), "page": ("triangle-up", AMBER, "fired, pages")}
_MARKS |= {"warn": ("triangle-up", AMBER, "fired, warns"), "info": ("triangle-up", MUTED, "fired, informs")}


def control(found: Mapping[str, Any], markers: pd.DataFrame, serving: str, revision: str) -> go.Figure:
    """Return the control chart of the mean reward.

    Parameters
    ----------
    found
        What ``monitor.views.series`` returned.
    markers
        What ``monitor.views.markers`` returned.
    serving
        The version that serves now; its line has the accent, others are muted.
    revision
        Zoom is kept as long as it stays the same.
    """
    reward, window = found["reward"], float(found["window"])
    if reward.empty and found["minutes"].empty:
        return nothing("No decision with a reward in this span.", HEIGHT)
    figure = frame(height=HEIGHT)
    on_time(figure, found["begin"], found["end"], revision)
    _bands(figure, _dominant(reward), window)
    _minutes(figure, found["minutes"], float(reward["time"].max()) if len(reward) > _CALM else found["begin"])
    for version, group in reward.groupby("version"):
        x, y = broken(group["time"].tolist(), group["value"].tolist(), window)
        mine = version == serving
        figure.add_scatter(
            x=x, y=y, name=str(version), mode="lines+markers" if len(group) < 40 else "lines",
            line={"color": ACCENT if mine else MUTED, "width": 2}, marker={"size": 5},
            hovertemplate="%{x|%b %d %H:%M}<br>mean %{y:.4g}<extra>" + str(version) + "</extra>",
        )  # fmt: skip
    _fired(figure, found["fired"])
    figure.update_yaxes(title={"text": "reward per decision", "font": {"size": 11}, "standoff": 4})
    return mark(figure, markers, found["begin"], found["end"], named=True)


def _dominant(reward: pd.DataFrame) -> pd.DataFrame:
    """Return the version with the most decisions in each window, whose band is drawn."""
    return reward.sort_values(["time", "n"]).groupby("time", as_index=False).last()


def _bands(figure: go.Figure, reward: pd.DataFrame, window: float) -> None:
    known = reward[reward["sigma"].notna()]
    if known.empty:
        return
    time = known["time"].tolist()
    for sigmas, colour in zip((3, 2, 1), BANDS, strict=True):
        low = (known["expected"] - sigmas * known["sigma"]).tolist()
        high = (known["expected"] + sigmas * known["sigma"]).tolist()
        x, y = ribbon(time, low, high, window)
        figure.add_scatter(
            x=x, y=y, fill="toself", mode="lines", line={"width": 0}, fillcolor=colour, hoverinfo="skip",
            name="baseline ±1, 2, 3 sigma", showlegend=sigmas == 1, legendgroup="band",
        )  # fmt: skip
    limit = (known["expected"] - 3 * known["sigma"]).tolist()
    for values, style, name in (
        (known["expected"].tolist(), {"color": MUTED, "width": 1, "dash": "dot"}, "baseline"),
        (limit, {"color": RED, "width": 1}, "−3 sigma"),
    ):
        x, y = broken(time, values, window)
        figure.add_scatter(
            x=x, y=y, mode="lines", line={**style, "shape": "hvh"}, name=name, hoverinfo="skip", opacity=0.85,
            showlegend=name != "baseline",
        )  # fmt: skip


def _minutes(figure: go.Figure, minutes: pd.DataFrame, since: float) -> None:
    """Draw minutes faintly: they show what comes after the last judged window, and nothing is judged by them."""
    minutes = minutes[minutes["time"] >= since]
    if minutes.empty:
        return
    total = minutes.assign(sum=minutes["value"] * minutes["n"]).groupby("time", as_index=False)[["sum", "n"]].sum()
    x, y = broken(total["time"].tolist(), (total["sum"] / total["n"]).tolist(), 60.0)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": MUTED, "width": 1}, opacity=0.5, name="minutes, not judged",
        hovertemplate="%{x|%H:%M}<br>minute %{y:.4g}<extra></extra>",
    )  # fmt: skip


def worst(fired: pd.DataFrame) -> pd.DataFrame:
    """Return the worst firing of each window, in order: one sign a window is enough."""
    order = {name: rank for rank, name in enumerate(_MARKS)}
    ranked = fired.assign(rank=[order[str(name)] for name in fired["severity"]])
    return ranked.sort_values(["time", "rank"]).drop_duplicates("time", ignore_index=True)


def _fired(figure: go.Figure, fired: pd.DataFrame) -> None:
    for severity, group in worst(fired).groupby("severity"):
        symbol, colour, name = _MARKS[str(severity)]
        figure.add_scatter(
            x=at(group["time"]), y=column(numbers(group["value"].astype(float))), mode="markers", name=name,
            marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 1, "color": "white"}},
            text=column([wrapped(reason) for reason in group["reason"]]),
            hovertemplate="%{x|%b %d %H:%M}<br>%{text}<extra></extra>",
        )  # fmt: skip
