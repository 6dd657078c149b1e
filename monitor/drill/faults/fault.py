"""What a synthetic fault is, and how columns of a window of the log are changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.settings import Trigger
from monitor.settings.policy import Policy
from monitor.summaries.plan import Plan

SIGMAS = 6.0  # of single rows: hundreds of those of a window's mean
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """What a fault is made for: the policy, what is counted of it, the trigger, and a healthy stretch for scale."""

    policy: Policy
    plan: Plan
    trigger: Trigger
    sample: pa.Table

    @property
    def worse(self) -> float:
        """Return +1 where large values are bad, -1 where small ones are."""
        return 1.0 if self.trigger.detector == "limit" and self.trigger.side != "below" else -1.0

    def scale(self, *columns: str) -> float:
        """Return a change that no healthy row makes: 6 standard deviations of a row, at least half of the mean."""
        known = [numbers(self.sample, name) for name in columns if name in self.sample.column_names]
        values = [one[np.isfinite(one)] for one in known]
        sizes = [max(SIGMAS * float(np.std(one)), 0.5 * abs(float(np.mean(one)))) for one in values if len(one)]
        return max(sizes, default=0.0) or 1.0


@dataclass(frozen=True)
class Fault:
    """One synthetic fault.

    Parameters
    ----------
    says
        What happens to the log, as a sentence without its full stop.
    rows
        Makes a healthy window of rows a faulty one; gets the window's number since the fault began.
    healthy
        Windows before it, in which nothing may fire.
    windows
        Windows in which the trigger must fire.
    sabotage
        What is broken in the drill's own database beside the log, between sealing and judging; gets the begin of the
        fault.
    """

    says: str
    rows: Callable[[pa.Table, Case, int], pa.Table]
    healthy: int = 4
    windows: int = 12
    sabotage: Callable[[Connection, float], None] | None = None


def numbers(table: pa.Table, name: str) -> Floats:
    """Return a column as float64, NaN where it is missing."""
    return np.array(table.column(name).cast(pa.float64()).fill_null(float("nan")).to_numpy(), np.float64)


def put(table: pa.Table, name: str, values: Any) -> pa.Table:
    """Return the table with a column of these values; NaN becomes null. A column that is not there stays away."""
    if name not in table.column_names:
        return table
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        values = pa.array(values, pa.float64(), from_pandas=True)
    return table.set_column(table.column_names.index(name), name, values)


def moved(table: pa.Table, name: str, by: float) -> pa.Table:
    """Return the table with ``by`` added to every known value of a column."""
    return put(table, name, numbers(table, name) + by) if name in table.column_names else table


def same(table: pa.Table, _case: Case, _window: int) -> pa.Table:
    """Return the rows as they are."""
    return table
