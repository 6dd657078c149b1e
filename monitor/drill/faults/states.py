"""Faults of what the policy sees: features that nobody saw in the baseline."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitor.drill.faults.fault import Case, numbers, put


def drifted(table: pa.Table, case: Case, _window: int) -> pa.Table:
    """Put every feature beyond all that the healthy stretch has, a category into one that it does not have."""
    for feature in case.plan.features:
        name = f"state.{feature.name}"
        if name not in table.column_names or name not in case.sample.column_names:
            continue
        if feature.category:
            table = put(table, name, pa.array(["drill"] * table.num_rows, pa.string()))
            continue
        known = numbers(case.sample, name)
        known = known[np.isfinite(known)]
        if len(known):
            low, high = float(known.min()), float(known.max())
            values = numbers(table, name)
            table = put(table, name, values + 2.0 * ((high - low) or 1.0))
    return table
