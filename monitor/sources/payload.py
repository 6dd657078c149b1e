"""Rows that come in an HTTP request: JSON lines, a JSON array or an Arrow stream, gzip allowed."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pyarrow as pa

from monitor.sources import jsonlines
from monitor.sources.base import SourceError, numbered
from monitor.sources.records import line_ends
from monitor.validate.faults import Reject, raw_text

LIMIT = 64 * 1024 * 1024
ARROW = "application/vnd.apache.arrow.stream"
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines")


class PayloadError(Exception):
    """The body cannot be read as a whole; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def decode(
    body: bytes, content_type: str, encoding: str = "", limit: int = LIMIT
) -> tuple[pa.Table, tuple[Reject, ...]]:
    r"""Return the rows of a request as the log has them, and the lines that are no rows.

    Parameters
    ----------
    body
        The request's body.
    content_type
        Its ``Content-Type``: NDJSON, ``application/json`` (an array, one object, or lines) or an Arrow IPC stream.
    encoding
        Its ``Content-Encoding``: empty, ``identity`` or ``gzip``.
    limit
        Bytes that the body may have when inflated, so that a small request cannot fill the memory.

    Raises
    ------
    PayloadError
        400 if it is broken as a whole, 413 if it is too large, 415 if its kind is unknown.

    Examples
    --------
    >>> table, rejects = decode(b'{"reward": 1}\n{"rew', "application/x-ndjson")
    >>> table["reward"].to_pylist(), rejects[0].row, rejects[0].reason
    ([1], 2, 'not JSON: the line is cut off; write one whole JSON object a line')
    """
    body = inflate(body, encoding, limit)
    kind = content_type.partition(";")[0].strip().lower()
    if kind == ARROW:
        return _arrow(body, limit), ()
    if kind == "application/json":
        return _json(body)
    if kind in _LINES:
        return _lines(body)
    known = ", ".join((*_LINES[:1], "application/json", ARROW))
    raise PayloadError(415, f"Content-Type {kind or '(none)'} cannot be read: send one of {known}")


def inflate(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    """Return a body without its gzip, at most ``limit`` bytes of it.

    Raises
    ------
    PayloadError
        As ``decode``.
    """
    large = PayloadError(413, f"the body has more than {limit} bytes: send it in parts")
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise large
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise PayloadError(415, f"Content-Encoding {encoding} cannot be read: send gzip or none")
    parts, size = [], 0
    while body:
        stream = zlib.decompressobj(31)
        try:
            part = stream.decompress(body, limit - size + 1)
        except zlib.error as error:
            raise PayloadError(400, f"the body is no gzip: {error}") from None
        size += len(part)
        if size > limit:
            raise large
        if not stream.eof:
            raise PayloadError(400, "the gzip of the body is cut off: send it again, whole")
        parts.append(part)
        body = stream.unused_data
    return b"".join(parts)


def _lines(body: bytes) -> tuple[pa.Table, tuple[Reject, ...]]:
    try:
        table, rejects, numbers = jsonlines.decode(body, line_ends(body))
    except SourceError as error:
        raise PayloadError(400, str(error)) from None
    table = numbered(table, None if numbers is None else numbers + 1)
    return table, tuple(Reject(r.row + 1, r.field, r.reason, r.raw) for r in rejects)


def _json(body: bytes) -> tuple[pa.Table, tuple[Reject, ...]]:
    if body.lstrip()[:1] != b"[":
        return _lines(body)
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PayloadError(400, f"the body is no JSON array: {error}") from None
    good, numbers, rejects = [], [], []
    for number, row in enumerate(rows, 1):
        try:
            good.append(jsonlines.filled(jsonlines.flat(row)))
            numbers.append(number)
        except ValueError as error:
            rejects.append(Reject(number, "line", str(error), raw_text({"": row})))
    try:
        table = jsonlines.from_objects(good)
    except SourceError as error:
        raise PayloadError(400, str(error)) from None
    return numbered(table, np.array(numbers, np.int64)), tuple(rejects)


def _arrow(body: bytes, limit: int) -> pa.Table:
    """Read an Arrow stream from a stranger: every offset is checked before anything follows it."""
    batches, size = [], 0
    try:
        with pa.ipc.open_stream(body) as reader:
            schema = reader.schema
            for batch in reader:
                size += batch.nbytes
                if size > limit:
                    raise PayloadError(413, f"the rows take more than {limit} bytes: send them in parts")
                batch.validate(full=True)
                batches.append(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise PayloadError(400, f"the body is no Arrow stream: {error}") from None
    return numbered(pa.Table.from_batches(batches, schema), None)
