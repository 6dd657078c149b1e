"""Text logs while they grow, are cut, broken, compressed or replaced."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources import SOURCES, Chunk, Position, Source
from monitor.sources import text as text_module
from monitor.validate import ROW, Reject


class Reader:
    """Reads a source again and again and remembers where it was, as the landing does."""

    def __init__(self, kind: str, path: Path | str) -> None:
        self.source: Source = SOURCES[kind](path)
        self.seen: dict[str, Position] = {}
        self.rejects: list[Reject] = []
        self.ids: set[str] = set()

    def read(self, final: bool = False) -> list[dict[str, Any]]:
        """Return the new rows, with their number in the file."""
        rows: list[dict[str, Any]] = []
        for chunk in self.source.chunks(self.seen, final):
            rows += numbered(chunk)
            self.seen[chunk.path] = chunk.after
            self.rejects += chunk.rejects
            self.ids.add(chunk.digest)
        return rows


def numbered(chunk: Chunk) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = chunk.table.to_pylist()
    for index, row in enumerate(rows):
        row.setdefault(ROW, chunk.first_row + index)
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def lines(*numbers: int) -> bytes:
    return b"".join(b'{"id": %d, "state": {"inlet": %d.5}}\n' % (n, n) for n in numbers)


def test_nested_objects_become_columns_with_points(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id": 1, "state": {"inlet": 2.5, "fan": {"on": true}}, "cost": {"k": 0}}\n')
    (row,) = Reader("jsonl", tmp_path).read()
    assert row == {"id": 1, "state.inlet": 2.5, "state.fan.on": True, "cost.k": 0, ROW: 1}


def test_a_half_line_waits_for_its_other_half(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(1) + b'{"id": 2, "sta')
    reader = Reader("jsonl", tmp_path)
    assert [row["id"] for row in reader.read()] == [1]
    assert reader.read() == []
    with file.open("ab") as log:
        log.write(b'te": {"inlet": 7}}\n' + lines(3))
    assert [(row["id"], row[ROW]) for row in reader.read()] == [(2, 2), (3, 3)]
    assert reader.rejects == []


def test_a_half_line_of_a_finished_log_is_refused_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(1) + b'{"id": 2, "sta')
    reader = Reader("jsonl", file)
    assert [row["id"] for row in reader.read(final=True)] == [1]
    (reject,) = reader.rejects
    assert (reject.row, reject.field, reject.raw) == (2, "line", '{"id": 2, "sta')
    assert f"{file}: row 2" in reject.reason
    assert "cut off" in reject.reason


def test_a_finished_log_needs_no_last_newline(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(1, 2).rstrip())
    assert [row["id"] for row in Reader("jsonl", tmp_path).read(final=True)] == [1, 2]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b'{"id": 2, "state": {"inl', "cut off"),
        (b'{"id": 2 "x": 1}', "not JSON"),
        (b"17", "not a JSON object"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (b'{"id": ' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
        (b'{"id": "\\ud800"}', "surrogate"),
    ],
)
def test_a_broken_line_in_the_middle_costs_only_itself(tmp_path: Path, bad: bytes, words: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(1) + bad + b"\n" + lines(3))
    reader = Reader("jsonl", tmp_path)
    assert [(row["id"], row[ROW]) for row in reader.read()] == [(1, 1), (3, 3)]
    assert [(r.row, r.field) for r in reader.rejects] == [(2, "line")]
    assert words in reader.rejects[0].reason
    assert len(reader.rejects[0].raw) <= 500


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(1) + b"\n\r\n" + lines(4))
    assert [(row["id"], row[ROW]) for row in Reader("jsonl", tmp_path).read()] == [(1, 1), (4, 4)]


@pytest.mark.parametrize("odd", [b'"high"', b"true", b"[1]", b'{"deep": 1}', b"NaN", b"123456789012345678901234567890"])
def test_a_value_of_another_type_does_not_stop_the_chunk(tmp_path: Path, odd: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id": 1, "reward": 0.5}\n{"id": 2, "reward": %b}\n{"id": 3}\n' % odd)
    reader = Reader("jsonl", tmp_path)
    assert [row["id"] for row in reader.read()] == [1, 2, 3]
    assert reader.rejects == []


def test_both_spellings_of_a_nested_column_are_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"state.a": 1}\n{"state": {"a": 2}}\n')
    assert [row["state.a"] for row in Reader("jsonl", tmp_path).read()] == [1, 2]


STREAM = (
    lines(1)
    + b"\n"
    + b'{"id": 2, "note": "caf\xc3\xa9"}\r\n'
    + b'{"broken": \n'
    + lines(5)
    + b'{"id": 6, "state": {"fan": 1}}\n'
)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_any_growth_gives_the_same_rows(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("growing")
    whole, growing = folder / "whole.jsonl", folder / "growing.jsonl"
    whole.write_bytes(STREAM)
    at_once, step_by_step = Reader("jsonl", whole), Reader("jsonl", growing)
    expected = at_once.read()
    rows = []
    for cut in [*sorted(cuts), len(STREAM)]:
        growing.write_bytes(STREAM[:cut])
        rows += step_by_step.read()
    assert rows == expected
    assert (
        [(r.row, r.raw) for r in step_by_step.rejects]
        == [(r.row, r.raw) for r in at_once.rejects]
        == [(4, '{"broken": ')]
    )
    assert step_by_step.ids == at_once.ids
    assert step_by_step.seen[str(growing)] == at_once.seen[str(whole)]


CSV = b'ts,note,reward\n2026,"two\nlines, one ""cell""",1\n2027,,2\r\n\n2028,short\n2029,"",3\n'


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(0, len(CSV)), max_size=6))
def test_any_growth_of_a_csv_gives_the_same_rows(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    file = tmp_path_factory.mktemp("growing") / "a.csv"
    reader = Reader("csv", file)
    rows = []
    for cut in [*sorted(cuts), len(CSV)]:
        file.write_bytes(CSV[:cut])
        rows += reader.read()
    assert rows == [
        {"ts": "2026", "note": 'two\nlines, one "cell"', "reward": "1", ROW: 1},
        {"ts": "2027", "reward": "2", ROW: 2},
        {"ts": "2029", "reward": "3", ROW: 5},
    ]
    assert [(r.row, "2 fields where the heading names 3" in r.reason) for r in reader.rejects] == [(4, True)]


def test_a_quote_that_is_never_closed_costs_only_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "OPEN_QUOTE", 100)
    (tmp_path / "a.csv").write_bytes(b'a,b\n1,"open\n' + b"2,3\n" * 50)
    reader = Reader("csv", tmp_path)
    rows = reader.read()
    assert len(rows) == 50
    assert rows[0] == {"a": "2", "b": "3", ROW: 2}
    assert [(r.row, r.reason.partition("row 1: ")[2]) for r in reader.rejects] == [
        (1, "a quote is opened and never closed")
    ]


