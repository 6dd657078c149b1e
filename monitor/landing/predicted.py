"""What a model of the world predicted for a state less what was seen: one ``gap.<name>`` column each, in the lake.

The next state is in the next row of the episode, so it is looked for where rows are together: in the batch that lands.
What landed stays in the lake, so that a bucket counted again is the same bucket.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PREDICTED = "predicted_next_state."


def with_gaps(table: pa.Table) -> pa.Table:
    """Return decisions with the error of the prediction that the row before them in their episode made.

    Null where the batch does not hold that row (step - 1 of the same episode and version), or either number is missing.

    Examples
    --------
    >>> rows = {"episode_id": ["a", "b", "a"], "step": [0, 0, 1], "version": ["v"] * 3, "state.x": [1.0, 5.0, 2.0]}
    >>> with_gaps(pa.table({**rows, "predicted_next_state.x": [2.5, 5.0, 3.0]}))["gap.x"].to_pylist()
    [None, None, 0.5]
    """
    names = [name[len(PREDICTED) :] for name in table.column_names if name.startswith(PREDICTED)]
    names = [name for name in names if f"state.{name}" in table.column_names]
    if not names or not table.num_rows or not {"episode_id", "step"} <= set(table.column_names):
        return table
    before = _before(table)
    there = np.flatnonzero(before >= 0)
    for name in names:
        state, predicted = (_floats(table, column) for column in (f"state.{name}", f"{PREDICTED}{name}"))
        gap = np.full(table.num_rows, np.nan)
        gap[there] = predicted[before[there]] - state[there]
        table = table.append_column(f"gap.{name}", pa.array(gap, from_pandas=True))
    return table


def _before(table: pa.Table) -> NDArray[np.int64]:
    """Return the row of each decision's predecessor in its episode, -1 where it is not in the table, shape (rows,)."""
    step = _floats(table, "step")
    keys = [_codes(table, name) for name in ("version", "episode_id")]
    order = np.lexsort((step, *keys))
    first, second = order[:-1], order[1:]
    same = (step[second] == step[first] + 1) & np.logical_and.reduce([key[second] == key[first] for key in keys])
    same &= keys[1][second] >= 0
    before = np.full(table.num_rows, -1, np.int64)
    before[second[same]] = first[same]
    return before


def _codes(table: pa.Table, name: str) -> NDArray[np.int64]:
    column = table.column(name).combine_chunks()
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = table.column(name)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return np.full(table.num_rows, np.nan)
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
