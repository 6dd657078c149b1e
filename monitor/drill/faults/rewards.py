"""Faults of the reward: it falls, it splits in two, it comes late."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitor.drill.faults.fault import Case, moved, numbers, put
from monitor.landing.rewards import DELAY

_LATER = 4.0  # times the usual delay


def lower(table: pa.Table, case: Case, _window: int) -> pa.Table:
    """Take 6 standard deviations from every reward; one that is bounded falls to its bound."""
    fallen = moved(table, "reward", -case.scale("reward"))
    if case.trigger.lower is None or "reward" not in fallen.column_names:
        return fallen
    return put(fallen, "reward", np.maximum(numbers(fallen, "reward"), case.trigger.lower))


def zero(table: pa.Table, _case: Case, _window: int) -> pa.Table:
    """Let every known reward be 0."""
    return put(table, "reward", numbers(table, "reward") * 0.0) if "reward" in table.column_names else table


def split(table: pa.Table, case: Case, _window: int) -> pa.Table:
    """Draw the rewards to the 10% and the 90% quantile in turn, with a little of their own spread left."""
    known = numbers(case.sample, "reward")
    low, high = np.quantile(known[np.isfinite(known)], [0.1, 0.9])
    reward = numbers(table, "reward")
    around = np.where(np.arange(len(reward)) % 2 == 0, low, high)
    return put(table, "reward", around + 0.1 * (reward - float(np.nanmean(known))))


def late(table: pa.Table, _case: Case, _window: int) -> pa.Table:
    """Let every reward take four times as long, and a minute."""
    return put(table, DELAY, numbers(table, DELAY) * _LATER + 60.0) if DELAY in table.column_names else table
