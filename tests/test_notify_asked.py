"""Messages to people over HTTP, from the command line, in the metrics and in the status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import events, status
from monitor.clock import ManualClock
from monitor.notify import enqueue
from monitor.report import report
from monitor.store.database import Database
from monitor.store.tables import notifications
from monitor.views.notifications import telling
from tests.api_site import Api, problem
from tests.command_line import CONFIGURATION, Desk
from tests.receivers import Endpoint
from tests.tellings import message


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path, endpoint: Endpoint) -> Iterator[Api]:
    duty = {"kind": "alertmanager", "urls": [endpoint.url], "timeout": "100s"}
    made = Api(database, clock, tmp_path, notify={"duty": duty})
    yield made
    made.scheduler.telling.close()


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def tell(api: Api, **changes: object) -> str:
    with api.parts.database.begin() as connection:
        said = message(**{"policy": "cooling", **changes})
        return enqueue(connection, api.parts.clock, ["duty"], said)[0]


def test_a_test_goes_the_way_of_real_messages(api: Api, endpoint: Endpoint) -> None:
    key = {"idempotency-key": "k"}
    asked = api.post("/notify/duty/test", headers=key)
    assert (asked.status_code, asked.json()["state"], asked.json()["kind"]) == (202, "pending", "test")
    assert api.post("/notify/duty/test", headers=key).json() == asked.json()
    assert len(api.rows(notifications)) == 1
    assert api.scheduler.telling.run_due() == 1
    assert b"[TEST]" in endpoint.bodies[0]
    assert api.get("/notifications").json() == []
    (row,) = api.get("/notifications?all=true").json()
    assert (row["id"], row["state"], row["attempts"]) == (asked.json()["id"], "delivered", 1)
    assert "configured: duty" in problem(api.post("/notify/dutty/test"), 404)


def test_a_dead_letter_is_listed_sent_again_and_cancelled(api: Api, endpoint: Endpoint) -> None:
    endpoint.handle = lambda headers, body: (410, {})
    page = tell(api)
    api.scheduler.telling.run_due()
    (row,) = api.get("/notifications?policy=cooling").json()
    assert (row["id"], row["state"], row["incident"]) == (page, "dead_letter", 7)
    assert "answered 410" in row["last_error"]
    assert api.get("/notifications?policy=heating").json() == []
    assert api.ask("POST", f"/api/v1/notifications/{page}/replay").status_code == 401
    assert api.post(f"/notifications/{page}/replay").json()["state"] == "pending"
    assert "is pending" in problem(api.post(f"/notifications/{page}/replay"), 409)
    api.scheduler.telling.run_due()
    assert api.post(f"/notifications/{page}/cancel").json()["state"] == "cancelled"
    assert "is cancelled" in problem(api.post(f"/notifications/{page}/cancel"), 409)
    assert "no notification" in problem(api.post("/notifications/ntf_x/cancel"), 404)
    assert "known: cooling" in problem(api.get("/notifications?policy=coolng"), 404)


def test_the_metrics_count_messages_and_tell_how_long_the_oldest_waits(
    api: Api, endpoint: Endpoint, clock: ManualClock
) -> None:
    def lines() -> set[str]:
        text = api.ask("GET", "/metrics").text
        return {line for line in text.splitlines() if line.startswith("checkrein_notifications")}

    assert 'checkrein_notifications{channel="duty",state="dead_letter"} 0.0' in lines()
    endpoint.handle = lambda headers, body: (404, {})
    tell(api)
    tell(api, drill=True, dedup="drill:1")
    api.scheduler.telling.run_due()
    tell(api, dedup="incident:8")
    clock.advance(30.0)
    assert {
        'checkrein_notifications{channel="duty",state="dead_letter"} 2.0',
        'checkrein_notifications{channel="duty",state="pending"} 1.0',
        "checkrein_notifications_oldest_seconds 30.0",
        "checkrein_notifications_dead_letters 1.0",
    } <= lines()


def test_a_page_that_nobody_was_told_is_a_finding_until_somebody_looks(api: Api, endpoint: Endpoint) -> None:
    def findings(policy: str = "cooling") -> list[str]:
        with api.parts.database.read() as connection:
            found = status.of(connection, api.parts.settings, api.parts.clock, policy)
        assert all(one in report({**found, "candidates": []}) for one in found["telling"]["findings"])
        return [str(one) for one in found["telling"]["findings"]]

    endpoint.handle = lambda headers, body: (404, {})
    page = tell(api)
    tell(api, kind="test", dedup="test:1")
    tell(api, drill=True, dedup="drill:1")
    assert findings() == []
    api.scheduler.telling.run_due()
    (finding,) = findings()
    assert finding.startswith("1 message to duty could not be delivered and waits for a person")
    assert "answered 404" in finding
    assert findings("heating") == []
    api.post(f"/notifications/{page}/cancel")
    assert findings() == []


def test_pages_of_a_policy_without_a_channel_reach_nobody(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    api = Api(database, clock, tmp_path, notify={"other": {"urls": ["env:URL"], "policies": ["heating"]}})

    def findings(policy: str) -> list[str]:
        with database.read() as connection:
            return list(telling(connection, api.parts.settings, clock, policy)["findings"])

    assert findings("cooling") == []
    with database.begin() as connection:
        for policy in ("cooling", "heating"):
            events.page(connection, clock, policy, why="undelivered", action="act_1", text="It failed.")
    assert findings("cooling") == ["Pages of cooling reach nobody: configure a channel, [notify.NAME], and test it."]
    assert findings("heating") == []
    clock.advance(8 * 86400.0)
    assert findings("cooling") == []


def test_the_command_tests_lists_and_sends_again(desk: Desk, endpoint: Endpoint) -> None:
    desk.configure(f'[notify.duty]\nkind = "alertmanager"\nurls = ["{endpoint.url}"]\ntimeout = "100s"\n')
    done = desk.run("notify", "test", "duty")
    assert (done.status, len(endpoint.bodies)) == (0, 1), done.said
    assert "The test to duty was delivered." in done.out
    assert "nothing waits to be told" in desk.run("notify", "list").out
    assert [one["state"] for one in desk.run("notify", "list", "--all", "--json").json] == ["delivered"]
    endpoint.handle = lambda headers, body: (404, {"error": "no such team"})
    refused = desk.run("notify", "test", "duty", "--json")
    assert (refused.status, refused.json["state"]) == (1, "dead_letter")
    listed = desk.run("notify", "list", "shop")
    assert (listed.status, listed.out.strip()) == (0, "nothing waits to be told")  # a test is of no policy
    listed = desk.run("notify", "list")
    assert listed.status == 1
    assert "no such team" in listed.out
    assert desk.run("notify", "replay", refused.json["id"]).status == 0
    assert "is pending" in desk.run("notify", "replay", refused.json["id"]).out
    assert desk.run("notify", "cancel", refused.json["id"]).status == 0
    assert desk.run("notify", "cancel", "ntf_x").status == 1
    endpoint.handle = lambda headers, body: (503, {})
    assert desk.run("notify", "test", "duty").status == 3
    wrong = desk.run("notify", "test", "dutty")
    assert (wrong.status, "did you mean duty?" in wrong.said) == (2, True)
    desk.configure(text=CONFIGURATION)
    assert "configured: none" in desk.run("notify", "test", "duty").said
