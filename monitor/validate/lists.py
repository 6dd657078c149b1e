"""Columns that hold lists: probabilities over actions, vectors, masks."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from monitor.validate.cast import Cast, filled, numbers, one, texts, unbounded
from monitor.validate.faults import Mask

# Probabilities are often logged as float32 or with a few decimals; further off than this they were not normalised.
SUM_TOLERANCE = 1e-3


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column holds lists."""
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind) or pt.is_list_view(kind))


def looks_listed(column: pa.Array) -> bool:
    """Return whether text holds lists as JSON, which is how a CSV carries them."""
    if not pt.is_string(column.type) or column.null_count == len(column):
        return False
    return bool(pc.all(pc.starts_with(pc.utf8_ltrim_whitespace(column), "["), min_count=0).as_py())


def _parsed(column: pa.Array) -> Cast:
    """Read JSON text as lists of whatever they hold."""
    try:
        values = pl.Series(column).str.json_decode(pl.List(pl.Float64)).to_arrow()
        return one(values), None
    except pl.exceptions.PolarsError:
        rows: list[list[str] | None] = []
        bad = np.zeros(len(column), bool)
        for index, text in enumerate(column.to_pylist()):
            try:
                value = None if text is None else json.loads(text)
            except (ValueError, RecursionError):
                value = text
            if value is not None and not isinstance(value, list):
                bad[index], value = True, None
            rows.append(None if value is None else [v if isinstance(v, str) else json.dumps(v) for v in value])
        return pa.array(rows, pa.list_(pa.string())), bad if bad.any() else None


def _of(column: pa.Array, element: pa.DataType) -> Cast:
    kind = pa.list_(element)
    if column.type == kind:
        return column, None
    bad: Mask | None = None
    if pt.is_null(column.type):
        return pa.nulls(len(column), kind), None
    if pt.is_string(column.type):
        column, bad = _parsed(column)
    if not is_list(column.type):
        wrong = filled(column)
        return pa.nulls(len(column), kind), wrong if wrong.any() else bad
    if not pt.is_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    cast = numbers if pt.is_float64(element) else texts
    values, wrong_inside = cast(one(column.flatten()))
    if wrong_inside is not None:
        at = pc.list_parent_indices(column).to_numpy()[wrong_inside]
        bad = np.zeros(len(column), bool) if bad is None else bad
        bad[at] = True
    lengths = pc.list_value_length(column).fill_null(0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=mask), bad


def vectors(column: pa.Array) -> Cast:
    """Read a column as lists of float64; a null, NaN or infinite element makes its row bad.

    >>> values, bad = vectors(pa.array(["[0.5, 1]", "[0.5, null]", "x"]))
    >>> values.to_pylist()[0], bad.tolist()
    ([0.5, 1.0], [False, True, True])
    """
    values, bad = _of(column, pa.float64())
    inner = values.flatten()
    holes = unbounded(inner)
    if inner.null_count:
        empty = ~filled(inner)
        holes = empty if holes is None else holes | empty
    if holes is not None:
        bad = np.zeros(len(values), bool) if bad is None else bad
        bad[pc.list_parent_indices(values).to_numpy()[holes]] = True
    return values, bad


def names(column: pa.Array) -> Cast:
    """Read a column as lists of text."""
    return _of(column, pa.string())


def totals(values: pa.Array) -> tuple[np.ndarray, Mask]:
    """Return the sum of each list, shape (rows,), and which rows hold an element outside [0, 1]."""
    inner = values.flatten().fill_null(0.0).to_numpy()
    at = pc.list_parent_indices(values).to_numpy()
    outside = np.zeros(len(values), bool)
    outside[at[(inner < 0) | (inner > 1)]] = True
    return np.bincount(at, weights=inner, minlength=len(values)), outside


def sizes(values: pa.Array) -> np.ndarray:
    """Return the length of each list, -1 for null, shape (rows,)."""
    result: np.ndarray = pc.list_value_length(values).fill_null(-1).to_numpy()
    return result
