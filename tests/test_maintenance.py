"""A maintenance window of the configuration is a silence with a name: it mutes pages, shows why, and ends by itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import status
from monitor.clock import ManualClock, stamp
from monitor.settings import ConfigurationError, parse
from monitor.store.database import Database
from monitor.store.tables import routes
from tests.paged import judged, pages, parts_of


def window(begin: float, end: float) -> dict[str, Any]:
    return {"filters": {"from": stamp(begin), "until": stamp(end), "owner": "anna", "reason": "New filters."}}


def test_a_maintenance_window_mutes_pages_while_it_lasts(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    begin, end = clock.now() + 60.0, clock.now() + 3660.0
    alone = {"rolled_back": {"enabled": False}}
    parts = parts_of(database, clock, tmp_path, tables={"inhibit": alone}, maintenance=window(begin, end))
    judged(parts, True)
    assert len(pages(parts)) == 1  # it has not begun
    clock.advance(60.0)
    judged(parts, True)
    judged(parts, True, "grave")
    with database.read() as connection:
        found = status.of(connection, parts.settings, clock, "p")["alerts"]
        assert connection.execute(select(routes.c.serving)).scalar_one() == "v6"  # a rollback is a decision
    told = next(item["overlays"] for item in found if item["trigger"] == "low")
    assert [(one["kind"], one["name"]) for one in told] == [("maintenance", "filters")]
    assert told[0]["text"] == f"maintenance filters until {stamp(end)} by anna: New filters."
    assert len(pages(parts)) == 1
    clock.advance(3600.0)
    judged(parts, None)
    assert len(pages(parts)) == 2  # it fires still
    with database.read() as connection:
        assert all(not item["overlays"] for item in status.of(connection, parts.settings, clock, "p")["alerts"])


def test_another_policys_maintenance_mutes_nothing(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    parts = parts_of(database, clock, tmp_path)
    other = parts.settings.policy["p"].model_copy(
        update={"maintenance": parse_window(window(clock.now() - 60.0, clock.now() + 60.0))}
    )
    parts.settings = parts.settings.model_copy(update={"policy": {**parts.settings.policy, "q": other}})
    judged(parts, True)
    assert len(pages(parts)) == 1


def parse_window(maintenance: dict[str, Any]) -> Any:
    return parse({"policy": {"q": {"incumbent": "v1", "maintenance": maintenance}}}).policy["q"].maintenance


def test_times_are_written_as_toml_has_them_or_as_text() -> None:
    bare = tomllib.loads('from = 2026-11-20T06:00:00Z\nuntil = 2026-11-20T09:30:00+01:00\nowner = "a"\nreason = "New."')
    text = {**bare, "from": "2026-11-20T06:00:00Z", "until": "2026-11-20T08:30:00Z"}
    found = parse_window({"one": bare, "two": text})
    assert (found["one"].from_, found["one"].until) == (found["two"].from_, found["two"].until)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"until": "2026-11-20T06:00:00Z"}, "until must be after from"),
        ({"until": "2026-11-27T06:00:01Z"}, "at most 7 days"),
        ({"from": "2026-11-20T06:00:00"}, "maintenance.filters.from: .*timezone"),
        ({"reason": ""}, "maintenance.filters.reason"),
        ({"trigger": "low"}, "maintenance.filters.trigger: unknown key"),
    ],
)
def test_a_window_that_cannot_be_names_the_key(changes: dict[str, str], said: str) -> None:
    right = {"from": "2026-11-20T06:00:00Z", "until": "2026-11-20T07:00:00Z", "owner": "anna", "reason": "New filters."}
    with pytest.raises(ConfigurationError, match=said):
        parse_window({"filters": {**right, **changes}})
