"""Alertmanager's webhook comes in: what is taken, what is refused, and what repeats."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from monitor import status
from monitor.clock import ManualClock
from monitor.notify.alertmanager import webhook
from monitor.report import report
from monitor.running.retention import run as retain
from monitor.settings import Notify
from monitor.store.database import Database
from monitor.store.tables import events, foreign_alerts
from tests.api_site import Api, problem
from tests.tellings import message

FIRING = {
    "status": "firing",
    "labels": {"alertname": "HighLatency", "policy": "cooling", "severity": "page"},
    "annotations": {"summary": "p99 over 2 s"},
    "startsAt": "2025-06-15T14:00:00.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus.example/graph",
    "fingerprint": "b0a7c9e1d2f30415",
}
RESOLVED = {**FIRING, "status": "resolved", "endsAt": "2025-06-15T15:00:00Z"}
HOOK = "/hooks/alertmanager"


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


def body(*alerts: Any, **more: Any) -> dict[str, Any]:
    given = {"version": "4", "groupKey": '{}:{alertname="HighLatency"}', "status": "firing", "receiver": "reins"}
    rest = {"truncatedAlerts": 0, "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": ""}
    return copy.deepcopy({**given, **rest, "alerts": list(alerts), **more})


def happened(api: Api) -> list[str]:
    return [row.kind for row in api.rows(events) if row.kind.startswith("foreign.")]


def test_a_firing_alert_is_kept_shown_and_resolved(api: Api) -> None:
    taken = api.post(HOOK, body({**FIRING, "newKey": [1]}, newKey={"a": 1}))
    assert (taken.status_code, taken.json()) == (200, {"accepted": 1, "new": 1})
    (row,) = api.get("/foreign-alerts?policy=cooling").json()
    assert (row["name"], row["status"], row["starts"], row["ends"]) == (
        "HighLatency",
        "firing",
        "2025-06-15T14:00:00Z",
        None,
    )
    with api.parts.database.read() as connection:
        found = status.of(connection, api.parts.settings, api.parts.clock, "cooling")
    assert "HighLatency fires in another Alertmanager since 2025-06-15T14:00:00Z: p99 over 2 s" in report(
        {**found, "candidates": []}
    )
    assert api.get("/foreign-alerts?policy=heating").json() == []
    assert api.post(HOOK, body(RESOLVED)).json() == {"accepted": 1, "new": 1}
    assert api.get("/foreign-alerts").json() == []
    (row,) = api.get("/foreign-alerts?all=true").json()
    assert (row["status"], row["ends"]) == ("resolved", "2025-06-15T15:00:00Z")
    assert happened(api) == ["foreign.firing", "foreign.resolved"]
    assert {row.policy for row in api.rows(events) if row.kind.startswith("foreign.")} == {"cooling"}


def test_the_same_alert_again_says_nothing_new_and_a_late_firing_opens_nothing(api: Api, clock: ManualClock) -> None:
    api.post(HOOK, body(FIRING))
    clock.advance(60.0)
    assert api.post(HOOK, body(FIRING, FIRING)).json() == {"accepted": 2, "new": 0}
    (row,) = api.rows(foreign_alerts)
    assert (row.first_seen, row.last_seen) == (clock.now() - 60.0, clock.now())
    api.post(HOOK, body(RESOLVED))
    assert api.post(HOOK, body(FIRING)).json()["new"] == 0
    assert api.get("/foreign-alerts").json() == []
    again = {**FIRING, "startsAt": "2025-06-15T15:06:00+01:00"}
    assert api.post(HOOK, body(again)).json()["new"] == 1
    assert len(api.rows(foreign_alerts)) == 2
    key = {"idempotency-key": "k"}
    first = api.post(HOOK, body(FIRING), headers=key)
    assert api.post(HOOK, body(FIRING), headers=key).json() == first.json()
    assert problem(api.post(HOOK, body(RESOLVED), headers=key), 422)


BAD_ALERTS: list[tuple[dict[str, Any], str]] = [
    ({"startsAt": "yesterday"}, "alerts.1.startsAt"),
    ({"startsAt": "2025-06-15T14:00:00"}, "alerts.1.startsAt"),
    ({"startsAt": 1_750_000_000}, "alerts.1.startsAt"),
    ({"endsAt": "soon"}, "alerts.1.endsAt"),
    ({"status": "pending"}, "alerts.1.status"),
    ({"labels": ["a"]}, "alerts.1.labels"),
    ({"labels": {"a": 1}}, "alerts.1.labels.a"),
    ({"labels": {"a": "\x00"}}, "alerts.1.labels.a"),
    ({"annotations": {"\ud800": "x"}}, "alerts.1.annotations"),
    ({"fingerprint": "f" * 65}, "alerts.1.fingerprint"),
]


def test_a_bad_alert_is_named_and_the_others_are_kept(api: Api) -> None:
    for number, (changes, where) in enumerate(BAD_ALERTS, 1):
        good = [{**FIRING, "fingerprint": f"{name} {number}"} for name in ("a", "b")]
        answer = api.post(HOOK, body(good[0], {**FIRING, **changes}, good[1]))
        detail = problem(answer, 422)
        assert where in detail
        assert "the other 2 alerts are kept" in detail
        assert answer.json()["errors"][0]["where"].startswith(where)
        assert len(api.rows(foreign_alerts)) == 2 * number


NO_WEBHOOKS: list[tuple[Any, str]] = [
    (body(FIRING, version="3"), "version"),
    ({**body(FIRING), "version": 4}, "version"),
    ({"version": "4"}, "alerts"),
    (body(alerts={}), "alerts"),
    (body(*[FIRING] * 1001), "alerts"),
    (body(FIRING, receiver=7), "receiver"),
    ([], "JSON object"),
    (None, "JSON object"),
]


def test_what_is_no_webhook_of_version_4_is_refused_whole(api: Api) -> None:
    for sent, said in NO_WEBHOOKS:
        assert said in problem(api.post(HOOK, sent), 422)
    assert api.rows(foreign_alerts) == []


def test_odd_bytes_are_answered_and_nobody_comes_in_without_a_token(api: Api) -> None:
    assert api.post(HOOK, b"{").status_code == 422
    assert api.post(HOOK, b'{"version": "4", "alerts": [], "x": NaN, "y": "\\ud800"}').status_code in {200, 422}
    assert api.ask("POST", f"/api/v1{HOOK}", content=json.dumps(body(FIRING))).status_code == 401
    assert api.rows(foreign_alerts) == []


def test_a_time_that_was_never_set_is_survived(api: Api) -> None:
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"):
        for state in ("firing", "resolved"):
            odd = {**FIRING, "startsAt": at, "endsAt": at, "status": state, "fingerprint": at}
            assert api.post(HOOK, body(odd)).json() == {"accepted": 1, "new": 1}
    assert all(row["ends"] is not None for row in api.get("/foreign-alerts?all=true").json())


def test_an_alert_without_a_fingerprint_is_known_by_its_labels(api: Api) -> None:
    bare = {name: FIRING[name] for name in ("status", "labels", "startsAt")}
    assert api.post(HOOK, body(bare, bare)).json() == {"accepted": 2, "new": 1}
    other = {**bare, "labels": {"policy": "nowhere"}}
    assert api.post(HOOK, body(other)).json()["new"] == 1
    assert [row["policy"] for row in api.get("/foreign-alerts").json()].count("") == 1


def test_what_we_send_out_is_what_we_take_in(api: Api) -> None:
    way = Notify(kind="alertmanager", urls=("http://127.0.0.1/",))
    for kind in ("page", "resolved"):
        sent = webhook(way, message(policy="cooling", kind=kind, at=1_750_000_100.0, started=1_750_000_000.0))
        assert api.post(HOOK, sent).json() == {"accepted": 1, "new": 1}
    assert [row.status for row in api.rows(foreign_alerts)] == ["resolved"]


def test_what_was_not_heard_of_for_long_is_forgotten(api: Api, clock: ManualClock) -> None:
    api.post(HOOK, body(FIRING))
    clock.advance(34 * 86400.0)
    retain(api.parts)
    assert len(api.rows(foreign_alerts)) == 1
    clock.advance(2 * 86400.0)
    retain(api.parts)
    assert api.rows(foreign_alerts) == []
