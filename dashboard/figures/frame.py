"""What every chart shares: a transparent ground, one time axis, marks of what happened, colours for both modes.

Text, grid and axis colours come from style.css, so that dark mode needs no callback; the colours here are those of
data, chosen to be read on white and on near-black alike.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import plotly.graph_objects as go

ACCENT = "#2f80d0"
MUTED = "#71808f"
RED = "#e03e3e"
AMBER = "#d9831f"
GREEN = "#2f9e5b"
VIOLET = "#8a63c9"
BANDS = ("rgba(47,128,208,0.07)", "rgba(47,128,208,0.09)", "rgba(47,128,208,0.12)")  # 3, 2, 1 sigma; they add up
MARKS = {"rollback": RED, "held": AMBER, "confirmed": GREEN, "baseline": MUTED, "stage": ACCENT, "incident": VIOLET}
SIGNS = {"rollback": "■ ", "held": "■ ", "stage": "► ", "incident": "▲ "}
_STEPPED = 200
FONT = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def frame(*, height: int, left: int = 52) -> go.Figure:
    """Return an empty figure in the house style.

    Parameters
    ----------
    height
        Pixels; the panel keeps them while it loads.
    left
        Pixels for the labels of the vertical axis.
    """
    axis = {"gridcolor": "rgba(128,140,152,0.16)", "zeroline": False, "automargin": False, "ticks": ""}
    layout = {
        "template": go.layout.Template(),  # the default one is 7 kB of colours that style.css decides
        "height": height,
        "margin": {"l": left, "r": 12, "t": 14, "b": 30},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": MUTED},
        "showlegend": False,  # see legend.py
        "hovermode": "closest",
        "hoverlabel": {"font": {"family": FONT, "size": 12}, "align": "left"},
        "dragmode": "zoom",
        "xaxis": {**axis, "showgrid": False},
        "yaxis": {**axis, "fixedrange": True},
    }  # fmt: skip
    return go.Figure(layout=layout)  # in one piece: plotly checks each later update anew


def on_time(figure: go.Figure, begin: float, end: float, revision: str) -> go.Figure:
    """Give a figure the time axis that all charts of a page share; zoom survives a refresh with the same revision."""
    figure.layout.xaxis.type, figure.layout.xaxis.range = "date", [begin * 1000, end * 1000]
    figure.layout.uirevision = revision  # set one by one: update_layout takes 30 ms to check a path
    return figure


def column(values: Sequence[Any]) -> np.ndarray:
    """Return what a chart draws as one array of objects: plotly checks and copies a list item by item, three times.

    >>> column([1.0, None]).tolist()
    [1.0, None]
    """
    made = np.empty(len(values), dtype=object)  # of numbers it would travel as base64, which no digest or test reads
    made[:] = values
    return made


def at(seconds: Iterable[float]) -> np.ndarray:
    """Return the milliseconds since 1970 that a date axis takes; plotly reads them as UTC.

    >>> at([0.0, 1.5]).tolist()
    [0.0, 1500.0]
    """
    return column([float(value) * 1000 for value in seconds])


def numbers(values: Iterable[float]) -> list[float | None]:
    """Return plain numbers, None where there is none, so that the line has a gap there.

    >>> numbers([1.0, float("nan")])
    [1.0, None]
    """
    return [rounded(value) if np.isfinite(value) else None for value in values]


def rounded(value: float) -> float:
    """Return a number to six digits: a chart shows no more, and half the bytes travel.

    >>> rounded(0.12345678)
    0.123457
    """
    return float(f"{value:.6g}")


def broken(time: Sequence[float], values: Sequence[float], window: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a line's coordinates with a gap wherever a window is missing: a gap is a finding.

    >>> [one.tolist() for one in broken([0.0, 900.0, 2700.0], [1.0, 2.0, 3.0], 900.0)]
    [[0.0, 900000.0, None, 2700000.0], [1.0, 2.0, None, 3.0]]
    """
    x: list[Any] = []
    y: list[Any] = []
    previous: float | None = None
    for moment, value in zip(time, numbers(values), strict=True):
        if previous is not None and moment - previous > 1.5 * window:
            x.append(None)
            y.append(None)
        x.append(float(moment) * 1000)
        y.append(value)
        previous = float(moment)
    return column(x), column(y)


