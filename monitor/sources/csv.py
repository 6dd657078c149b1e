"""CSV files: every column is text here, because a CSV says nothing of types; ``validate`` finds the wrong ones."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
from numpy.typing import NDArray

from monitor.sources.base import SourceError
from monitor.sources.records import quoted_ends
from monitor.sources.text import Decoded, TextSource, filled_rows
from monitor.validate.faults import RAW_LIMIT, Reject
from monitor.validate.roles import UNTYPED

_DELIMITERS = ",;\t"


class CsvSource(TextSource):
    """Reads CSV with a heading (RFC 4180; commas, semicolons or tabs), plain or gzip. Empty is null.

    A column of lists holds JSON text: ``"[0.1, 0.9]"``.
    """

    endings = (".csv", ".csv.gz")
    heading = True

    def ends(self, data: bytes) -> NDArray[np.int64]:
        """Return the offset after each record; a quoted field may hold newlines."""
        return quoted_ends(data)

    def decode(self, data: bytes, heading: bytes, path: Path) -> Decoded:
        """Decode whole records."""
        names, delimiter = columns(heading)
        ends = self.ends(data)
        count = len(ends) + bool(not len(ends) or ends[-1] < len(data))
        schema = pa.schema([pa.field(name, pa.string(), metadata=UNTYPED) for name in names])
        try:
            table = pc.read_csv(
                pa.py_buffer(data),
                read_options=pc.ReadOptions(column_names=names),
                parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in data),
                convert_options=pc.ConvertOptions(
                    column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
                ),
            )
            if table.num_rows == count:
                return table.cast(schema), [], None
        except pa.ArrowInvalid:
            pass
        return _one_by_one(data, ends, schema, delimiter)


def columns(heading: bytes) -> tuple[list[str], str]:
    r"""Return the names in a heading and its delimiter.

    >>> columns(b"ts;action\n")
    (['ts', 'action'], ';')

    Raises
    ------
    SourceError
        If it is no heading.
    """
    text = heading.decode("utf-8", "replace").strip("\r\n")
    delimiter = max(_DELIMITERS, key=text.count)
    names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise SourceError(f"the heading names {', '.join(twice)} twice: give each column its own name")
    if not any(names):
        raise SourceError("the first line is empty: a CSV begins with the names of its columns")
    return names, delimiter


def _one_by_one(data: bytes, ends: NDArray[np.int64], schema: pa.Schema, delimiter: str) -> Decoded:
    good: list[list[str | None]] = []
    numbers: list[int] = []
    rejects = []
    for number, record in filled_rows(data, ends):
        try:
            text = record.decode()
            fields = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
            if len(fields) != len(schema):
                more = "it is cut off, or a comma in it needs quotes"
                raise ValueError(f"has {len(fields)} fields where the heading names {len(schema)}: {more}")
        except UnicodeDecodeError as error:
            reason = f"not UTF-8: {error.reason} at byte {error.start + 1}"
        except (csv.Error, ValueError) as error:
            reason = str(error)
        else:
            good.append([field or None for field in fields])
            numbers.append(number)
            continue
        rejects.append(Reject(number, "line", reason, record.decode("utf-8", "replace")[:RAW_LIMIT]))
    columns = [pa.array(column, pa.string()) for column in zip(*good, strict=True)] or [[] for _ in schema]
    table = pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)
    return table, rejects, np.array(numbers, np.int64)
