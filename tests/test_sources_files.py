"""Which files a source reads, Parquet files in every state, and the Open Bandit Dataset."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.sources import SOURCES, Position, SourceError, parquet
from monitor.validate import ROW, Accepted, decisions


def write(path: Path, *ids: int, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": pa.array(ids, pa.int64())}), path, **options)
    return path


def read(kind: str, path: Path | str, final: bool = False) -> list[int]:
    return [i for chunk in SOURCES[kind](path).chunks({}, final) for i in chunk.table["id"].to_pylist()]


def test_files_come_in_the_order_of_their_paths_from_directory_and_glob(tmp_path: Path) -> None:
    for name, number in (
        ("b/2.parquet", 3),
        ("a.parquet", 1),
        ("b/1.parquet", 2),
        ("_tmp/x.parquet", 9),
        (".y.parquet", 9),
    ):
        write(tmp_path / name, number)
    (tmp_path / "notes.txt").write_text("no log")
    assert read("parquet", tmp_path) == [1, 2, 3]
    assert read("parquet", str(tmp_path / "b" / "*.parquet")) == [2, 3]
    assert read("parquet", str(tmp_path / "**" / "1.parquet")) == [2]
    assert read("parquet", tmp_path / "a.parquet") == [1]


@pytest.mark.parametrize(
    ("kind", "where", "words"),
    [
        ("parquet", "", r"no \*\.parquet, \*\.pq file below it"),
        ("jsonl", "", r"no \*\.jsonl"),
        ("csv", "*.csv", "no file matches it"),
        ("csv", "gone.csv", "no such file or directory"),
    ],
)
def test_nothing_to_read_is_an_error_at_the_end_and_a_problem_before(
    tmp_path: Path, kind: str, where: str, words: str
) -> None:
    path = str(tmp_path / where) if where else str(tmp_path)
    with pytest.raises(SourceError, match=words) as error:
        list(SOURCES[kind](path).chunks({}, True))
    assert path in str(error.value)
    source = SOURCES[kind](path)
    assert list(source.chunks({}, False)) == []
    assert [(p.path, p.pending) for p in source.problems] == [(path, True)]


def test_a_truncated_parquet_file_waits_while_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 1)
    cut = write(tmp_path / "b.parquet", 2)
    write(tmp_path / "c.parquet", 3)
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-20])
    source = SOURCES["parquet"](tmp_path)
    chunks = list(source.chunks({}, False))
    assert [c.table["id"].to_pylist() for c in chunks] == [[1], [3]]
    assert [(p.path, p.reason, p.pending) for p in source.problems] == [
        (str(cut), "truncated Parquet: no footer; finish writing it or remove it", True)
    ]
    cut.write_bytes(whole)
    (late,) = source.chunks({c.path: c.after for c in chunks}, False)
    assert late.table["id"].to_pylist() == [2]
    assert source.problems == []


@pytest.mark.parametrize("size", [0, 3, 100])
def test_a_truncated_parquet_file_is_refused_at_the_end(tmp_path: Path, size: int) -> None:
    write(tmp_path / "a.parquet", 1)
    cut = write(tmp_path / "b.parquet", 2)
    cut.write_bytes(cut.read_bytes()[:size])
    good, bad = SOURCES["parquet"](tmp_path).chunks({}, True)
    assert good.table["id"].to_pylist() == [1]
    (reject,) = bad.rejects
    assert (reject.row, reject.field) == (0, "file")
    assert reject.reason == f"{cut}: truncated Parquet: no footer; finish writing it or remove it"


def test_a_parquet_file_with_a_broken_footer_is_a_problem(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", *range(100))
    body = bytearray(file.read_bytes())
    body[-100:-8] = b"\xff" * 92
    file.write_bytes(body)
    source = SOURCES["parquet"](tmp_path)
    assert list(source.chunks({}, False)) == []
    assert "broken Parquet after row 0" in source.problems[0].reason


def test_something_else_with_the_ending_of_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"id,ts\n1,2\n" * 10)
    source = SOURCES["parquet"](tmp_path)
    assert list(source.chunks({}, False)) == []
    assert "does not begin with PAR1" in source.problems[0].reason


def test_a_parquet_file_left_half_way_goes_on_after_the_last_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.parquet", *range(200), row_group_size=40)
    (whole,) = SOURCES["parquet"](tmp_path).chunks({}, False)
    assert (whole.after.rows, whole.after.done) == (200, True)
    half = Position(90, 90, whole.after.size, whole.after.head, False)
    monkeypatch.setattr(parquet, "MAX_ROWS", 30)
    rest = list(SOURCES["parquet"](tmp_path).chunks({whole.path: half}, False))
    assert rest[0].first_row == 91
    assert len(rest) > 1
    assert [i for c in rest for i in c.table["id"].to_pylist()] == list(range(90, 200))
    assert rest[-1].after == whole.after
    assert list(SOURCES["parquet"](tmp_path).chunks({whole.path: whole.after}, False)) == []


def test_a_rewritten_parquet_file_is_a_problem(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", 1, 2, 3)
    source = SOURCES["parquet"](tmp_path)
    (chunk,) = source.chunks({}, False)
    write(file, *range(100))
    assert list(source.chunks({chunk.path: chunk.after}, False)) == []
    assert "it was replaced" in source.problems[0].reason
    (refused,) = source.chunks({chunk.path: chunk.after}, True)
    assert refused.rejects[0].row == 0
    assert refused.after == chunk.after


def test_equal_rows_in_two_parquet_files_of_other_content_have_other_digests(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 1, 2)
    write(tmp_path / "b.parquet", 1, 3)
    write(tmp_path / "c.parquet", 1, 2)
    a, b, c = SOURCES["parquet"](tmp_path).chunks({}, False)
    assert a.digest == c.digest != b.digest


def test_a_csv_without_a_usable_heading_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,ts,id\n1,2,3\n")
    (tmp_path / "b.csv").write_text("\n1,2,3\n")
    (tmp_path / "c.csv").write_text("id,ts\n1,2\n")
    source = SOURCES["csv"](tmp_path)
    (chunk,) = source.chunks({}, False)
    assert chunk.table.to_pylist() == [{"id": "1", "ts": "2"}]
    assert "names id twice" in source.problems[0].reason
    assert "first line is empty" in source.problems[1].reason


def test_a_log_cannot_number_its_own_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "__row__": 7}\n\n{"id": 2, "__row__": 7}\n')
    (chunk,) = SOURCES["jsonl"](tmp_path).chunks({}, True)
    assert chunk.table[ROW].to_pylist() == [1, 3]


def test_a_file_that_may_not_be_read_is_a_problem_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "gone.jsonl")
    (tmp_path / "b.jsonl").write_text('{"id": 2}\n')
    source = SOURCES["jsonl"](tmp_path)
    assert [c.table["id"].to_pylist() for c in source.chunks({}, False)] == [[2]]
    assert "cannot be read" in source.problems[0].reason


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.parquet"])
def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path, name: str) -> None:
    """Opening one that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / name)
    (chunk,) = SOURCES[name.partition(".")[2]](tmp_path / name).chunks({}, final=True)
    (reject,) = chunk.rejects
    assert reject.reason.endswith("is a pipe or a device, not a file: write the rows to a file")


