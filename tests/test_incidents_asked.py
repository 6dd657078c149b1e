"""Incidents over HTTP and from the command line: the same words, the same refusals, and nothing done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import incidents
from monitor.acting import rollback
from monitor.clock import ManualClock, SystemClock, stamp
from monitor.store.database import Database
from monitor.store.tables import actions, incident_notes
from tests.api_site import Api, problem
from tests.command_line import Desk
from tests.woken import CONFIGURED

POLICIES = {"cooling": {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6"], "escalation": "night"}}


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    made = Api(database, clock, tmp_path, POLICIES, **CONFIGURED)
    page(database, made.parts.settings, clock, "cooling")
    return made


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def page(database: Database, settings: Any, clock: Any, policy: str) -> None:
    with database.begin() as connection:
        body = {"trigger": "no_data", "version": "*", "keys": [""]}
        at = (connection, settings, clock, policy)
        incidents.page(*at, why="firing", text="No rows came for 15 minutes.", severity="page", body=body)


def test_an_incident_is_taken_written_about_and_ended(api: Api, clock: ManualClock) -> None:
    (listed,) = api.get("/incidents").json()
    assert (listed["number"], listed["state"], listed["policy"]) == (1, "triggered", "cooling")
    taken = api.post("/incidents/1/ack", {"seconds": 600, "by": "anna"}).json()
    assert (taken["state"], taken["ack_by"]) == ("acknowledged", "anna")
    assert taken["acknowledged_until"] == stamp(clock.real() + 600.0)
    assert api.post("/incidents/1/note", {"text": "The log moves."}).json()["notes"][0]["author"] == "first"
    assert api.post("/incidents/1/steps/1", {}).json()["steps"][0]["state"] == "done"
    assert "done before" in problem(api.post("/incidents/1/steps/1", {}), 409)
    due = stamp(clock.now() + 86400.0)
    made = api.post("/incidents/1/follow-ups", {"text": "Watch the disk.", "due": due}).json()
    assert [(one["owner"], one["due"]) for one in made["follow_ups"]] == [("first", due)]
    assert api.post("/incidents/1/follow-ups/1/done", {}).json()["follow_ups"][0]["done_by"] == "first"
    assert api.post("/incidents/1/unack", {}).json()["state"] == "triggered"
    assert api.post("/incidents/1/mitigate", {}).json()["state"] == "mitigating"
    ended = api.post("/incidents/1/resolve", {}).json()
    assert (ended["state"], ended["resolved_by"]) == ("resolved", "first")
    assert "resolved: it cannot be acknowledged" in problem(api.post("/incidents/1/ack", {}), 409)
    found = api.get("/incidents/1").json()
    said = [entry["kind"] for entry in found["timeline"]]
    assert [kind for kind in said if kind != "incident.step"] == [
        "incident.opened", "page", "incident.acknowledged", "incident.note", "incident.follow_up",
        "incident.follow_up", "incident.unacknowledged", "incident.mitigating", "incident.resolved",
    ]  # fmt: skip


def test_the_next_level_is_woken_when_somebody_asks(api: Api, clock: ManualClock) -> None:
    api.post("/incidents/1/ack", {"by": "anna"})
    found = api.post("/incidents/1/escalate", {"by": "anna"}).json()
    assert (found["state"], found["level"], found["ack_by"], found["page"]) == ("triggered", 1, None, "/incident/1")
    assert found["next_escalation"] == stamp(clock.real() + 300.0)
    assert api.post("/incidents/1/escalate", {}).json()["level"] == 2
    api.post("/incidents/1/resolve", {})
    assert "wakes nobody" in problem(api.post("/incidents/1/escalate", {}), 409)
    assert "no incident" in problem(api.post("/incidents/7/escalate", {}), 404)


def test_the_same_key_acts_once(api: Api) -> None:
    key = {"idempotency-key": "k1"}
    first = api.post("/incidents/1/note", {"text": "Once."}, headers=key)
    again = api.post("/incidents/1/note", {"text": "Once."}, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert len(api.rows(incident_notes)) == 1
    assert problem(api.post("/incidents/1/note", {"text": "Twice."}, headers=key), 422)


@pytest.mark.parametrize("number", ["0", "77", "x", "9" * 30, "-1", "٣"])
def test_an_incident_that_does_not_exist_is_404(api: Api, number: str) -> None:
    assert "no incident" in problem(api.get(f"/incidents/{number}"), 404)
    for what, body in (
        ("ack", {}),
        ("resolve", {}),
        ("note", {"text": "x"}),
        ("steps/1", {}),
        ("follow-ups/1/done", {}),
    ):
        assert "no incident" in problem(api.post(f"/incidents/{number}/{what}", body), 404)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("ack", {"seconds": 59}),
    ("ack", {"seconds": 14401}),
    ("ack", {"by": ""}),
    ("ack", {"by": "  "}),
    ("ack", {"by": "a\x00"}),
    ("note", {}),
    ("note", {"text": "\x00"}),
    ("note", {"text": " "}),
    ("note", {"text": "x", "more": 1}),
    ("follow-ups", {"text": "x", "due": "2020-01-01T00:00:00Z"}),
    ("follow-ups", {"text": "x", "due": "9999-12-31T23:59:59-12:00"}),
    ("follow-ups", {"text": "x", "due": "2026-01-01T00:00:00"}),
]


@pytest.mark.parametrize(("what", "body"), WRONG, ids=str)
def test_what_cannot_be_meant_is_422(api: Api, what: str, body: dict[str, Any]) -> None:
    before = api.get("/incidents/1").json()
    assert problem(api.post(f"/incidents/1/{what}", body), 422)
    assert api.get("/incidents/1").json() == before


def test_the_evidence_address_of_a_rollback_answers(api: Api, clock: ManualClock) -> None:
    with api.parts.database.begin() as connection:
        rollback.request(
            connection, api.parts.settings, clock, "cooling", from_version=None, reason="The reward fell.",
            trigger="reward_3sigma", actor="checkrein", mode="automatic",
        )  # fmt: skip
        body = json.loads(connection.execute(select(actions.c.body)).scalar_one())
    address = body["data"]["evidence_url"]
    found = api.ask("GET", address).json()
    assert (found["number"], found["rolled_back"]) == (body["data"]["incident"], ["v7"])
    assert "1 of its rollbacks are not confirmed" in problem(api.post("/incidents/1/resolve", {}), 409)


def test_who_is_on_call_is_answered(api: Api) -> None:
    (found,) = api.get("/oncall?at=2025-06-16T09:00:00Z").json()
    assert (found["rota"], found["now"]["person"]) == ("first", "bo")
    assert api.get("/oncall").json()[0]["now"]["person"] == "anna"
    times = {"1900-01-01T00:00:00Z": 404, "9999-12-31T23:59:59Z": 404, "soon": 422, "2025-06-16T09:00:00": 422}
    for wrong, status in times.items():
        assert problem(api.ask("GET", "/api/v1/oncall", params={"at": wrong}), status)
    assert "known: cooling" in problem(api.get("/incidents?policy=coolng"), 404)


def test_the_commands_do_the_same(desk: Desk) -> None:
    assert "no incident is open" in desk.run("incident", "list").out
    assert desk.run("incident", "ack", "1", "--by", "anna").status == 1
    parts = desk.parts()
    page(parts.database, parts.settings, SystemClock(), "shop")
    parts.database.close()
    assert "Incident 1 of shop is not acknowledged" in desk.run("incident", "list", "shop").out
    assert "is acknowledged by anna until" in desk.run("incident", "ack", "1", "--by", "anna", "--for", "1h").out
    assert desk.run("incident", "ack", "1", "--by", "anna", "--for", "5h").status == 2
    assert desk.run("incident", "unack", "1", "--by", "anna").status == 0
    assert desk.run("incident", "note", "1", "--by", "bo", "--text", "The log moves.").status == 0
    assert desk.run("incident", "step", "1", "1", "--by", "bo", "--skip").status == 0
    assert desk.run("incident", "step", "1", "1", "--by", "bo").status == 1
    assert desk.run("incident", "follow-up", "1", "--by", "bo", "--text", "Watch.", "--owner", "anna").status == 0
    assert desk.run("incident", "follow-up", "1", "--by", "anna", "--done", "1").status == 0
    assert "is being mitigated by bo" in desk.run("incident", "mitigate", "1", "--by", "bo").out
    shown = desk.run("incident", "show", "1").out
    assert "The log moves." in shown
    assert "1 skipped" in shown
    assert desk.run("incident", "resolve", "1", "--by", "bo").status == 0
    assert "it cannot be resolved" in desk.run("incident", "resolve", "1", "--by", "bo").out
    assert [one["state"] for one in desk.run("incident", "list", "--all", "--json").json] == ["resolved"]
    assert "no rota is configured" in desk.run("oncall").out
    assert desk.run("incident", "show", "9").status == 1
