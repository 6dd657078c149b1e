"""Arrow columns as plain arrays, without copying where the bytes already are what the kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.summaries.parts import Floats, frozen

Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]

_NOT_SAID = ("", "0", "false", "no", "none")


def numbers(batch: Any, name: str) -> Floats:
    """Return a column as float64, NaN where it is null, absent from the batch or not a number at all."""
    index = batch.schema.get_field_index(name)
    column = batch.column(index) if index >= 0 else None
    if column is not None and pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column is None or not _numeric(column.type):
        return frozen(np.full(batch.num_rows, np.nan))
    if not pa.types.is_float64(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    if column.null_count:
        column = pc.fill_null(column, np.nan)
    return frozen(column.to_numpy(zero_copy_only=False))


def _numeric(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def codes(batch: Any, name: str, levels: Sequence[str]) -> Codes:
    """Return each value's place among the levels, then len(levels) for any other value and + 1 for a missing one."""
    unseen, missing = len(levels), len(levels) + 1
    index = batch.schema.get_field_index(name)
    if index < 0:
        return frozen(np.full(batch.num_rows, missing, np.int32))
    column = batch.column(index)
    if pa.types.is_null(column.type):
        return frozen(np.full(batch.num_rows, missing, np.int32))
    if pa.types.is_dictionary(column.type):
        places = _places(column.dictionary, levels)
        found = pc.take(pa.array(places), column.indices)
    elif pa.types.is_nested(column.type):
        found = pa.array(np.full(batch.num_rows, unseen, np.int32))
    else:
        found = pa.array(_places(column, levels))
    if column.null_count:
        found = pc.if_else(pc.is_null(column), pa.scalar(missing, pa.int32()), found)
    return frozen(found.to_numpy(zero_copy_only=False).astype(np.int32, copy=False))


def _places(column: Any, levels: Sequence[str]) -> Codes:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        column = pc.cast(column, pa.string())
    found = pc.index_in(column, value_set=pa.array(levels, column.type))
    result: Codes = pc.fill_null(found, len(levels)).to_numpy(zero_copy_only=False)
    return result


def flags(batch: Any, name: str) -> Flags | None:
    """Return where a column says yes: true, or a text that is not a way of saying no; None where it is absent."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        return None
    column = batch.column(index)
    if column.null_count == len(column):
        return None
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not pa.types.is_boolean(column.type):
        text = pc.utf8_lower(pc.cast(column, pa.string()))
        said = pc.invert(pc.is_in(text, value_set=pa.array(_NOT_SAID)))
        column = pc.and_(said, pc.is_valid(column))
    result: Flags = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return result


def differ(batch: Any, name: str, other: str) -> tuple[Flags, Flags] | None:
    """Return where a column is there, and where it is there and not equal to another; None where it is absent."""
    index, second = batch.schema.get_field_index(name), batch.schema.get_field_index(other)
    if index < 0 or second < 0 or batch.column(index).null_count == batch.num_rows:
        return None
    a, b = (_text(batch.column(i)) for i in (index, second))
    there = pc.is_valid(a)
    unequal = pc.fill_null(pc.not_equal(a, b), True)
    return there.to_numpy(zero_copy_only=False), pc.and_(there, unequal).to_numpy(zero_copy_only=False)


def _text(column: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type):
        return pa.array([None if value is None else repr(value) for value in column.to_pylist()], pa.string())
    return column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
