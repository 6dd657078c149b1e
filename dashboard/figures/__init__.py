"""Charts: pure functions from what `monitor.views` returns to a plotly Figure, each tested without a browser."""

from __future__ import annotations

from dashboard.figures.control import control
from dashboard.figures.distribution import entropy, fan
from dashboard.figures.drift import heatmap, meaning
from dashboard.figures.effect import effect
from dashboard.figures.forest import forest
from dashboard.figures.frame import clocked, nothing
from dashboard.figures.legend import keys
from dashboard.figures.rate import rate

__all__ = ["clocked", "control", "effect", "entropy", "fan", "forest", "heatmap", "keys", "meaning", "nothing", "rate"]
