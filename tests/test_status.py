"""The read side of a policy's state: what it shows, and that it does not grow dearer with what is stored."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, insert, select
from sqlalchemy.dialects import sqlite

from monitor import status
from monitor.store.tables import verdicts
from tests.passes import BASE, HOUR, land_baseline, log, parts_at, pass_at, put


def test_the_newest_point_of_every_trigger_is_found_without_reading_the_others(tmp_path: Path) -> None:
    parts = parts_at(tmp_path)
    land_baseline(parts)
    put(parts, log(BASE, 6))
    pass_at(parts, BASE + 6 * HOUR)
    with parts.database.read() as connection:
        stored = connection.execute(select(verdicts).where(verdicts.c.version.in_(["v7", "*"]))).all()
        shown = status.of(connection, parts.settings, parts.clock, "p")["metrics"]
        statement = status.newest_verdicts("p", "v7").compile(
            dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
        )
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
    newest = {(row.trigger, row.key): row for row in sorted(stored, key=lambda row: row.start)}
    assert len(stored) > 3 * len(newest) > 20
    assert [(one["trigger"], one["key"]) for one in shown] == sorted(newest)
    assert all(newest[one["trigger"], one["key"]].value == one["value"] for one in shown)
    steps = [row[-1] for row in plan]
    assert [step for step in steps if step.startswith("SCAN") and "alerts" not in step] == [], steps
    looks = [step for step in steps if "verdicts" in step]
    assert len(looks) == 2
    assert all("policy=? AND version=? AND trigger=? AND key=?" in step for step in looks), steps


def test_a_verdict_of_a_version_that_does_not_serve_is_not_shown(tmp_path: Path) -> None:
    parts = parts_at(tmp_path)
    land_baseline(parts)
    put(parts, log(BASE, 1))
    pass_at(parts, BASE + HOUR)
    with parts.database.begin() as connection:
        row = dict(connection.execute(select(verdicts).limit(1)).one()._mapping)
        connection.execute(insert(verdicts), [{**row, "version": "v8"}])
        before = connection.execute(select(func.count()).select_from(verdicts)).scalar_one()
        shown = status.of(connection, parts.settings, parts.clock, "p")["metrics"]
    assert before > len(shown) > 5
