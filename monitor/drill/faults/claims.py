"""Faults of what the policy says of itself: values, divergences, outcomes, latency, propensities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from monitor.drill.faults.fault import Case, moved, numbers, put


def shifted(*columns: str) -> Callable[[pa.Table, Case, int], pa.Table]:
    """Return the fault that moves the first column to its bad side, by the scale of all that are named."""

    def rows(table: pa.Table, case: Case, _window: int) -> pa.Table:
        return moved(table, columns[0], case.worse * case.scale(*columns))

    return rows


def family(prefix: str) -> Callable[[pa.Table, Case, int], pa.Table]:
    """Return the fault that moves every column of a family to its bad side."""

    def rows(table: pa.Table, case: Case, _window: int) -> pa.Table:
        for name in [one for one in table.column_names if one.startswith(prefix)]:
            table = moved(table, name, case.worse * case.scale(name))
        return table

    return rows


def slow(table: pa.Table, case: Case, _window: int) -> pa.Table:
    """Let every decision take ten times as long as the slowest one, and longer than was agreed."""
    if "latency_ms" not in table.column_names:
        return table
    agreed = 1000.0 * (case.policy.checklist.latency_sla or 0.0)
    far = 10.0 * (float(np.nanmax(numbers(case.sample, "latency_ms"), initial=0.0)) + agreed + 1.0)
    return put(table, "latency_ms", np.full(table.num_rows, far))


def quartered(table: pa.Table, _case: Case, _window: int) -> pa.Table:
    """Log a quarter of each propensity, so that every weight is four times what it should be."""
    return put(table, "propensity", numbers(table, "propensity") / 4.0) if "propensity" in table.column_names else table


def unlogged(table: pa.Table, _case: Case, _window: int) -> pa.Table:
    """Log no propensity."""
    return put(table, "propensity", np.full(table.num_rows, np.nan))
