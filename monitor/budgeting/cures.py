"""How windows of a baseline follow each other, and what would keep a limit's budget where they follow too closely."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors import Series
from detectors.long_run_variance import on_grid
from monitor.budgeting.runs import false_alarms, least_k
from monitor.settings import Trigger
from monitor.units import human

LEAST = 30  # windows below which nothing is measured
_LONGER = (1800, 3600, 7200, 14400, 21600, 43200, 86400)


def correlation_of(series: Series, together: int = 1) -> float | None:
    """Return the correlation of neighbouring windows, of means of ``together`` of them; None for too few."""
    values = on_grid(series.time, np.where(series.n > 0, series.value, np.nan), 1000)
    usable = len(values) // together * together
    values = values[:usable].reshape(-1, together).mean(axis=1)
    one, next_one = values[:-1], values[1:]
    both = np.isfinite(one) & np.isfinite(next_one)
    if int(np.sum(both)) < LEAST or float(np.std(one[both])) == 0 or float(np.std(next_one[both])) == 0:
        return None
    return float(np.corrcoef(one[both], next_one[both])[0, 1])


def cure_of(
    trigger: Trigger,
    called: dict[str, Any],
    series: list[Series],
    correlation: float | None,
    share: float,
    per: float,
    keys: int,
) -> str:
    """Propose what would keep the share: a larger k, more windows in a row, or longer windows."""
    k = called.get("k")
    if not isinstance(k, float | int):
        return "more windows in a row, or a longer baseline without trouble in it"
    allowed = share / keys / (per / trigger.window)
    rho = correlation or 0.0
    ways = []
    larger = least_k(allowed, trigger.for_, rho)
    if larger is not None:
        ways.append(f'k = {larger:g} (or k = "auto")')
    more = next((m for m in range(trigger.for_ + 1, 13) if false_alarms(float(k), m, rho) <= allowed), None)
    if more is not None:
        ways.append(f'for = "{more} windows"')
    for length in _LONGER:
        together = int(length // trigger.window)
        if length <= trigger.window or length % trigger.window:
            continue
        seen = [correlation_of(one, together) for one in series]
        if not seen or any(one is None for one in seen):
            break
        longest = max(one for one in seen if one is not None)
        if false_alarms(float(k), trigger.for_, longest) <= share / keys / (per / length):
            ways.append(f'window = "{human(length)}"')
            break
    return ", or ".join(ways) or "a longer baseline"
