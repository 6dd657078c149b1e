"""An alert that flaps says so, pages once about it, and keeps quiet until it has been steady for 30 minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from monitor import status
from monitor.alerting import silences
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import routes, transitions
from monitor.tick import Parts, tick
from tests.paged import judged, pages, parts_of

QUARTER = 15.0  # seconds: 20 flaps, there and back, in 10 minutes
BEGIN = 1_750_032_000.0  # 2025-06-16 00:00 UTC


@pytest.fixture
def parts(database: Database, clock: ManualClock, tmp_path: Path) -> Parts:
    return parts_of(database, clock, tmp_path)


def flap(parts: Parts, times: int, trigger: str = "low") -> None:
    for turn in range(2 * times):
        later(parts, QUARTER, turn % 2 == 0, trigger)


def later(parts: Parts, seconds: float, bad: bool | None = None, trigger: str = "low") -> None:
    assert isinstance(parts.clock, ManualClock)
    parts.clock.advance(seconds)
    judged(parts, bad, trigger)


def told(parts: Parts) -> list[Any]:
    return [page["why"] for page in pages(parts)]


def overlays(parts: Parts) -> list[str]:
    with parts.database.read() as connection:
        found = status.alerts_of(connection, parts.settings, parts.clock, "p", all_states=True)
    return [one["kind"] for item in found for one in item["overlays"]]


def test_a_clock_that_is_set_back_by_a_day_mutes_no_page(parts: Parts) -> None:
    later(parts, 0.0, True)
    later(parts, -86400.0, False)
    later(parts, QUARTER, True)
    assert told(parts) == ["firing", "firing"], "how long ago the first page was is unknown"
    later(parts, QUARTER, False)
    later(parts, QUARTER, True)
    assert told(parts)[2:] in ([], ["flapping"]), "from then on it is the same trouble again"


def test_flapping_ends_where_the_clock_is_set_back(parts: Parts) -> None:
    flap(parts, 4)
    assert told(parts) == ["firing", "flapping"]
    later(parts, -86400.0, False)
    later(parts, QUARTER, True)
    assert told(parts)[2:] == ["firing"]


def test_twenty_flaps_in_ten_minutes_are_two_pages(parts: Parts) -> None:
    flap(parts, 1)
    assert (told(parts), overlays(parts)) == (["firing"], [])
    flap(parts, 1)
    assert (told(parts), overlays(parts)) == (["firing", "flapping"], ["flapping"])
    assert "low flaps for p under v7: it began or stopped firing 4 times" in pages(parts)[1]["text"]
    flap(parts, 18)
    assert told(parts) == ["firing", "flapping"]
    with parts.database.read() as connection:
        assert len(connection.execute(select(transitions)).all()) == 40  # every one of them is on record
    later(parts, 1800.0 - 1.0)
    assert overlays(parts) == ["flapping"]
    later(parts, 1.0)
    assert (told(parts), overlays(parts)) == (["firing", "flapping"], [])
    later(parts, 60.0, bad=True)
    assert told(parts) == ["firing", "flapping", "firing"]


def test_what_fires_when_it_has_been_steady_for_thirty_minutes_pages(parts: Parts) -> None:
    flap(parts, 4)
    later(parts, QUARTER, bad=True)
    later(parts, 1799.0, bad=True)
    assert told(parts) == ["firing", "flapping"]
    later(parts, 1.0)
    later(parts, 60.0, bad=True)
    assert told(parts) == ["firing", "flapping", "firing"]


def test_a_flap_in_the_quiet_minutes_begins_them_again(parts: Parts) -> None:
    flap(parts, 2)
    later(parts, 1790.0, bad=True)
    later(parts, 1799.0)
    assert (told(parts), overlays(parts)) == (["firing", "flapping"], ["flapping"])


def test_troubles_that_are_rare_do_not_flap(parts: Parts) -> None:
    for _ in range(6):
        later(parts, 900.0, bad=True)
        later(parts, 900.0, bad=False)
    assert overlays(parts) == []
    assert set(told(parts)) == {"firing"}


def test_one_slow_trouble_through_every_state_does_not_flap(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    slow = {"low": {"for": "2 windows", "clear": "2 windows"}}
    parts = parts_of(database, clock, tmp_path, trigger=slow)
    for bad in (True, True, False, False):
        later(parts, 60.0, bad)
    with database.read() as connection:
        moved = connection.execute(select(transitions.c.new).order_by(transitions.c.id)).scalars().all()
    assert list(moved) == ["pending", "firing", "recovering", "resolved"]
    assert (told(parts), overlays(parts)) == (["firing"], [])


def test_recovering_and_firing_in_turns_is_flapping_too(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    parts = parts_of(database, clock, tmp_path, trigger={"low": {"clear": "2 windows"}})
    flap(parts, 10)
    assert (told(parts), overlays(parts)) == (["firing", "flapping"], ["flapping"])


def test_a_silenced_alert_flaps_visibly_and_pages_when_the_silence_ends(parts: Parts) -> None:
    with parts.database.begin() as connection:
        until = parts.clock.now() + 165.0
        silences.add(
            connection, parts.settings, parts.clock, "p",
            trigger="", version="", owner="anna", reason="Known.", until=until, actor="cli",
        )  # fmt: skip
    flap(parts, 5)
    assert (told(parts), overlays(parts)) == ([], ["flapping", "silence"])
    later(parts, QUARTER, bad=True)
    later(parts, QUARTER)
    assert told(parts) == ["flapping"]
    later(parts, 60.0)
    assert told(parts) == ["flapping"]


def test_flapping_of_a_rollback_is_seen_and_keeps_nothing_back(parts: Parts) -> None:
    flap(parts, 1, "grave")
    with parts.database.read() as connection:
        assert connection.execute(select(routes.c.serving)).scalar_one() == "v6"
    flap(parts, 1, "grave")
    assert (told(parts), overlays(parts)) == ([], ["flapping"])


def test_passes_over_a_log_that_flaps_every_minute_page_twice(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    clock.at = BEGIN
    source = {"kind": "parquet", "path": "logs"}
    triggers = {"grave": {"enabled": False}, "mild": {"enabled": False}}
    parts = parts_of(database, clock, tmp_path, source=source, lateness="1s", skew="1h", trigger=triggers)
    minutes = np.arange(12 * 6) // 6
    ts = pa.array(((BEGIN + 10.0 * np.arange(minutes.size)) * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC"))
    noise = 0.01 * (np.arange(minutes.size) % 2)
    count = minutes.size
    columns = {"decision_id": [f"d{i}" for i in range(count)], "ts": ts, "version": ["v7"] * count}
    columns |= {"action": ["hold"] * count, "propensity": [1.0] * count, "reward": 1.0 * (minutes % 2) + noise}
    (tmp_path / "logs").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "logs/0.parquet")
    tick(parts, "p")  # it watches from here
    for minute in range(12):
        clock.at = BEGIN + 60.0 * (minute + 1) + 2.0
        tick(parts, "p")
    with database.read() as connection:
        moved = connection.execute(select(transitions.c.new).order_by(transitions.c.id)).scalars().all()
    assert list(moved) == ["firing", "resolved"] * 6
    assert (told(parts), overlays(parts)) == (["firing", "flapping"], ["flapping"])
