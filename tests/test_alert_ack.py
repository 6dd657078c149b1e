"""Acknowledging an alert by its id takes the open incident of its policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from monitor import incidents
from monitor.alerting.alert_ids import identify
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import alerts
from monitor.store.tables import incidents as table
from tests.api_site import Api, problem
from tests.command_line import Desk
from tests.test_alert_ids import fire

ID = identify("cooling", "v7", "latency_sla", "")


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    api = Api(database, clock, tmp_path)
    fire(api.parts, "cooling", "latency_sla", "v7", "")
    return api


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def page(api: Api) -> int:
    with api.parts.database.begin() as connection:
        return incidents.page(
            connection, api.parts.settings, api.parts.clock, "cooling", why="firing", text="It is slow.",
            severity="page", body={"trigger": "latency_sla", "version": "v7", "keys": [""]},
        )  # fmt: skip


def test_it_takes_the_incident_once_for_a_key(api: Api) -> None:
    number = page(api)
    made = api.post(f"/alerts/{ID}/ack", {"by": "anna", "seconds": 3600}, headers={"idempotency-key": "k"})
    again = api.post(f"/alerts/{ID}/ack", {"by": "anna", "seconds": 3600}, headers={"idempotency-key": "k"})
    assert (made.status_code, made.json()["incident"], again.json()) == (200, number, made.json())
    with api.parts.database.read() as connection:
        row = connection.execute(select(table).where(table.c.id == number)).one()
    assert (row.state, row.ack_by) == ("acknowledged", "anna")


def test_what_woke_nobody_and_what_does_not_exist_is_not_acknowledged(api: Api) -> None:
    assert "no open incident" in problem(api.post(f"/alerts/{ID}/ack", {}), 409)
    assert "no alert" in problem(api.post(f"/alerts/{'0' * 16}/ack", {}), 404)
    page(api)
    assert "seconds" in problem(api.post(f"/alerts/{ID}/ack", {"seconds": 2}), 422)
    assert "a name" in problem(api.post(f"/alerts/{ID}/ack", {"by": " "}), 422)
    assert api.post(f"/alerts/{ID}/ack", {}).json()["by"] == "first"


def test_an_alert_that_is_over_has_nothing_to_acknowledge(api: Api) -> None:
    page(api)
    with api.parts.database.begin() as connection:
        connection.execute(update(alerts).values(state="resolved"))
    assert "is resolved" in problem(api.post(f"/alerts/{ID}/ack", {}), 409)


def test_the_command_does_the_same(desk: Desk) -> None:
    missing = desk.run("alert", "ack", "0" * 16, "--by", "anna")
    assert (missing.status, "no alert" in missing.out) == (1, True)
    parts = desk.parts()
    fire(parts, "shop", "latency_sla", "v2", "")
    named = identify("shop", "v2", "latency_sla", "")
    assert "woken nobody" in desk.run("alert", "ack", named, "--by", "anna").out
    with parts.database.begin() as connection:
        incidents.page(
            connection, parts.settings, parts.clock, "shop", why="firing", text="It is slow.", severity="page",
            body={"trigger": "latency_sla", "version": "v2", "keys": [""]},
        )  # fmt: skip
    assert "anna has taken incident 1 of shop" in desk.run("alert", "ack", named, "--by", "anna", "--for", "1h").out
    assert desk.run("alert", "ack", named, "--by", "anna", "--for", "5h").status == 2
