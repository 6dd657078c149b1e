"""Faults of what is done: always the same action, never the proposed one, overrides, shields and exploration."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from monitor.drill.faults.fault import Case, put


def one_action(table: pa.Table, case: Case, _window: int) -> pa.Table:
    """Take the commonest action in every row."""
    counted = pc.value_counts(case.sample.column("action").combine_chunks()).to_pylist()
    common = max(counted, key=lambda item: (item["counts"], str(item["values"])))["values"]
    return put(table, "action", pa.array([common] * table.num_rows, table.column("action").type))


def other_proposal(table: pa.Table, case: Case, _window: int) -> pa.Table:
    """Let what was proposed be another action than the one that was taken."""
    if "proposed_action" not in table.column_names:
        return table
    seen = sorted({str(one) for one in case.sample.column("action").to_pylist()})
    names = [*case.plan.actions, *seen]
    taken = table.column("action").to_pylist()
    other = [next((name for name in names if name != action), action) for action in taken]
    return put(table, "proposed_action", pa.array(other, pa.string()))


def written(column: str) -> Callable[[pa.Table, Case, int], pa.Table]:
    """Return the fault that fills a column of words in every row."""

    def rows(table: pa.Table, _case: Case, _window: int) -> pa.Table:
        return put(table, column, pa.array(["drill"] * table.num_rows, pa.string()))

    return rows


def exploring(table: pa.Table, _case: Case, _window: int) -> pa.Table:
    """Let every decision be one that explores."""
    return put(table, "exploration", pa.array([True] * table.num_rows, pa.bool_()))
