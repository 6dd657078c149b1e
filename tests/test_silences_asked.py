"""Silences over HTTP and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.clock import ManualClock, stamp
from monitor.store.database import Database
from monitor.store.tables import silences
from tests.api_site import Api, problem
from tests.command_line import Desk


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def wanted(clock: ManualClock, **changes: Any) -> dict[str, Any]:
    asked = {
        "policy": "cooling",
        "trigger": "no_data",
        "until": stamp(clock.now() + 3600.0),
        "reason": "The log moves.",
    }
    return {**asked, **changes}


def test_a_silence_is_made_once_listed_and_ended(api: Api, clock: ManualClock) -> None:
    key = {"idempotency-key": "k1"}
    made = api.post("/alerts/silences", wanted(clock), headers=key)
    assert made.status_code == 201, made.text
    again = api.post("/alerts/silences", wanted(clock), headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (made.json(), "true")
    assert problem(api.post("/alerts/silences", wanted(clock, reason="Another."), headers=key), 422)
    (row,) = api.get("/alerts/silences?policy=cooling").json()
    assert (row["owner"], row["state"], row["trigger"], row["version"]) == ("first", "active", "no_data", "")
    assert api.get("/alerts/silences?policy=heating").json() == []
    ended = api.post(f"/alerts/silences/{row['id']}/end")
    assert (ended.status_code, ended.json()["ended_by"]) == (200, "token:first")
    assert api.get("/alerts/silences").json() == []
    assert [one["state"] for one in api.get("/alerts/silences?all=true").json()] == ["ended"]
    assert "ended already" in problem(api.post(f"/alerts/silences/{row['id']}/end"), 409)
    assert len(api.rows(silences)) == 1


@pytest.mark.parametrize("identity", ["0", "77", "x", "9" * 30, "-1", "٣"])
def test_a_silence_that_does_not_exist_is_404(api: Api, identity: str) -> None:
    assert "no silence" in problem(api.post(f"/alerts/silences/{identity}/end"), 404)


def test_what_cannot_be_silenced_is_refused_with_the_reason(api: Api, clock: ManualClock) -> None:
    week = stamp(clock.now() + 8 * 86400.0)
    assert "at most 7 days" in problem(api.post("/alerts/silences", wanted(clock, until=week)), 422)
    assert "no_data" in problem(api.post("/alerts/silences", wanted(clock, trigger="nodata")), 422)
    assert problem(api.post("/alerts/silences", wanted(clock, until="2025-06-15T16:00:00")), 422)  # of which zone?
    assert "known: cooling" in problem(api.post("/alerts/silences", wanted(clock, policy="coolng")), 404)
    assert api.rows(silences) == []


def test_the_command_adds_lists_and_ends(desk: Desk) -> None:
    named = ("shop", "--owner", "anna", "--reason", "The log moves.")
    made = desk.run("silence", "add", *named, "--trigger", "no_data", "--for", "2h")
    assert made.status == 0, made.said
    assert "Silence 1: Nobody is paged about no_data of shop until" in made.out
    assert "1 shop no_data all versions active" in desk.run("silence", "list").out
    assert [one["owner"] for one in desk.run("silence", "list", "shop", "--json").json] == ["anna"]
    assert desk.run("silence", "end", "1").status == 0
    assert "is ended already" in desk.run("silence", "end", "1").out
    assert desk.run("silence", "end", "2").status == 1
    assert desk.run("silence", "end", "9" * 30).status == 2  # no database has such a number
    assert "nothing is silenced" in desk.run("silence", "list").out
    for wrong in ((), ("--for", "2h", "--until", "2099-01-01T00:00:00Z"), ("--for", "8d"), ("--for", "2")):
        refused = desk.run("silence", "add", *named, *wrong)
        assert (refused.status, refused.out) == (2, ""), wrong