def test_csv_rows_are_typed_by_validation_and_only_the_wrong_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "decision_id,ts,action,propensity,reward,state.x,action_probs\n"
        '007,2026-01-31T12:00:00Z,1,0.5,,1.5,"[0.5, 0.5]"\n'
        '008,2026-01-31T12:00:00Z,0,0.5,high,2.5,"[0.5, 0.5]"\n'
        '009,2026-01-31T12:00:00Z,0,0.5,1,warm,"[0.5, 0.5]"\n'
        "010,2026-01-31T12:00:00Z,0,1,1,3,\n"
    )
    (chunk,) = SOURCES["csv"](tmp_path).chunks({}, True)
    accepted = validated(chunk.table, ["off", "on"])
    assert accepted.table.select(["decision_id", "action", "reward", "state.x", "action_probs"]).to_pylist() == [
        {"decision_id": "007", "action": "on", "reward": None, "state.x": 1.5, "action_probs": [0.5, 0.5]},
        {"decision_id": "010", "action": "off", "reward": 1.0, "state.x": 3.0, "action_probs": None},
    ]
    assert [(r.row, r.field) for r in accepted.rejects] == [(2, "reward"), (3, "state.x")]


def test_json_rows_of_mixed_types_are_refused_one_by_one(tmp_path: Path) -> None:
    row = '{{"decision_id": "{}", "ts": "2026-01-31T12:00:00Z", "action": {}, "reward": {}, "state": {{"x": {}}}}}\n'
    body = [row.format("a", 0, 1, 1), row.format("b", 1, '"high"', 2), row.format("c", 1, 0.5, '"warm"')]
    (tmp_path / "a.jsonl").write_text("".join([*body, row.format("d", '"on"', "null", 3)]))
    (chunk,) = SOURCES["jsonl"](tmp_path).chunks({}, True)
    accepted = validated(chunk.table, ["off", "on"])
    assert accepted.table["decision_id"].to_pylist() == ["a", "d"]
    assert accepted.table["state.x"].to_pylist() == [1.0, 3.0]
    assert accepted.table["action"].to_pylist() == ["off", "on"]
    assert [(r.row, r.field) for r in accepted.rejects] == [(2, "reward"), (3, "state.x")]


