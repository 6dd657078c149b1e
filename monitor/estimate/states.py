"""State features of a log as numbers, for the models that are fitted on it and the checks of its propensities."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.candidates.scored import Floats

_STATE = "state."
LEVELS = 30  # of a text feature; the others are the rest, as a level of their own would have too few rows


def features(table: pa.Table) -> tuple[Floats, tuple[str, ...]]:
    """Return the state features as columns of numbers, with their names.

    A number stays one, NaN where it is missing; text becomes a column of 0 and 1 for each of its commonest levels.

    Examples
    --------
    >>> found, names = features(pa.table({"action": ["0", "1"], "state.x": [1.0, None], "state.kind": ["a", "b"]}))
    >>> names, found.tolist()
    (('x', 'kind=a', 'kind=b'), [[1.0, 1.0, 0.0], [nan, 0.0, 1.0]])
    """
    columns: list[Floats] = []
    names: list[str] = []
    for role in table.column_names:
        if not role.startswith(_STATE):
            continue
        name, column = role.removeprefix(_STATE), table[role]
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            columns.append(np.array(column.to_numpy(), dtype=np.float64))
            names.append(name)
            continue
        counts = pc.value_counts(column.drop_null()).to_pylist()
        common = sorted(counts, key=lambda item: (-item["counts"], item["values"]))[:LEVELS]
        for level in sorted(item["values"] for item in common):
            columns.append(np.asarray(pc.equal(column, level).fill_null(False).to_numpy(), dtype=np.float64))
            names.append(f"{name}={level}")
    return (np.stack(columns, axis=1) if columns else np.empty((len(table), 0))), tuple(names)


def complete(states: Floats) -> Floats:
    """Return features that a model can be fitted on: centred, on the scale of their spread, with what is missing told.

    A missing number is the mean of the others, with a column that says where; a feature without spread is left out.

    >>> complete(np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])).round(2).tolist()
    [[-1.22, -0.71], [1.22, -0.71], [0.0, 1.41]]
    """
    missing = np.isnan(states)
    some = missing.any(axis=0)
    count = np.maximum((~missing).sum(axis=0), 1)
    mean = np.where(missing, 0.0, states).sum(axis=0) / count
    whole = np.concatenate([np.where(missing, mean, states), missing[:, some].astype(np.float64)], axis=1)
    whole -= whole.mean(axis=0, keepdims=True) if len(whole) else 0.0
    spread = whole.std(axis=0) if len(whole) else np.zeros(whole.shape[1])
    kept = spread > 0
    found: Floats = whole[:, kept] / spread[kept]
    return found
