"""Off-policy estimates beside what was earned: filled is trusted, hollow is weak, crossed is refused."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.figures.frame import ACCENT, AMBER, GREEN, MUTED, frame, nothing, wrapped

_ROW = 34
_LOOK = {
    "logged": ("circle", ACCENT),
    "trusted": ("diamond", GREEN),
    "weak": ("diamond-open", AMBER),
    "refused": ("x-thin-open", MUTED),
}


def forest(found: Mapping[str, Any]) -> go.Figure:
    """Return the forest plot of the candidates.

    Parameters
    ----------
    found
        What ``monitor.views.candidates`` returned.
    """
    rows = found["rows"]
    if rows.empty:
        return nothing(found["missing"], 200)
    logged = rows[rows["trust"] == "logged"]
    middle = float(logged["value"].iloc[0]) if len(logged) else float(np.nanmean(rows["value"]))
    names = [label(row) for row in rows.itertuples()]
    left = min(190, 20 + 6 * max(map(len, names)))
    figure = frame(height=64 + _ROW * max(len(rows), 3), left=left)
    for trust, (symbol, colour) in _LOOK.items():
        some = [(name, row) for name, row in zip(names, rows.itertuples(), strict=True) if row.trust == trust]
        if not some:
            continue
        values = [row.value if np.isfinite(row.value) else middle for _name, row in some]
        wide = [row.high - value if np.isfinite(row.high) else 0 for (_n, row), value in zip(some, values, strict=True)]
        deep = [value - row.low if np.isfinite(row.low) else 0 for (_n, row), value in zip(some, values, strict=True)]
        figure.add_scatter(
            x=values,
            y=[name for name, _row in some],
            mode="markers",
            error_x={"type": "data", "array": wide, "arrayminus": deep, "color": colour, "thickness": 2, "width": 5},
            marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2, "color": colour}},
            text=[_told(row) for _name, row in some],
            hovertemplate="%{text}<extra></extra>",
        )
    if len(logged):
        figure.add_vline(x=middle, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names, showgrid=False)
    figure.update_xaxes(
        title={"text": "reward per decision, 95% interval", "font": {"size": 11}}, showgrid=True, fixedrange=True
    )
    figure.update_layout(margin={"b": 44}, uirevision="forest")
    return figure


def label(row: Any) -> str:
    """Return the words beside a row; trust is a word too."""
    if row.trust == "logged":
        return "what was earned"
    return f"{html.escape(str(row.name))} {html.escape(str(row.estimator))} · {row.trust}"


def _told(row: Any) -> str:
    number = "no value" if not np.isfinite(row.value) else f"{row.value:.5g} [{row.low:.5g}, {row.high:.5g}]"
    reason = f"<br>{wrapped(str(row.reason))}" if row.reason else ""
    return f"{number}<br>{row.n:,} decisions, effective {row.ess:,.0f}{reason}"
