"""Tables whose columns differ a little: one table out of many, rows of a span, where two columns differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def concat(tables: Sequence[pa.Table]) -> pa.Table:
    """Concatenate tables; a column that one of them lacks is null there.

    A column that is a number in one table and text in another becomes text; where one has lists and another single
    numbers, the lists stay and the numbers become null, because a number cannot say which element it is.

    Examples
    --------
    >>> a, b = pa.table({"x": [1.0]}), pa.table({"x": ["low"], "y": [2]})
    >>> concat([a, b]).to_pydict()
    {'x': ['1', 'low'], 'y': [None, 2]}
    """
    schemas = {table.schema for table in tables}
    if len(schemas) == 1:
        return pa.concat_tables(tables)
    types: dict[str, list[Any]] = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, []).append(field.type)
    common = {name: common_type(found) for name, found in types.items()}
    return pa.concat_tables([_shaped(table, common) for table in tables])


def common_type(types: Sequence[Any]) -> Any:
    """Return the type that holds all of ``types``: list over text over number over null."""
    known = sorted({t for t in types if not pa.types.is_null(t)}, key=str)
    if len(known) <= 1:
        return known[0] if known else pa.null()
    lists = [t for t in known if pa.types.is_list(t)]
    if lists:
        return lists[0] if len(lists) == 1 else pa.list_(common_type([t.value_type for t in lists]))
    if all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in known):
        return pa.float64()
    return pa.string()


def _shaped(table: pa.Table, types: dict[str, Any]) -> pa.Table:
    columns = [shaped(table, name, kind) for name, kind in types.items()]
    return pa.table(columns, names=list(types))


def shaped(table: pa.Table, name: str, kind: Any) -> Any:
    """Return a column as ``kind``, nulls where the table has no such column or a type that does not fit."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    column = table.column(name)
    if column.type == kind:
        return column
    if pa.types.is_list(kind) and not pa.types.is_list(column.type):
        return pa.nulls(table.num_rows, kind)
    return column.cast(kind)


def within(table: pa.Table, time: str, begin: float, end: float) -> pa.Table:
    """Return the rows whose ``time`` lies in [begin, end), seconds since 1970; the same table where all do."""
    at = micros(table, time)
    inside = (at >= round(begin * 1e6)) & (at < round(end * 1e6))
    return table if inside.all() else table.filter(pa.array(inside))


def picked(table: pa.Table, rows: NDArray[np.bool_]) -> pa.Table:
    """Return the marked rows; where they lie together nothing is copied, which costs more than most of what follows."""
    places = np.flatnonzero(rows)
    if not len(places):
        return table.slice(0, 0)
    first, last = int(places[0]), int(places[-1])
    if last - first + 1 == len(places):
        return table.slice(first, len(places))
    return table.filter(pa.array(rows))


def micros(table: pa.Table, time: str) -> NDArray[np.int64]:
    """Return a timestamp column as microseconds since 1970, shape (rows,)."""
    values: NDArray[np.int64] = table.column(time).cast(pa.int64()).to_numpy()
    return values


def differs(a: Any, b: Any) -> NDArray[np.bool_]:
    """Return where two columns of one length differ, shape (rows,): null equals null, NaN equals NaN.

    Examples
    --------
    >>> differs(pa.array([1.0, None, None]), pa.array([1.0, None, 2.0])).tolist()
    [False, False, True]
    >>> differs(pa.array([[0.5, 0.5], [1.0]]), pa.array([[0.5, 0.5], [0.9]])).tolist()
    [False, True]
    """
    a, b = _flat(a), _flat(b)
    kind = common_type([a.type, b.type])
    if pa.types.is_null(kind):
        return np.zeros(len(a), bool)
    if pa.types.is_list(kind):
        return _lists_differ(_as(a, kind), _as(b, kind))
    a, b = a.cast(kind), b.cast(kind)
    result: NDArray[np.bool_] = _numpy(pc.fill_null(pc.not_equal(a, b), False))
    if pa.types.is_floating(kind):
        result &= ~_numpy(pc.fill_null(pc.and_(pc.is_nan(a), pc.is_nan(b)), False))
    result |= _numpy(a.is_null()) != _numpy(b.is_null())
    return result


def _lists_differ(a: Any, b: Any) -> NDArray[np.bool_]:
    result = differs(pc.list_value_length(a), pc.list_value_length(b))
    same = pa.array(~result & _numpy(a.is_valid()))
    a, b = a.filter(same), b.filter(same)
    elements = differs(pc.list_flatten(a), pc.list_flatten(b))
    owners = _numpy(pc.list_parent_indices(a))[elements]
    result[np.flatnonzero(_numpy(same))[owners]] = True
    return result


def _as(column: Any, kind: Any) -> Any:
    return pa.nulls(len(column), kind) if not pa.types.is_list(column.type) else column.cast(kind)


def _flat(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numpy(array: Any) -> NDArray[Any]:
    result: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return result
