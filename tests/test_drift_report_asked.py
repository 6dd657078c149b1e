"""Asking for a drift report over HTTP and on the command line: who may, what is refused, what is answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import baselines, drift_reports
from monitor.summaries.plan import Plan
from tests.api_site import Api, decision, problem
from tests.command_line import Desk

PATH = "/policies/cooling/drift-report"


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


@pytest.fixture
def frozen(api: Api) -> Api:
    api.lines([decision("a")])
    row = {"policy": "cooling", "begin": 0.0, "end": 1.0, "frozen": 2.0, "actor": "x", "digest": "x"}
    with api.parts.database.begin() as connection:
        connection.execute(insert(baselines), [{**row, "plan": Plan().to_json()}])
    return api


def test_asking_needs_a_token_a_policy_and_a_baseline(api: Api) -> None:
    refused = api.ask("POST", f"/api/v1{PATH}", json={})
    assert problem(refused, 401).startswith("send the token")
    assert "no policy 'x' is configured" in problem(api.post("/policies/x/drift-report", {}), 404)
    assert "run `checkrein baseline freeze`" in problem(api.post(PATH, {}), 422)
    assert "from" in problem(api.post(PATH, {"from": "2025-06-15T10:00:00"}), 422)  # names no zone
    assert api.rows(drift_reports) == []


def test_a_request_is_put_on_the_list_once(frozen: Api) -> None:
    body = {"version": "v7", "from": "2025-06-15T15:00:00Z", "to": "2025-06-15T15:06:00Z"}
    answers = [frozen.post(PATH, body, headers={"idempotency-key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    (found,) = frozen.get("/policies/cooling/drift-reports").json()
    assert found == answers[0].json()
    assert (found["state"], found["url"], found["actor"]) == ("asked", None, "token:first")
    assert (found["begin"], found["end"]) == ("2025-06-15T15:00:00Z", "2025-06-15T15:06:00Z")
    assert "not before its end" in problem(frozen.post(PATH, {"from": body["to"], "to": body["from"]}), 422)


def test_without_a_span_it_is_the_last_hour_of_the_version_that_serves(frozen: Api) -> None:
    found = frozen.post(PATH, {}).json()
    assert (found["version"], found["begin"], found["end"]) == ("v7", "2025-06-15T14:05:00Z", "2025-06-15T15:05:00Z")


def test_the_command_says_what_is_missing(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, migrated_file, capsys, monkeypatch)
    done = desk.run("report", "drift", "shop")
    assert done.status == 2
    assert "shop has no frozen baseline to compare with: run `checkrein baseline freeze`" in done.err
    assert desk.run("report", "drift", "nowhere").status == 2
