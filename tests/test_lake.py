"""The lake: only named files exist, whatever lies in the directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, select

from monitor.log_store.arrow import concat, differs
from monitor.log_store.lake import File, Lake
from monitor.log_store.schema import TIMESTAMP
from monitor.store.database import Database
from monitor.store.tables import manifest

HOUR = 486_112
START = HOUR * 3600


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def rows(first: int, count: int, **columns: object) -> pa.Table:
    at = pa.array((START + np.arange(first, first + count)) * 1_000_000).cast(TIMESTAMP)
    base = {"decision_id": [f"d{i}" for i in range(first, first + count)], "ts": at}
    return pa.table({**base, "action": ["a"] * count, **columns})


def name(database: Database, *files: File) -> None:
    with database.begin() as connection:
        connection.execute(insert(manifest), [{**vars(file), "landed": 0.0} for file in files])


def read(
    lake: Lake, database: Database, begin: float = 0, end: float = 4e9, columns: list[str] | None = None
) -> pa.Table:
    with database.read() as connection:
        return lake.read(connection, "p", "decisions", begin, end, columns=columns)


def test_a_file_that_nobody_named_does_not_exist_for_readers(lake: Lake, database: Database) -> None:
    first = lake.write("p", "decisions", HOUR, "a", rows(0, 5))
    lake.write("p", "decisions", HOUR, "b", rows(5, 5))
    name(database, first)
    assert read(lake, database)["decision_id"].to_pylist() == [f"d{i}" for i in range(5)]
    assert (first.rows, first.first_ts, first.last_ts) == (5, START, START + 4)
    assert (lake.root / first.file).stat().st_size == first.bytes


def test_the_same_rows_are_the_same_file_and_others_another(lake: Lake) -> None:
    one, same, other = (lake.write("p", "decisions", HOUR, "a", rows(0, n)).file for n in (5, 5, 6))
    assert one == same != other
    assert sorted(path.name for path in (lake.root / one).parent.iterdir()) == sorted(
        [Path(one).name, Path(other).name]
    )


def test_a_span_is_cut_to_the_microsecond(lake: Lake, database: Database) -> None:
    name(database, lake.write("p", "decisions", HOUR, "a", rows(0, 10)))
    assert read(lake, database, START + 3, START + 6)["decision_id"].to_pylist() == ["d3", "d4", "d5"]
    assert read(lake, database, START + 3.000001, START + 6.000001)["decision_id"].to_pylist() == ["d4", "d5", "d6"]


def test_files_of_different_columns_and_types_read_as_one_table(lake: Lake, database: Database) -> None:
    numbers = lake.write("p", "decisions", HOUR, "a", rows(0, 2, **{"state.x": [1.5, 2.0], "reward": [1.0, None]}))
    texts = lake.write("p", "decisions", HOUR, "b", rows(2, 1, **{"state.x": ["high"]}))
    name(database, numbers, texts)
    table = read(lake, database, columns=["state.x", "reward", "cost.k"])
    assert table.to_pydict() == {"state.x": ["1.5", "2", "high"], "reward": [1.0, None, None], "cost.k": [None] * 3}
    assert read(lake, database, 0, 1).num_rows == 0


def test_a_policy_name_never_leaves_the_lake(lake: Lake) -> None:
    file = lake.write("../../etc", "decisions", HOUR, "a", rows(0, 1))
    assert (lake.root / file.file).resolve().is_relative_to(lake.root.resolve())


def test_compaction_changes_no_row_and_keeps_old_files_for_their_readers(lake: Lake, database: Database) -> None:
    files = [lake.write("p", "decisions", HOUR, "a", rows(first, 10)) for first in range(0, 50, 10)]
    name(database, *files)
    before = read(lake, database)
    with database.read() as connection:
        held = lake.files(connection, "p", "decisions", 0, 4e9)
    new = lake.compact(database, "p", "decisions", HOUR, 1000.0)
    assert new is not None
    assert read(lake, database).equals(before)
    with database.read() as connection:
        assert connection.execute(select(manifest.c.file)).scalars().all() == [new.file]
    assert concat([lake.open(file.file) for file in held]).num_rows == 50
    assert lake.compact(database, "p", "decisions", HOUR, 1000.0) is None
    assert lake.orphans(database, 1000.0 + 3599) == []
    assert len(lake.orphans(database, 1000.0 + 3601)) == 5
    assert read(lake, database).equals(before)


def test_two_compactions_of_one_hour_leave_every_row_once(
    lake: Lake, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    name(database, *(lake.write("p", "decisions", HOUR, "a", rows(first, 10)) for first in (0, 10, 20)))
    write = lake.write

    def overtaken(*args: Any) -> File:
        monkeypatch.undo()
        assert Lake(lake.root).compact(database, "p", "decisions", HOUR, 1000.0) is not None
        return write(*args)

    monkeypatch.setattr(lake, "write", overtaken)
    assert lake.compact(database, "p", "decisions", HOUR, 1000.0) is None
    assert read(lake, database)["decision_id"].to_pylist() == [f"d{i}" for i in range(30)]


def test_orphans_and_half_written_files_go_after_an_hour_and_named_files_stay(lake: Lake, database: Database) -> None:
    named, orphan, fresh = (lake.write("p", "decisions", HOUR, "a", rows(0, n)) for n in (1, 2, 3))
    name(database, named)
    half = (lake.root / named.file).with_name(".x.parquet.0.tmp")
    half.write_bytes(b"PAR1")
    for path in (lake.root / named.file, lake.root / orphan.file, half):
        os.utime(path, (1000, 1000))
    os.utime(lake.root / fresh.file, (4500, 4500))
    removed = lake.orphans(database, 5000.0)
    assert {Path(one).name for one in removed} == {Path(orphan.file).name, half.name}
    assert pq.ParquetFile(lake.root / named.file).metadata.num_rows == 1


def test_lists_compare_by_element_and_null() -> None:
    a = pa.chunked_array([[[1.0, 2.0], [], None], [[3.0], [float("nan")], [1.0]]])
    b = pa.chunked_array([[[1.0, 2.0], None, None, [4.0], [float("nan")], [1.0, 1.0]]])
    assert differs(a, b).tolist() == [False, True, False, True, False, True]