def validated(raw: pa.Table, actions: list[str], version: str | None = "v1") -> Accepted:
    return decisions(
        raw,
        columns={},
        policy="p",
        version=version,
        known=["p"],
        zone=None,
        latest=4e9,
        actions=actions,
        origin="log",
        origin_digest="d",
        first_row=1,
    )


HEADING = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0,user-item_affinity_1\n"
)


def test_the_open_bandit_layout_needs_no_mapping(tmp_path: Path) -> None:
    folder = tmp_path / "obd" / "bts" / "men"
    folder.mkdir(parents=True)
    (folder / "item_context.csv").write_text("item_id,item_feature_0\n0,1.5\n")
    (folder / "men.csv.gz").write_bytes(
        gzip.compress(
            (
                HEADING
                + "0,2019-11-24 00:03:13.442536+00:00,14,3,0,0.0294,8111,0.0,1.0\n"
                + "1,2019-11-24 00:03:36.705207+00:00,10,1,1,0.5,03a5,0.25,0.0\n"
                + "2,2019-11-24 00:03:36.705207+00:00,10,1,1,0,03a5,0.25,0.0\n"
            ).encode()
        )
    )
    (chunk,) = SOURCES["obd"](tmp_path / "obd").chunks({}, True)
    accepted = validated(chunk.table, [], version=None)
    assert accepted.derived_ids
    assert [(r.row, r.field) for r in accepted.rejects] == [(3, "propensity")]
    first, second = accepted.table.to_pylist()
    assert first["decision_id"] == "d-1"
    assert (first["version"], first["action"], first["position"], first["reward"]) == ("bts", "14", 3, 0.0)
    assert (second["state.user_feature_0"], second["state.affinity_0"], second["propensity"]) == ("03a5", 0.25, 0.5)
    named = SOURCES["obd"](tmp_path / "obd", version="v2").chunks({}, True)
    assert "version" not in next(iter(named)).table.column_names


@pytest.mark.obd
def test_every_row_of_the_real_open_bandit_dataset_is_accepted() -> None:
    rows = {"random": 0, "bts": 0}
    for chunk in SOURCES["obd"](os.environ["CHECKREIN_OBD_DIR"]).chunks({}, True):
        accepted = validated(chunk.table, [], version=None)
        assert accepted.rejects == ()
        assert chunk.rejects == ()
        assert accepted.ignored == ()
        assert {"propensity", "reward", "position"} <= set(accepted.table.column_names)
        for version in rows:
            rows[version] += accepted.table["version"].to_pylist().count(version)
    assert rows == {"random": 30_000, "bts": 30_000}