def ribbon(
    time: Sequence[float], low: Sequence[float], high: Sequence[float], window: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return closed outlines of a band, one for each run of windows without a gap, for ``fill="toself"``.

    >>> [one.tolist() for one in ribbon([450.0], [1.0], [2.0], 900.0)]
    [[0.0, 900000.0, 900000.0, 0.0, None], [2.0, 2.0, 1.0, 1.0, None]]
    """
    x: list[Any] = []
    y: list[Any] = []
    runs: list[list[int]] = []
    for index in range(len(time)):
        if not (np.isfinite(low[index]) and np.isfinite(high[index])):
            continue
        joins = runs and runs[-1][-1] == index - 1 and time[index] - time[index - 1] <= 1.5 * window
        if joins:
            runs[-1].append(index)
        else:
            runs.append([index])
    for run in runs:
        # Steps say what a window is; on a long span they would double the bytes and not be seen.
        sides = (-0.5, 0.5) if len(time) <= _STEPPED or len(run) == 1 else (0.0,)
        forth = [(time[i] + side * window, high[i]) for i in run for side in sides]
        back = [(time[i] - side * window, low[i]) for i in reversed(run) for side in sides]
        x += [float(moment) * 1000 for moment, _ in forth + back] + [None]
        y += [rounded(value) for _, value in forth + back] + [None]
    return column(x), column(y)


def mark(figure: go.Figure, markers: pd.DataFrame, begin: float, end: float, *, named: bool = False) -> go.Figure:
    """Draw what happened as vertical lines; with ``named`` all but confirmations say what they are."""
    if markers.empty:
        return figure
    close = 0.02 * (end - begin)
    said, lowered = -math.inf, 0
    shapes, notes = list(figure.layout.shapes), list(figure.layout.annotations)
    for when, kind, text in zip(
        markers["time"].tolist(), markers["kind"].tolist(), markers["text"].tolist(), strict=True
    ):
        colour = MARKS[kind]
        style = {"color": colour, "width": 1.2, "dash": "solid" if kind == "confirmed" else "dash"}
        shapes.append(
            {"type": "line", "x0": when * 1000, "x1": when * 1000, "y0": 0, "y1": 1, "yref": "paper", "line": style,
             "opacity": 0.75}
        )  # fmt: skip
        if named and kind != "confirmed" and when - said >= close:
            lowered = lowered + 1 if when - said < 0.25 * (end - begin) else 0
            said = when
            late = when > begin + 0.5 * (end - begin)  # to the side that has room, on a telephone too
            sign = SIGNS.get(kind, "")
            notes.append(
                {"x": when * 1000, "y": 1, "yref": "paper", "text": sign + html.escape(shorter(text, 40)),
                 "showarrow": False, "xanchor": "right" if late else "left", "yanchor": "top",
                 "xshift": -5 if late else 5, "yshift": -15 * lowered, "font": {"size": 11, "color": colour}}
            )  # fmt: skip
    figure.layout.shapes, figure.layout.annotations = shapes, notes
    return figure


def levels(figure: go.Figure, values: Sequence[tuple[float, str, str, str]]) -> go.Figure:
    """Draw horizontal lines: (value, label, colour, dash); an empty label is none."""
    shapes, notes = list(figure.layout.shapes), list(figure.layout.annotations)
    for value, text, colour, dash in values:
        style = {"color": colour, "width": 1, "dash": dash}
        shapes.append({"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": value, "y1": value, "line": style})
        if text:
            notes.append(
                {"x": 0, "xref": "paper", "y": value, "text": text, "showarrow": False, "xanchor": "left",
                 "yanchor": "bottom", "font": {"size": 11, "color": colour}}
            )  # fmt: skip
    figure.layout.shapes, figure.layout.annotations = shapes, notes
    return figure


def wrapped(text: str, width: int = 62) -> str:
    """Return text for a hover label: escaped, in lines.

    >>> wrapped("a <b>")
    'a &lt;b&gt;'
    """
    lines = [""]
    for word in text.split():  # not textwrap, which takes 0.1 ms: a month of firings has thousands of sentences
        for first in range(0, len(word), width):
            piece = word[first : first + width]
            if len(lines[-1]) + 1 + len(piece) > width:
                lines.append(piece)
            else:
                lines[-1] = f"{lines[-1]} {piece}" if lines[-1] else piece
    return "<br>".join(html.escape(line) for line in lines if line)


def shorter(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters.

    >>> shorter("confirmed", 6)
    'confi…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def nothing(why: str, height: int = 220) -> go.Figure:
    """Return a chart that says why it shows nothing; never an empty one that could be read as quiet."""
    figure = frame(height=height)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text="○ " + wrapped(why, 52), x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 13}
    )
    return figure


def clocked(figure: go.Figure, zone: str = "UTC") -> go.Figure:
    """Turn the times of a chart from milliseconds into what a clock of a zone shows; every chart ends with this.

    plotly knows no zones: it draws text as it stands, but numbers in the zone of the browser.

    Parameters
    ----------
    figure
        A chart whose time axis holds milliseconds UTC; one without a time axis stays as it is.
    zone
        A name of the tz database; one that is unknown here leaves UTC.
    """
    if figure.layout.xaxis.type != "date":
        return figure
    try:
        there = ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # what a browser says is not to be trusted
        there = ZoneInfo("UTC")

    def shown(times: Sequence[float | None]) -> np.ndarray:
        return _texts(times, there)  # an array: plotly checks a list item by item

    for trace in figure.data:
        trace.x = shown(list(trace.x))
    layout = figure.layout
    layout.xaxis.range = shown(list(layout.xaxis.range)).tolist()
    layout.uirevision = f"{layout.uirevision} {zone}"
    for shape in layout.shapes:
        if shape.xref != "paper":
            shape.x0, shape.x1 = shown([shape.x0, shape.x1]).tolist()
    for note in layout.annotations:
        if note.xref != "paper":
            (note.x,) = shown([note.x]).tolist()
    return figure


def _texts(times: Sequence[float | None], there: ZoneInfo) -> np.ndarray:
    known = np.array([np.nan if at is None else at for at in times], dtype=float)
    stamps = pd.to_datetime(np.where(np.isnan(known), 0.0, known).round().astype("int64"), unit="ms", utc=True)
    walls = stamps.tz_convert(there).tz_localize(None).to_numpy().astype("datetime64[s]")
    texts = np.datetime_as_string(walls, unit="s").astype(object)
    texts[np.isnan(known)] = None
    return texts
