"""Stored buckets: sealing, roll-ups, retention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import insert, select, update

from monitor.bucketing import buckets, sealing
from monitor.log_store.schema import TIMESTAMP
from monitor.store.database import Database
from monitor.store.tables import baselines, policies, summaries
from monitor.summaries import BucketSummary, summarise
from monitor.summaries.plan import Plan

DAY = 86400
START = 20_254 * DAY
PLAN = Plan(actions=("a",))


def log(begin: int, end: int, every: int = 97) -> pa.Table:
    at = np.arange(begin, end, every)
    columns = {"version": ["v1"] * len(at), "action": ["a"] * len(at), "reward": np.sin(at)}
    return pa.table({"ts": pa.array(at * 1_000_000).cast(TIMESTAMP), **columns})


def fill(database: Database, begin: int, end: int) -> None:
    with database.begin() as connection:
        buckets.add(connection, "p", summarise(log(begin, end), PLAN))


def seal(database: Database, until: float, windows: set[int]) -> None:
    sealing.seal(database, "p", until, windows)


def load(database: Database, resolution: int, end: int = START + 3 * DAY) -> dict[int, BucketSummary]:
    with database.read() as connection:
        return dict(buckets.load(connection, "p", "v1", "", resolution, START, end))


def check(database: Database, resolution: int, end: int) -> None:
    whole = end // resolution * resolution
    expected = {start: one for (_v, _s, start), one in summarise(log(START, end), PLAN, resolution).items()}
    found = load(database, resolution)
    assert found.keys() == {start for start in expected if start + resolution <= whole}
    for start, one in found.items():
        assert one.rows == expected[start].rows
        np.testing.assert_allclose(one["reward"].sum, expected[start]["reward"].sum, rtol=1e-9, atol=1e-9)


def test_rollups_equal_the_summary_of_their_rows_however_sealing_was_cut(database: Database) -> None:
    end = START + DAY + 10_000
    fill(database, START, end)
    for until in np.sort(np.random.default_rng(0).integers(START, end, 12)).tolist():
        seal(database, until, {300, 900, 7200})
    seal(database, end, {300, 900, 7200})
    for resolution in (300, 900, 3600, 7200, DAY):
        check(database, resolution, end // 60 * 60)


def test_a_window_that_was_configured_later_is_rolled_up_from_the_beginning(database: Database) -> None:
    fill(database, START, START + 20_000)
    seal(database, START + 10_000, {900})
    seal(database, START + 20_000, {900, 1800})
    check(database, 1800, START + 20_000 // 60 * 60)
    check(database, 3600, START + 20_000 // 60 * 60)


def test_an_incomplete_window_is_not_there_yet(database: Database) -> None:
    fill(database, START, START + 3600)
    seal(database, START + 899, {900})
    assert load(database, 900) == {}
    seal(database, START + 960, {900})
    assert list(load(database, 900)) == [START]


def test_sealing_never_moves_back(database: Database) -> None:
    fill(database, START, START + 3600)
    seal(database, START + 1800, {900})
    seal(database, START + 600, {900})
    with database.read() as connection:
        assert connection.execute(select(policies.c.sealed_until)).scalar_one() == START + 1800
    assert list(load(database, 900)) == [START, START + 900]


def test_late_rows_are_shown_and_never_judged(database: Database) -> None:
    fill(database, START, START + 600)
    seal(database, START + 600, {300})
    with database.begin() as connection:
        buckets.add(connection, "p", summarise(log(START, START + 60, 7), PLAN, late=True), late=True)
        shown = buckets.load_all(connection, "p", "v1", "", 60, START, START + 60)
    assert load(database, 60, START + 60)[START].rows == 1
    assert [(start, one.rows, late) for start, one, late in shown] == [(START, 10, 9)]


def test_versions_are_those_that_acted(database: Database) -> None:
    fill(database, START, START + 600)
    shadow = log(START, START + 600).append_column("arm", pa.array(["shadow"] * 7))
    shadow = shadow.set_column(1, "version", pa.array(["v9"] * 7))
    with database.begin() as connection:
        buckets.add(connection, "p", summarise(shadow, PLAN))
        assert buckets.versions(connection, "p", 60, START, START + 600) == ["v1"]
        assert buckets.versions(connection, "p", 60, START + 600, START + 900) == []


def test_retention_keeps_rollups_and_the_minutes_of_the_newest_baseline(database: Database) -> None:
    fill(database, START, START + 7200)
    seal(database, START + 7200, {900})
    row = {"policy": "p", "frozen": 0.0, "actor": "ann", "plan": PLAN.to_json(), "digest": ""}
    with database.begin() as connection:
        connection.execute(insert(baselines), [{**row, "begin": START, "end": START + 600.0}])
        connection.execute(insert(baselines), [{**row, "begin": START + 1200.0, "end": START + 1800.0}])
        assert buckets.retain(connection, "p", START + 3600) > 0
    kept = sorted(start for start in load(database, 60) if start < START + 3600)
    assert kept
    assert all(START + 1200 <= start < START + 1800 for start in kept)
    assert list(load(database, 900)) == list(range(START, START + 7200, 900))


def test_replacing_takes_away_what_is_not_there_any_more(database: Database) -> None:
    fill(database, START, START + 300)
    with database.begin() as connection:
        buckets.replace(connection, "p", {START, START + 60}, summarise(log(START, START + 1), PLAN))
        rows = connection.execute(select(summaries.c.start).order_by(summaries.c.start)).scalars().all()
    assert START + 60 not in rows
    assert len(load(database, 60)) == len(rows) == 3


def test_a_window_of_two_plans_is_that_of_the_newer_one(database: Database) -> None:
    other = Plan(actions=("a", "b"))
    with database.begin() as connection:
        buckets.add(connection, "p", summarise(log(START, START + 600), PLAN))
        buckets.add(connection, "p", summarise(log(START + 630, START + 900), other))
    seal(database, START + 900, {900})
    assert load(database, 900)[START].digest == other.digest


def test_a_long_catch_up_lets_other_writers_in_and_makes_each_roll_up_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = START + 4 * DAY
    fill(database, START, START + DAY)
    fill(database, START + 3 * DAY, end)  # a gap is no reason to look for ever
    merge, writers = buckets.rolled_up, list[float]()

    def merged(*args: Any) -> Any:
        """Write as another thread does, while the sealing merges: it waits for nobody."""
        with database.begin() as connection:
            writers.append(connection.execute(select(policies.c.sealed_until)).scalar_one())
        return merge(*args)

    monkeypatch.setattr(buckets, "rolled_up", merged)
    monkeypatch.setattr(database, "_busy", 0.01)
    monkeypatch.setattr(buckets, "roll", lambda *args: None)  # days: of hours, and under the lock
    seal(database, end, {300, 900})
    assert len(set(writers)) > 1, "it seals in pieces"
    monkeypatch.undo()
    for resolution in (300, 900, 3600):
        expected = sum(len(range(s, e, resolution)) for s, e in ((START, START + DAY), (START + 3 * DAY, end)))
        assert len(load(database, resolution, end)) == expected


@pytest.mark.parametrize("spoiled", [1, 99])
def test_minutes_that_change_while_they_are_merged_are_merged_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, spoiled: int
) -> None:
    """As landings and re-counts do: they count ``landing_seq`` up, and a merge of before must not be written."""
    fill(database, START, START + 900)
    merge, left = buckets.rolled_up, [spoiled]

    def merged(*args: Any) -> Any:
        found = merge(*args)
        if left[0] and not args[0].info["write"]:
            left[0] -= 1
            with database.begin() as connection:
                buckets.add(connection, "p", summarise(log(START, START + 60, 7), PLAN))
                connection.execute(update(policies).values(landing_seq=policies.c.landing_seq + 1))
        return found

    monkeypatch.setattr(buckets, "rolled_up", merged)
    seal(database, START + 900, {900})
    minutes = sum(one.rows for one in load(database, 60).values())
    assert {start: one.rows for start, one in load(database, 900).items()} == {START: minutes}
    assert left[0] in {0, 95}, "after four tries the others wait"