def test_a_mark_of_utf8_and_semicolons_are_no_part_of_a_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfts;reward\r\n2026;1,5\r\n")
    assert Reader("csv", tmp_path).read() == [{"ts": "2026", "reward": "1,5", ROW: 1}]


def test_a_gzip_is_read_up_to_its_cut_and_goes_on_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    body = b"".join(lines(*range(i, i + 50)) for i in range(0, 20_000, 50))
    packed = gzip.compress(body, mtime=0)
    file.write_bytes(packed[: len(packed) // 2])
    reader = Reader("jsonl", tmp_path)
    first = reader.read()
    assert 0 < len(first) < 20_000
    (problem,) = reader.source.problems
    assert problem.pending
    assert "unfinished gzip" in problem.reason
    file.write_bytes(packed)
    rest = reader.read()
    assert [row["id"] for row in first + rest] == list(range(20_000))
    assert [row[ROW] for row in first + rest] == list(range(1, 20_001))
    assert reader.seen[str(file)].done
    assert reader.read() == []
    assert reader.source.problems == []


def test_a_gzip_that_is_cut_for_good_is_refused_after_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    packer = zlib.compressobj(wbits=31)
    file.write_bytes(packer.compress(b"a,b\n1,2\n3,4\n") + packer.flush(zlib.Z_SYNC_FLUSH))
    reader = Reader("csv", file)
    assert reader.read(final=True) == [{"a": "1", "b": "2", ROW: 1}, {"a": "3", "b": "4", ROW: 2}]
    assert [(r.row, r.field) for r in reader.rejects] == [(0, "file")]
    assert "finish writing it or remove it" in reader.rejects[0].reason


def test_members_appended_to_a_gzip_are_new_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(lines(1, 2)))
    reader = Reader("jsonl", file)
    assert [row["id"] for row in reader.read()] == [1, 2]
    with file.open("ab") as log:
        log.write(gzip.compress(lines(3)))
    assert [(row["id"], row[ROW]) for row in reader.read()] == [(3, 3)]


def test_a_compressed_log_has_the_identity_of_the_plain_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(1, 2))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(1, 2)))
    reader = Reader("jsonl", tmp_path)
    assert len(reader.read()) == 4
    assert len(reader.ids) == 1


@pytest.mark.parametrize(
    ("after", "words"),
    [(lines(1), "replaced or cut"), (lines(7, 8, 9, 10), "begins differently")],
)
def test_a_replaced_file_is_a_problem_and_is_not_read_again(tmp_path: Path, after: bytes, words: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(1, 2))
    (tmp_path / "b.jsonl").write_bytes(lines(5))
    reader = Reader("jsonl", tmp_path)
    reader.read()
    file.write_bytes(after)
    assert reader.read() == []
    (problem,) = reader.source.problems
    assert problem.path == str(file)
    assert words in problem.reason
    assert not problem.pending


def test_long_logs_come_in_chunks_of_bounded_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_ROWS", 7)
    (tmp_path / "a.jsonl").write_bytes(lines(*range(20)))
    chunks = list(SOURCES["jsonl"](tmp_path).chunks({}, False))
    assert [(c.first_row, c.table.num_rows) for c in chunks] == [(1, 7), (8, 7), (15, 6)]
    resumed = list(SOURCES["jsonl"](tmp_path).chunks({chunks[0].path: chunks[0].after}, False))
    assert [numbered(c) for c in resumed] == [numbered(c) for c in chunks[1:]]


def test_the_state_json_of_a_position_survives_a_restart(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(1))
    (chunk,) = SOURCES["jsonl"](tmp_path).chunks({}, False)
    stored = Position(**json.loads(json.dumps(vars(chunk.after))))
    assert list(SOURCES["jsonl"](tmp_path).chunks({chunk.path: stored}, False)) == []
