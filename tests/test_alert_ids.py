"""Alerts by their ids: over HTTP and from the command line, and a silence for exactly one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from detectors import State, Verdict
from monitor.alerting import overlays
from monitor.alerting.alert_ids import find, identify
from monitor.alerting.inhibitions import Where
from monitor.clock import ManualClock, stamp
from monitor.judging import decide
from monitor.judging.decide import Alert
from monitor.store.database import Database
from monitor.store.tables import silences
from monitor.tick import Parts
from tests.api_site import Api, problem
from tests.command_line import Desk

HOUR = 3600.0
LOW = ("latency_sla", "v7", "inlet")


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    api = Api(database, clock, tmp_path)
    fire(api.parts, "cooling", *LOW)
    fire(api.parts, "cooling", "latency_sla", "v7", "load")
    return api


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def fire(parts: Parts, policy: str, trigger: str, version: str, key: str) -> str:
    rule = parts.settings.triggers(policy)[trigger].model_copy(update={"for_": 1})
    verdict = Verdict(State.FIRE, 0.1, None, 0.5, 9, "It is slow.")
    alert, change = decide.step(
        Alert(policy, version, trigger, key, rule.severity), verdict, parts.clock.now(), rule, {}
    )
    assert change is not None
    with parts.database.begin() as connection:
        decide.save(connection, parts.clock, [alert], [change])
    return identify(policy, version, trigger, key)


def test_an_id_is_the_same_in_any_process_and_another_one_for_any_other_alert(api: Api, database: Database) -> None:
    names = ("cooling", "v7", "latency_sla", "inlet")
    assert identify(*names) == "f9a15ac28f8efab4"
    changed = [
        dict(zip(("policy", "version", "trigger", "key"), names, strict=True)) | {name: "x"}
        for name in ("policy", "version", "trigger", "key")
    ]
    others = {identify(**one) for one in changed}
    assert len(others | {identify(*names)}) == 5
    assert identify("a", "b", "c", "") != identify("a", "b", "", "c")
    with database.read() as connection:
        assert find(connection, identify(*names)) == names
        assert find(connection, "0" * 16) is None


def test_every_alert_says_its_id_and_is_found_by_it(api: Api) -> None:
    listed = api.get("/alerts").json()
    status = api.get("/policies/cooling/status").json()["alerts"]
    assert {one["id"] for one in listed} == {one["id"] for one in status}
    first = next(one for one in listed if one["key"] == "inlet")
    assert first["id"] == identify("cooling", "v7", "latency_sla", "inlet")
    found = api.get(f"/alerts/{first['id']}").json()
    assert {name: found[name] for name in first if name != "why"} == {k: v for k, v in first.items() if k != "why"}
    (moved,) = found["transitions"]
    assert (moved["old"], moved["new"], moved["reason"]) == ("inactive", "firing", "It is slow.")
    assert (found["runbook"], found["paged"], found["dry_run"], found["silences"]) == ("latency_sla", None, False, [])


@pytest.mark.parametrize("identity", ["0" * 16, "x", "9" * 300, "%00"])
def test_an_alert_that_was_never_judged_is_404(api: Api, identity: str) -> None:
    assert "no alert" in problem(api.get(f"/alerts/{identity}"), 404)
    asked = {"for": "2h", "reason": "The probe moves."}
    assert "no alert" in problem(api.post(f"/alerts/{identity}/silence", asked), 404)


def test_a_silence_by_id_mutes_that_series_alone_and_once_for_a_key(api: Api, clock: ManualClock) -> None:
    identity = identify("cooling", "v7", "latency_sla", "inlet")
    asked: dict[str, Any] = {"for": "2h", "reason": "The probe moves."}
    made = api.post(f"/alerts/{identity}/silence", asked, headers={"idempotency-key": "k"})
    again = api.post(f"/alerts/{identity}/silence", asked, headers={"idempotency-key": "k"})
    assert (made.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, made.json(), "true")
    body = made.json()
    assert (body["key"], body["version"], body["owner"], body["alert"]) == ("inlet", "v7", "first", identity)
    assert body["until"] == stamp(clock.now() + 2 * HOUR)
    assert "Nobody is paged about latency_sla inlet of version v7 of cooling" in body["sentence"]
    assert problem(
        api.post(f"/alerts/{identity}/silence", {**asked, "for": "3h"}, headers={"idempotency-key": "k"}), 422
    )
    with api.parts.database.read() as connection:
        lies = overlays.over(connection, api.parts.settings, clock.now(), "cooling")
    assert lies.mutes(Where("cooling", "v7", "latency_sla", "inlet"))
    assert not lies.mutes(Where("cooling", "v7", "latency_sla", "load"))
    assert [one["id"] for one in api.get(f"/alerts/{identity}").json()["silences"]] == [body["id"]]
    assert len(api.rows(silences)) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"reason": "Known."}, "either until or for"),
        ({"reason": "Known.", "for": "2h", "until": "2025-06-15T16:00:00Z"}, "either until or for"),
        ({"reason": "Known.", "for": "8d"}, "at most 7 days"),
        ({"reason": "Known.", "for": "2"}, "not a duration"),
        ({"reason": "Known.", "until": "2020-01-01T00:00:00Z"}, "in the future"),
        ({"reason": "a\x00b", "for": "2h"}, "pattern"),
        ({"reason": "Known.", "for": "2h", "owner": " "}, "needs an owner"),
        ({"reason": "Known.", "for": "2h", "until_": "x"}, "Extra inputs"),
    ],
)
def test_a_silence_that_cannot_be_says_what_to_change(api: Api, asked: dict[str, Any], said: str) -> None:
    identity = identify("cooling", "v7", "latency_sla", "inlet")
    assert said in problem(api.post(f"/alerts/{identity}/silence", asked), 422)


def test_the_commands_list_show_and_silence(desk: Desk) -> None:
    assert desk.run("alert", "list").out == "no alert is open\n"
    identity = fire(desk.parts(), "shop", "latency_sla", "v2", "")
    listed = desk.run("alert", "list", "shop")
    assert (listed.status, listed.out) == (0, f"{identity} shop [v2] latency_sla: firing, warn. It is slow.\n")
    made = desk.run("alert", "silence", identity, "--owner", "anna", "--reason", "Known.", "--for", "1h")
    assert (made.status, "Nobody is paged about latency_sla of version v2" in made.out) == (0, True)
    shown = desk.run("alert", "show", identity)
    assert shown.status == 0
    assert "◇ silenced until" in shown.out
    assert "inactive -> firing: It is slow." in shown.out
    assert desk.run("alert", "show", "0" * 16).status == 1
    assert desk.run("alert", "silence", "0" * 16, "--owner", "a", "--reason", "Known.", "--for", "1h").status == 1
    both = desk.run("alert", "silence", identity, "--owner", "a", "--reason", "Known.")
    assert (both.status, "either --until or --for" in both.err) == (2, True)


def test_silences_of_before_cover_all_series(database: Database, api: Api, clock: ManualClock) -> None:
    made = api.post(
        "/alerts/silences", {"policy": "cooling", "until": stamp(clock.now() + HOUR), "reason": "The log moves."}
    )
    assert made.json()["key"] is None
    with database.read() as connection:
        assert connection.execute(select(silences.c.key)).scalar_one() is None
        lies = overlays.over(connection, api.parts.settings, clock.now(), "cooling")
    assert all(lies.mutes(Where("cooling", "v7", "latency_sla", key)) for key in ("inlet", "load", ""))
