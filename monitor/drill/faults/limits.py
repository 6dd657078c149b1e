"""Faults past a limit: costs in every row, in more rows each day, in a single one; an irreversible action."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.drill.faults.fault import Case, numbers, put

_DAYS = 24  # until every row of a creeping fault is past the limit


def all_over(table: pa.Table, case: Case, _window: int) -> pa.Table:
    """Put the cost of every row far past every limit and budget."""
    return _over(table, case, np.ones(table.num_rows, bool))


def creeping(table: pa.Table, case: Case, window: int) -> pa.Table:
    """Put one row of 24 past the limit in the first window, two in the second, and so on."""
    return _over(table, case, np.arange(table.num_rows) % _DAYS <= window)


def one_over(table: pa.Table, case: Case, window: int) -> pa.Table:
    """Put a single row past the limit: a hard one takes no second."""
    return _over(table, case, (np.arange(table.num_rows) == 0) & (window == 0))


def irreversible(table: pa.Table, _case: Case, window: int) -> pa.Table:
    """Let one row be irreversible, with nobody's approval."""
    if window > 0 or not table.num_rows:
        return table
    flags = table.column("irreversible").fill_null(False).to_pylist()
    table = put(table, "irreversible", pa.array([True, *flags[1:]], pa.bool_()))
    for name in ("override", "shield"):
        if name in table.column_names:
            texts = table.column(name).to_pylist()
            table = put(table, name, pa.array([None, *texts[1:]], pa.string()))
    return table


def _over(table: pa.Table, case: Case, rows: NDArray[np.bool_]) -> pa.Table:
    for one in case.policy.constraint.values():
        name = f"cost.{one.cost}"
        if name in table.column_names:
            usual = float(np.nanmax(np.abs(numbers(case.sample, name)), initial=0.0))
            far = 10 * (usual + abs(one.limit) + abs(one.cost_budget or 0.0) + 1.0)
            table = put(table, name, np.where(rows, far, numbers(table, name)))
    return table
