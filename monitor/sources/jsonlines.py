"""JSON lines: fast where every line is good, line by line where one is not."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.sources.base import SourceError
from monitor.sources.text import Decoded, filled_rows
from monitor.validate.faults import RAW_LIMIT, Reject
from monitor.validate.roles import MIXED, OPEN, UNTYPED

# Half of a surrogate pair at the end of a text, which polars drops in silence.
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u)")
_DEPTH = 8
_SAMPLE = 64
MAX_COLUMNS = 4096


def decode(data: bytes, ends: NDArray[np.int64]) -> Decoded:
    r"""Decode lines of JSON objects; nested objects become columns such as ``state.inlet``.

    A line that is no JSON object is refused, the others are kept. A field that is a number in one line and text in
    another becomes text and is marked untyped, so that ``validate`` can tell which rows are wrong.

    Parameters
    ----------
    data
        Whole lines; the last may lack its newline.
    ends
        Offset after each newline.

    Returns
    -------
    The table, the refused lines, and the numbers of the table's rows among the lines (from 0), None if all are there.

    Examples
    --------
    >>> lines = b'{"state": {"inlet": 1.5}}\n{"state": {"inl\n{"state": {"inlet": 2}}\n'
    >>> table, rejects, numbers = decode(lines, np.array([26, 42, 67]))
    >>> table.to_pydict(), [r.row for r in rejects], numbers.tolist()
    ({'state.inlet': [1.5, 2.0]}, [1], [0, 2])
    """
    count = len(ends) + bool(not len(ends) or ends[-1] < len(data))
    table = _fast(data)
    if table is not None and table.num_columns and table.num_rows == count:
        return _marked(table, _sampled(data, ends, count), data), [], None
    lines = filled_rows(data, ends)
    good, rejects = [], []
    for number, line in lines:
        try:
            good.append((number, line, filled(_object(line))))
        except ValueError as error:
            rejects.append(Reject(number, "line", str(error), line.decode("utf-8", "replace")[:RAW_LIMIT]))
    numbers = np.array([number for number, _, _ in good], np.int64)
    if table is None and rejects:
        table = _fast(b"\n".join(line for _, line, _ in good))
    if table is not None and table.num_columns and table.num_rows == len(good):
        return _marked(table, [row for _, _, row in good[:: len(good) // _SAMPLE + 1]], data), rejects, numbers
    return from_objects([row for _, _, row in good]), rejects, numbers


def _fast(data: bytes) -> pa.Table | None:
    if not data.strip() or _HALF_PAIR.search(data) or b"\\u0000" in data:  # polars dies of a column called so
        return None
    try:
        frame = pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)
        for _ in range(_DEPTH):
            structs = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
            if not structs:
                break
            frame = frame.unnest(structs, separator=".")
        if frame.width > MAX_COLUMNS:
            return None
        wide = [name for name, kind in frame.schema.items() if kind in (pl.Int128, pl.UInt128)]
        return frame.with_columns(pl.col(wide).cast(pl.String)).to_arrow(compat_level=pl.CompatLevel.oldest())
    except (  # also two spellings of one column: "state.a" beside {"state": {"a": ..}}; also 128 bits inside a list
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        pa.ArrowException,
        OSError,
    ):
        return None


def _sampled(data: bytes, ends: NDArray[np.int64], count: int) -> list[dict[str, Any]]:
    bounds = [0, *ends.tolist(), len(data)]
    return [_object(data[bounds[i] : bounds[i + 1]]) for i in range(0, count, count // _SAMPLE + 1)]


def _marked(table: pa.Table, sample: Iterable[dict[str, Any]], data: bytes) -> pa.Table:
    """Mark text columns in which a sample has numbers, or in which lists stand: polars reads such a mixture as text."""
    scalars = {name for row in sample for name, value in row.items() if isinstance(value, int | float)}
    fields = []
    for field in table.schema:
        marks: dict[bytes, bytes] = {}
        if pa.types.is_large_string(field.type):
            marks |= UNTYPED if field.name in scalars else {}
            marks |= MIXED if _listed(table[field.name], field.name, data) else {}
        fields.append(field.with_metadata(marks))
    # Not a cast: of a list of objects it makes a table that is not valid.
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields, metadata=OPEN))


def _listed(column: pa.ChunkedArray, name: str, data: bytes) -> bool:
    """Return whether a list or an object stands in the lines under the name of a column that was read as text."""
    looks = pc.or_(pc.starts_with(column, "["), pc.starts_with(column, "{"))
    if not pc.any(looks, min_count=0).as_py():
        return False
    key = re.escape(json.dumps(name.rpartition(".")[2], ensure_ascii=False).encode())
    return re.search(key + rb"\s*:\s*[\[{]", data) is not None


def _object(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        said = "the line is cut off" if cut else f"{error.msg} at character {error.pos + 1}"
        raise ValueError(f"not JSON: {said}; write one whole JSON object a line") from None
    except RecursionError:
        raise ValueError("not a row: objects inside objects without end") from None
    return flat(row)


def flat(row: Any) -> dict[str, Any]:
    """Return a JSON object with nested objects as names with points.

    >>> flat({"state": {"inlet": 1, "fan": {"rpm": 2}}})
    {'state.inlet': 1, 'state.fan.rpm': 2}

    Raises
    ------
    ValueError
        If it is no object, or holds text that is no Unicode or a name that is none.
    """
    if not isinstance(row, dict):
        raise ValueError("not a JSON object: write {...} with one field a column")
    result: dict[str, Any] = {}
    level = [("", row)]
    for _ in range(_DEPTH + 1):
        inner: list[tuple[str, dict[str, Any]]] = []
        for prefix, items in level:
            for name, value in items.items():
                if isinstance(value, dict):
                    inner.append((f"{prefix}{name}.", value))
                elif result.get(prefix + name) is None:
                    result[prefix + name] = value
        level = inner
    if level:
        raise ValueError(f"objects are nested more than {_DEPTH} deep")
    if any("\0" in name for name in result):
        raise ValueError("a field's name holds the character NUL, which no column can have")
    try:
        json.dumps(result, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("text holds half of a surrogate pair, which is no Unicode") from None
    return result


def filled(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row that has fields: a table cannot hold one without, and would lose it in silence.

    Raises
    ------
    ValueError
        If it has none.
    """
    if not row:
        raise ValueError("an object without fields: write {...} with one field a column")
    return row


def from_objects(rows: list[dict[str, Any]]) -> pa.Table:
    """Return flat rows as a table; a column of several types becomes JSON text, marked untyped.

    Raises
    ------
    SourceError
        If there are more than 4,096 columns.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_COLUMNS:
        raise SourceError(f"the rows have {len(names)} different fields, over {MAX_COLUMNS}: some names must be values")
    arrays, fields = [], []
    for name in names:
        values = [row.get(name) for row in rows]
        array, marks = _column(values)
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata=marks))
    if not names:
        return pa.table({}).replace_schema_metadata(OPEN)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=OPEN))


def _column(values: list[Any]) -> tuple[pa.Array, dict[bytes, bytes]]:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    if len(kinds) <= 1 or kinds == {int, float}:
        try:
            return pa.array(values), {}
        except (pa.ArrowException, OverflowError):
            pass
    marks = {**UNTYPED, **MIXED} if kinds & {list, dict} and kinds - {list, dict} else UNTYPED
    return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pa.string()), marks
