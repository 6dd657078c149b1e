"""Rows that come over HTTP: every kind of body, broken ones, and ones that would fill the memory."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest

from monitor.sources.payload import ARROW, PayloadError, decode
from monitor.validate import ROW

ROWS = [{"decision_id": "a", "state": {"x": 1.5}}, {"decision_id": "b", "state": {"x": 2.5}}]
LINES = "\n".join(json.dumps(row) for row in ROWS).encode()


def arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


@pytest.mark.parametrize(
    ("body", "kind", "encoding"),
    [
        (LINES, "application/x-ndjson; charset=utf-8", ""),
        (gzip.compress(LINES), "application/x-ndjson", "gzip"),
        (gzip.compress(LINES[:20]) + gzip.compress(LINES[20:]), "application/x-ndjson", "GZIP"),
        (json.dumps(ROWS).encode(), "application/json", "identity"),
        (LINES, "application/json", ""),
        (arrow(pa.table({"decision_id": ["a", "b"], "state.x": [1.5, 2.5]})), ARROW, ""),
    ],
)
def test_every_kind_of_body_gives_the_same_rows(body: bytes, kind: str, encoding: str) -> None:
    table, rejects = decode(body, kind, encoding)
    assert rejects == ()
    assert table.select(["decision_id", "state.x"]).to_pydict() == {"decision_id": ["a", "b"], "state.x": [1.5, 2.5]}


@pytest.mark.parametrize("body", [b"{}", b"{}\n{}", b"[{}]", b"[{}, {}]", b'{"state": {}}'])
@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_an_object_without_fields_is_a_refused_row_and_no_silence(body: bytes, kind: str) -> None:
    table, rejects = decode(body, kind)
    assert table.num_rows == 0
    assert [(reject.row, reject.field) for reject in rejects] == [(n + 1, "line") for n in range(len(rejects))]
    assert rejects
    assert "without fields" in rejects[0].reason or "not a JSON object" in rejects[0].reason


def test_a_name_that_no_column_can_have_is_a_refused_row() -> None:
    """Polars panics over it, in a way that no except clause for exceptions catches."""
    table, rejects = decode(b'{"a": 1}\n{"b\\u0000": 2}\n{"a": "\\u0000"}', "application/x-ndjson")
    assert [(reject.row, "NUL" in reject.reason) for reject in rejects] == [(2, True)]
    assert table["a"].to_pylist() == ["1", "\0"]


@pytest.mark.parametrize("more", ['[{"n": 123456789012345678901234567890}]', '[{}, {"": "x", "y": null, "z": "w"}]'])
def test_what_the_fast_reader_stumbles_over_is_no_fault_of_the_server(more: str) -> None:
    table, rejects = decode(f'{{"id": "a", "more": {more}}}'.encode(), "application/x-ndjson")
    assert (table["id"].to_pylist(), rejects) == (["a"], ())


def test_bad_items_are_refused_by_their_number() -> None:
    table, rejects = decode(b'{"a": 1}\n\n{"a": \n7\n{"a": 2}', "application/x-ndjson")
    assert table[ROW].to_pylist() == [1, 5]
    assert [r.row for r in rejects] == [3, 4]
    table, rejects = decode(b'[{"a": 1}, 7, {"a": "x"}]', "application/json")
    assert table[ROW].to_pylist() == [1, 3]
    assert [(r.row, r.field) for r in rejects] == [(2, "line")]


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "status"),
    [
        (LINES, "text/plain", "", 415),
        (LINES, "application/x-ndjson", "br", 415),
        (LINES, "application/x-ndjson", "gzip", 400),
        (gzip.compress(LINES)[:-9], "application/x-ndjson", "gzip", 400),
        (b"[1, 2", "application/json", "", 400),
        (b"[" * 100_000, "application/json", "", 400),
        (b"nonsense", ARROW, "", 400),
        (arrow(pa.table({"a": [1, 2]}))[:-40], ARROW, "", 400),
    ],
)
def test_a_body_that_is_broken_as_a_whole_is_an_error(body: bytes, kind: str, encoding: str, status: int) -> None:
    with pytest.raises(PayloadError) as error:
        decode(body, kind, encoding)
    assert error.value.status == status


@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_a_body_that_grows_beyond_the_limit_is_refused(encoding: str) -> None:
    body = b"\n" * 1_000_000
    with pytest.raises(PayloadError, match="more than 1000 bytes") as error:
        decode(gzip.compress(body) if encoding else body, "application/x-ndjson", encoding, limit=1000)
    assert error.value.status == 413


def test_rows_with_a_name_for_every_value_are_refused() -> None:
    body = "\n".join(json.dumps({f"k{i}": 1}) for i in range(5000)).encode()
    with pytest.raises(PayloadError, match="5000 different fields"):
        decode(body, "application/x-ndjson")


def test_arrow_text_that_is_no_text_is_refused() -> None:
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00"), pa.py_buffer(b"\xff\xfe"))
    with pytest.raises(PayloadError, match="no Arrow stream"):
        decode(arrow(pa.table({"a": bad})), ARROW)
