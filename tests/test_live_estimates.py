"""Candidates that are watched: their sequences go on over ticks, and what is said of them is what the log supports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from monitor.bucketing.baseline import freeze
from monitor.landing.land import Landing
from monitor.live import estimates
from monitor.live.told import compared
from monitor.status import of
from monitor.store.database import Database
from monitor.store.tables import differences
from monitor.tick import Parts, tick
from monitor.views import candidates
from ope import WeightSums, difference_of_weights
from tests.passes import HOUR, START, log, parts_at, put
from tests.rival_candidates import at, decided, watched


def told(parts: Parts) -> dict[str, Any]:
    with parts.database.read() as connection:
        return compared(connection, parts.settings, parts.clock, "p")


def kept(parts: Parts, candidate: str = "good", version: str = "v6") -> list[Any]:
    c = differences.c
    with parts.database.read() as connection:
        found = select(differences).where(c.candidate == candidate, c.version == version).order_by(c.end)
        return list(connection.execute(found))


def test_the_sequence_goes_on_over_ticks_and_is_the_one_of_all_rows(tmp_path: Path) -> None:
    parts = watched(tmp_path)
    whole = [decided(START, 3), decided(START + 3 * HOUR, 5)]
    for table, end in zip(whole, (3, 8), strict=True):
        put(parts, table)
        at(parts, START + end * HOUR)
    rows = kept(parts)
    assert [row.end for row in rows] == [START + HOUR * hour for hour in range(1, 9)]
    assert {row.begin for row in rows} == {START}
    joined = pa.concat_tables(whole)
    pi, p, r = (joined[name].to_numpy() for name in ("candidate_probs.good", "propensity", "reward"))
    exact = difference_of_weights("snips", WeightSums.from_rows(pi / p, r), rewards=(r.min(), r.max()))
    assert rows[-1].n == len(joined)
    for name in ("value", "low", "anytime_low", "anytime_high", "anytime_p", "incumbent"):
        assert getattr(rows[-1], name) == pytest.approx(getattr(exact, name), rel=1e-9), name


def test_since_when_it_is_better_is_the_first_end_of_the_run_that_still_lasts(tmp_path: Path) -> None:
    parts = watched(tmp_path)
    for hours, gain, end in ((3, 0.4, 3), (5, -0.4, 8), (14, 0.4, 22)):
        put(parts, decided(START + (end - hours) * HOUR, hours, gain=gain))
        at(parts, START + end * HOUR)
    rows = kept(parts)
    shown = [row.anytime_low is not None and row.anytime_low > 0 for row in rows]
    assert shown[2]
    assert not shown[7]
    assert shown[-1]
    lost = max(i for i, yes in enumerate(shown) if not yes)
    assert rows[-1].better_since == rows[lost + 1].end
    assert [row.better_since is not None for row in rows] == shown
    found = {one["candidate"]: one for one in told(parts)["candidates"]}
    assert found["good"]["state"] == "better"
    assert found["good"]["sentence"].startswith("Better than v6 since 12:00 UTC, over 99.99% anytime")
    assert found["same"]["state"] == "untold"
    assert found["same"]["difference"]["value"] == 0.0


def test_however_late_and_often_the_job_runs_it_writes_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "often").mkdir()
    (tmp_path / "once").mkdir()
    often, once = watched(tmp_path / "often"), watched(tmp_path / "once")
    table = decided(START, 6)
    put(once, table)
    for hour in (2, 4, 6):
        put(often, table.slice((hour - 2) * 360, 720))
        at(often, START + hour * HOUR)
        at(often, START + hour * HOUR)
    at(once, START + 6 * HOUR)
    assert [tuple(row) for row in kept(often)] == [tuple(row) for row in kept(once)]
    assert estimates.refresh(once, "p") == 4  # the week anew: two candidates by two estimators, and no hour twice


def test_only_mature_rewards_enter(tmp_path: Path) -> None:
    parts = watched(tmp_path, reward_horizon="2h")
    put(parts, decided(START, 6))
    parts.clock.at = START + 6 * HOUR + 60  # type: ignore[attr-defined]
    tick(parts, "p")
    estimates.refresh(parts, "p")
    assert [row.end for row in kept(parts)] == [START + HOUR * hour for hour in range(1, 5)]


def test_a_candidate_counts_from_its_registration_and_its_week_is_of_the_history(tmp_path: Path) -> None:
    parts = parts_at(tmp_path, serving="v6")
    put(parts, decided(START, 6))
    at(parts, START + 6 * HOUR)
    later = watched(tmp_path)
    at(later, START + 6 * HOUR)
    [waits, _same] = told(later)["candidates"]
    assert (waits["state"], waits["difference"]) == ("waiting", None)
    assert "that began after 2025-06-16T06:00:00Z is sealed yet" in waits["sentence"]
    [ips, snips] = waits["estimates"]
    assert (ips["estimator"], snips["n"]) == ("ips", 6 * 360)  # what landed before it was there is scored again
    put(later, decided(START + 6 * HOUR, 3))
    at(later, START + 9 * HOUR)
    assert [row.begin for row in kept(later)] == [START + 6 * HOUR] * 3
    assert kept(later)[-1].n == 3 * 360


def test_estimates_of_another_file_are_shown_nowhere(tmp_path: Path) -> None:
    """Until the hourly job has made new ones; a name alone does not say which policy it stood for."""
    parts = watched(tmp_path)
    put(parts, decided(START, 3))
    at(parts, START + 3 * HOUR)
    assert told(parts)["candidates"][0]["estimates"]
    changed = parts_at(tmp_path, serving="v6", candidate={"good": {"policy": "column:propensity"}})
    with changed.database.read() as connection:
        found = compared(connection, changed.settings, parts.clock, "p")["candidates"]
        listed = candidates(connection, changed.settings, "p")
        status = of(connection, changed.settings, parts.clock, "p")["estimates"]
    assert [one["estimates"] for one in found] == [[]]
    assert (len(listed["rows"]), status) == (0, [])
    assert "have changed since the last estimate" in listed["missing"]


def test_a_file_that_changes_begins_anew_and_one_that_comes_back_goes_on(tmp_path: Path) -> None:
    for number, column in enumerate(("good", "other", "good")):
        parts = parts_at(tmp_path, serving="v6", candidate={"new": {"policy": f"column:{column}"}})
        table = decided(START + 2 * number * HOUR, 2)
        put(parts, table.append_column("candidate_probs.other", pa.array(np.full(len(table), 0.5))))
        at(parts, START + 2 * (number + 1) * HOUR)
    rows = kept(parts, "new")
    assert len({row.fingerprint for row in rows}) == 2
    first = [row for row in rows if row.fingerprint == rows[0].fingerprint]
    # what was decided meanwhile is new to it as well, and is counted with it again
    assert [row.end for row in first] == [START + HOUR * hour for hour in range(1, 7)]
    [other] = {row.begin for row in rows} - {START}
    assert other == START + 2 * HOUR
    assert told(parts)["selection"]["family"] == 2


def test_a_baseline_that_is_frozen_anew_loses_nothing(tmp_path: Path) -> None:
    parts = watched(tmp_path)
    put(parts, decided(START, 14))
    at(parts, START + 14 * HOUR)
    freeze(parts, "p", START + 9 * HOUR, START + 14 * HOUR, "test")
    put(parts, decided(START + 14 * HOUR, 2))
    at(parts, START + 16 * HOUR)
    rows = kept(parts)
    assert [row.n for row in rows] == [360 * hour for hour in range(1, 17)]


def test_versions_are_compared_apart(tmp_path: Path) -> None:
    parts = watched(tmp_path)
    put(parts, decided(START, 4))
    put(parts, decided(START, 4, "v7", seed=2))
    at(parts, START + 4 * HOUR)
    assert [row.n for row in kept(parts)] == [row.n for row in kept(parts, version="v7")] == [360, 720, 1080, 1440]
    assert kept(parts)[-1].value != kept(parts, version="v7")[-1].value
    assert told(parts)["incumbent"] == "v6"


def test_what_is_refused_weak_or_old_is_never_said_to_be_better(tmp_path: Path) -> None:
    parts = watched(tmp_path)
    table = decided(START, 4)
    put(parts, table.set_column(table.column_names.index("propensity"), "propensity", pa.array([0.25] * len(table))))
    at(parts, START + 4 * HOUR)  # the logged propensities are half of what they were
    [good, _same] = told(parts)["candidates"]
    assert good["state"] == "refused"
    assert "propensities are too small" in good["sentence"]
    assert good["difference"]["value"] is None
    assert told(parts)["selection"]["better"] == []


def test_what_was_better_is_old_when_nothing_follows(tmp_path: Path) -> None:
    parts = watched(tmp_path)
    put(parts, decided(START, 8, gain=0.4))
    at(parts, START + 8 * HOUR)
    assert told(parts)["candidates"][0]["state"] == "better"
    parts.clock.at = START + 24 * HOUR  # type: ignore[attr-defined]
    old = told(parts)["candidates"][0]
    assert old["state"] == "stale"
    assert old["sentence"].startswith("Old: the last hour that was compared ended 2025-06-16 08:00 UTC. Then: Better")


def test_a_promoted_candidate_is_held_to_its_last_estimate(tmp_path: Path) -> None:
    parts = watched(tmp_path)
    put(parts, decided(START, 12))
    at(parts, START + 12 * HOUR)
    assert told(parts)["calibration"]["sentence"] == "No candidate that was estimated has come to serve yet."
    served = log(START + 12 * HOUR, 4, version="good", reward=1.16)  # 1 + 0.8 * 0.2
    put(parts, served.append_column("candidate_probs.good", served["propensity"]))
    at(parts, START + 16 * HOUR)
    found = told(parts)["calibration"]
    assert found["sentence"] == "1 of 1 promoted candidates ended inside their interval."
    [row] = found["rows"]
    assert (row["candidate"], row["at"], row["until"]) == ("good", "2025-06-16T12:00:00Z", "2025-06-16T16:00:00Z")
    assert row["estimate"]["end"] == "2025-06-16T12:00:00Z"
    assert row["earned"]["value"] == pytest.approx(served["reward"].to_numpy().mean())
    assert row["inside"]


def test_either_database_keeps_and_tells_the_same(database: Database, tmp_path: Path) -> None:
    parts = watched(tmp_path)
    other = Parts(parts.settings, database, parts.clock, Landing(database, parts.settings, parts.clock))
    put(other, decided(START, 6))
    at(other, START + 6 * HOUR)
    put(other, log(START + 6 * HOUR, 2, version="good"))
    at(other, START + 8 * HOUR)
    assert [row.n for row in kept(other)] == [360 * hour for hour in range(1, 7)]
    found = told(other)
    assert [one["state"] for one in found["candidates"]] == ["better", "untold"]
    assert found["calibration"]["promoted"] == 1
