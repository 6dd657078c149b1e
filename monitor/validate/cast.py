"""Columns of a log brought to their role's type; each function returns the column and the rows that do not fit.

The result is null where a row does not fit. None instead of a mask: every row fits. Text is read as a number where a
number is due, because CSV has nothing else.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from monitor.validate.faults import Mask

Cast = tuple[pa.Array, Mask | None]


def one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array, dictionaries and wide strings resolved to plain ones."""
    if isinstance(column, pa.ChunkedArray):
        column = (
            column.chunk(0)
            if column.num_chunks == 1
            else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
        )
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pt.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pt.is_large_string(column.type) or pt.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


def filled(column: pa.Array) -> Mask:
    """Return which rows are not null, shape (rows,)."""
    mask: Mask = column.is_valid().to_numpy(zero_copy_only=False)
    return mask


def _none(column: pa.Array, kind: pa.DataType) -> Cast:
    bad = filled(column)
    return pa.nulls(len(column), kind), bad if bad.any() else None


def numbers(column: pa.Array) -> Cast:
    """Read a column as float64; NaN and infinities stay, for ``unbounded`` to find.

    >>> values, bad = numbers(pa.array(["1.5", "high", None]))
    >>> values.to_pylist(), bad.tolist()
    ([1.5, None, None], [False, True, False])
    """
    kind = column.type
    if pt.is_float64(kind):
        return column, None
    if pt.is_null(kind):
        return pa.nulls(len(column), pa.float64()), None
    if pt.is_boolean(kind):
        return column.cast(pa.uint8()).cast(pa.float64()), None
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        return column.cast(pa.float64(), safe=False), None
    if not pt.is_string(kind):
        return _none(column, pa.float64())
    text = pc.utf8_trim_whitespace(column)
    try:
        return text.cast(pa.float64()), None
    except pa.ArrowInvalid:
        values = pl.Series(text).cast(pl.Float64, strict=False).to_arrow()
        bad = filled(column) & ~filled(values)
        return values, bad if bad.any() else None


def unbounded(values: pa.Array) -> Mask | None:
    """Return the rows of a float64 column that are NaN or infinite, None if there is none."""
    finite = pc.is_finite(values)
    if pc.all(finite, min_count=0).as_py():
        return None
    mask: Mask = ~finite.fill_null(True).to_numpy(zero_copy_only=False)
    return mask


def texts(column: pa.Array) -> Cast:
    """Read a column as text; whole floats lose their point, because pandas turns ints beside nulls into floats.

    >>> texts(pa.array([True, None]))[0].to_pylist(), texts(pa.array([3.0, 2.5]))[0].to_pylist()
    (['true', None], ['3', '2.5'])
    """
    kind = column.type
    if pt.is_string(kind):
        return column, None
    if pt.is_null(kind) or pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_decimal(kind):
        return column.cast(pa.string()), None
    if pt.is_floating(kind):
        whole = fractional(column)
        return (column.cast(pa.int64(), safe=False) if whole is None else column).cast(pa.string()), None
    return _none(column, pa.string())


def fractional(column: pa.Array) -> Mask | None:
    """Return the rows of a float column that are no whole number that float64 holds exactly, None if there is none."""
    values = column.cast(pa.float64()).fill_null(0.0).to_numpy()
    with np.errstate(invalid="ignore"):
        bad: Mask = ~((values == np.floor(values)) & (np.abs(values) <= 2.0**53))
    return bad if bad.any() else None


def wholes(column: pa.Array) -> Cast:
    """Read a column as int64.

    >>> values, bad = wholes(pa.array([1.0, 1.5]))
    >>> values.to_pylist(), bad.tolist()
    ([1, None], [False, True])
    """
    if pt.is_null(column.type) or pt.is_int64(column.type):
        return column.cast(pa.int64()), None
    values, bad = numbers(column)
    odd = fractional(values)
    if odd is not None:
        values = pc.if_else(pa.array(odd), pa.scalar(None, pa.float64()), values)
        bad = odd if bad is None else bad | odd
    return values.cast(pa.int64()), bad


def flags(column: pa.Array) -> Cast:
    """Read a column as bool: true and false, 1 and 0, or those words.

    >>> flags(pa.array(["True", "0", None]))[0].to_pylist()
    [True, False, None]
    """
    kind = column.type
    if pt.is_boolean(kind) or pt.is_null(kind):
        return column.cast(pa.bool_()), None
    words, bad = texts(column)
    words = pc.utf8_lower(words)
    yes, no = (pc.is_in(words, value_set=pa.array(options)) for options in (["true", "1"], ["false", "0"]))
    unknown = filled(words) & ~pc.or_(yes, no).to_numpy(zero_copy_only=False)
    if unknown.any():
        bad = unknown if bad is None else bad | unknown
    return pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, pa.bool_())), bad if bad is not None and bad.any() else None


def guessed(column: pa.Array) -> Cast:
    """Read untyped text as numbers where most of it is, else as text.

    Untyped means that the log cannot tell: every column of a CSV, and a JSON field that is a number in one line and
    text in the next. The rows outside the majority are refused when it is numbers; numbers among text are text.
    """
    values, bad = numbers(column)
    if bad is None or 2 * int(bad.sum()) < int(filled(column).sum()):
        return values, bad
    return texts(column)
