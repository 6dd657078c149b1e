"""Health stale: a dead scheduler cannot write that it is dead, so whoever reads finds out; and that is never green."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from monitor import status
from monitor.api.exposition import exposition
from monitor.clock import ManualClock, stamp
from monitor.store.database import Database
from monitor.store.tables import alerts, policies, routes
from monitor.tick import Parts
from monitor.views.alerts import alerts as shown
from tests.paged import judged, parts_of

WINDOW, MATURITY = 60.0, 60.0
LATE = 3 * WINDOW + MATURITY


@pytest.fixture
def parts(database: Database, clock: ManualClock, tmp_path: Path) -> Parts:
    parts = parts_of(database, clock, tmp_path)
    judged(parts, False)
    judged(parts, False, "mild")
    return parts


def health(parts: Parts) -> dict[str, str]:
    with parts.database.read() as connection:
        found = status.alerts_of(connection, parts.settings, parts.clock, "p", all_states=True)
    return {item["trigger"]: item["health"] for item in found}


def move(parts: Parts, seconds: float) -> None:
    assert isinstance(parts.clock, ManualClock)
    parts.clock.advance(seconds)


def change(parts: Parts, table: Any, **values: Any) -> None:
    with parts.database.begin() as connection:
        connection.execute(update(table).values(**values))


def test_what_is_not_evaluated_for_three_windows_and_the_maturity_is_stale_until_a_pass_comes(parts: Parts) -> None:
    until = parts.clock.now()
    move(parts, LATE)
    assert health(parts) == {"low": "ok", "mild": "ok"}
    move(parts, 1.0)
    judged(parts, False, "mild")  # one trigger that falls behind is seen too
    assert health(parts) == {"low": "stale", "mild": "ok"}
    with parts.database.read() as connection:
        found = status.of(connection, parts.settings, parts.clock, "p")
        blind = shown(connection, parts.settings, parts.clock)["blind"]
        text = exposition(connection, parts.settings, parts.clock)
        stored = connection.execute(select(alerts.c.health)).scalars().all()
    assert (found["state"], status.SHAPE[found["state"]]) == ("stale", "○")
    (item,) = found["alerts"]
    ended = f"Not evaluated: the last window that was judged ended {stamp(until)}"
    assert item["reason"] == f"{ended}; is `checkrein serve` or `worker` running?"
    assert [(one["shown"], one["triggers"]) for one in blind] == [("stale", ["low"])]
    assert 'checkrein_alerts_health{health="stale",policy="p"} 1.0' in text
    assert set(stored) == {"ok"}  # found on reading, never written
    judged(parts, False)
    assert health(parts) == {"low": "ok", "mild": "ok"}


def test_what_fires_goes_on_firing_and_says_that_nobody_looks(parts: Parts) -> None:
    move(parts, WINDOW)
    judged(parts, True)
    move(parts, LATE + 1.0)
    with parts.database.read() as connection:
        first = status.alerts_of(connection, parts.settings, parts.clock, "p")[0]
    assert (first["state"], first["health"], first["shown"]) == ("firing", "stale", "page")


def test_a_version_that_serves_no_more_is_not_late(parts: Parts) -> None:
    change(parts, routes, serving="v6", split='{"v6":1.0}')
    move(parts, 10 * LATE)
    assert health(parts) == {"low": "ok", "mild": "ok"}
    change(parts, alerts, version="*")
    assert health(parts) == {"low": "stale", "mild": "stale"}


def test_what_has_just_begun_to_be_judged_or_to_serve_is_given_its_first_windows(parts: Parts) -> None:
    move(parts, 10 * LATE)
    for table, column in ((routes, "changed"), (policies, "watch_from")):
        change(parts, table, **{column: parts.clock.now()})
        assert health(parts) == {"low": "ok", "mild": "ok"}
        move(parts, LATE + 1.0)
        assert health(parts) == {"low": "stale", "mild": "stale"}


def test_series_that_are_not_counted_any_more_and_disabled_triggers_are_not_late(
    parts: Parts, database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    with database.begin() as connection:
        connection.execute(update(alerts).where(alerts.c.trigger == "mild").values(key="gone"))
    move(parts, 10 * LATE)
    assert health(parts) == {"low": "stale", "mild": "ok"}
    off = parts_of(database, clock, tmp_path, trigger={"low": {"enabled": False}})
    assert health(off) == {"low": "ok", "mild": "ok"}
