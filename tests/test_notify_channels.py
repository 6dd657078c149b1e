"""What each kind of channel puts on the wire, and what it makes of an answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.hooks.answer import Answer
from monitor.notify.channels import CHANNELS, send
from monitor.settings import ConfigurationError, Notify, parse
from tests.receivers import Endpoint
from tests.tellings import message

NOW = 1_750_000_000.5
AT = {"at": 1_750_000_100.0, "started": 1_750_000_000.0}
SECRET = "s3cr3t-password"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    made = Endpoint()
    monkeypatch.setenv("KEY", "R0UT1NG")
    monkeypatch.setenv("URL", f"json://ada:{SECRET}@{made.url.removeprefix('http://')}/team")
    yield made
    made.close()


def channel(**given: Any) -> Notify:
    return parse({"notify": {"x": {"timeout": "100s", **given}}}).notify["x"]


def pagerduty(endpoint: Endpoint, **said: Any) -> tuple[Answer, dict[str, Any]]:
    way = channel(kind="pagerduty", routing_key="env:KEY", url=endpoint.url, server="https://reins.example/")
    answer, _reached = send(way, "ntf_1", message(**AT, **said), NOW)
    return answer, json.loads(endpoint.bodies[-1])


def test_pagerduty_is_triggered_acknowledged_and_resolved_under_one_key(endpoint: Endpoint) -> None:
    answer, told = pagerduty(endpoint)
    assert answer.outcome == "delivered"
    assert (told["routing_key"], told["event_action"], told["dedup_key"]) == ("R0UT1NG", "trigger", "incident:7")
    assert told["payload"]["summary"] == "Reward fell (incident 7)"
    assert (told["payload"]["source"], told["payload"]["severity"]) == ("p0", "error")
    assert told["payload"]["timestamp"] == "2025-06-15T15:08:20Z"
    assert told["links"][0]["href"] == "https://reins.example/incidents/7"
    for kind, action in (("update", "trigger"), ("acknowledged", "acknowledge"), ("resolved", "resolve")):
        told = pagerduty(endpoint, kind=kind)[1]
        assert (told["event_action"], told["dedup_key"]) == (action, "incident:7")
        assert ("payload" in told) == (action == "trigger")


@pytest.mark.parametrize(
    ("severity", "shown"), [("info", "info"), ("warn", "warning"), ("page", "error"), ("rollback", "critical")]
)
def test_pagerduty_gets_our_severities_as_its_own(endpoint: Endpoint, severity: str, shown: str) -> None:
    assert pagerduty(endpoint, severity=severity)[1]["payload"]["severity"] == shown
    drilled = pagerduty(endpoint, severity=severity, drill=True)[1]["payload"]
    assert (drilled["severity"], drilled["summary"][:7]) == ("info", "[DRILL]")


def test_what_is_too_long_for_pagerduty_is_cut_and_its_key_stays_one(endpoint: Endpoint) -> None:
    first = pagerduty(endpoint, title="x" * 5000, text="y" * 500_000, dedup="d" * 300)[1]
    assert (len(first["payload"]["summary"]), len(first["dedup_key"])) == (1024, 64)
    assert pagerduty(endpoint, kind="resolved", dedup="d" * 300)[1]["dedup_key"] == first["dedup_key"]


@pytest.mark.parametrize(
    ("status", "outcome"), [(202, "delivered"), (400, "blocked"), (429, "retry"), (500, "retry"), (302, "retry")]
)
def test_pagerdutys_answers(endpoint: Endpoint, status: int, outcome: str) -> None:
    endpoint.handle = lambda headers, body: (status, {"status": "invalid event", "errors": ["R0UT1NG is wrong"]})
    answer, _told = pagerduty(endpoint)
    assert answer.outcome == outcome
    assert "R0UT1NG" not in answer.detail


def test_alertmanagers_webhook_is_whole_and_its_alert_is_one_from_page_to_resolution(endpoint: Endpoint) -> None:
    seen: list[dict[str, str]] = []

    def handle(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        seen.append(headers)
        return 200, {}

    endpoint.handle = handle
    way = channel(kind="alertmanager", urls=[endpoint.url], bearer="env:KEY", server="https://reins.example")
    for kind in ("page", "resolved"):
        assert send(way, "ntf_1", message(kind=kind, **AT), NOW)[0].outcome == "delivered"
    assert (seen[0]["authorization"], seen[0]["idempotency-key"]) == ("Bearer R0UT1NG", "ntf_1")
    page, over = (json.loads(body) for body in endpoint.bodies)
    assert {*page} == {
        *("version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels"),
        *("commonLabels", "commonAnnotations", "externalURL", "alerts"),
    }
    assert (page["version"], page["truncatedAlerts"], page["status"], over["status"]) == ("4", 0, "firing", "resolved")
    (fires,), (ended,) = page["alerts"], over["alerts"]
    assert (fires["startsAt"], fires["endsAt"]) == ("2025-06-15T15:06:40Z", "0001-01-01T00:00:00Z")
    assert (ended["startsAt"], ended["endsAt"]) == ("2025-06-15T15:06:40Z", "2025-06-15T15:08:20Z")
    assert (fires["fingerprint"], page["groupKey"]) == (ended["fingerprint"], over["groupKey"])
    assert fires["generatorURL"] == "https://reins.example/incidents/7"
    assert fires["labels"] == page["commonLabels"]


def test_apprise_delivers_to_a_real_receiver(endpoint: Endpoint) -> None:
    answer, reached = send(channel(urls=["env:URL"]), "ntf_1", message(**AT), NOW)
    assert (answer.outcome, reached) == ("delivered", frozenset({"env:URL"})), answer
    (told,) = (json.loads(body) for body in endpoint.bodies)
    assert (told["title"], told["type"]) == ("Reward fell (incident 7)", "failure")
    assert "It fell by a third." in told["message"]


@pytest.mark.parametrize("status", [302, *(pytest.param(code, marks=pytest.mark.full) for code in (403, 500))])
def test_what_apprise_could_not_deliver_is_tried_again_and_no_credential_is_said(
    endpoint: Endpoint, status: int
) -> None:
    endpoint.handle = lambda headers, body: (status, {"echo": SECRET})
    answer, _reached = send(channel(urls=["env:URL"]), "ntf_1", message(**AT), NOW)
    assert answer.outcome == "retry"
    assert "env:URL" in answer.detail
    assert str(status) in answer.detail
    assert SECRET not in answer.detail


@pytest.mark.parametrize(
    "wrong",
    [
        f"nosuch://ada:{SECRET}@host",
        *(pytest.param(url, marks=pytest.mark.full) for url in (SECRET, f"json://:{SECRET}@")),
    ],
)
def test_a_url_that_apprise_does_not_know_is_blocked_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("URL", wrong)
    answer, _reached = send(channel(urls=["env:URL"]), "ntf_1", message(**AT), NOW)
    assert answer.outcome == "blocked"
    assert "What env:URL holds is no URL" in answer.detail
    assert SECRET not in answer.detail


@pytest.mark.full
def test_apprise_that_hangs_ends_with_the_timeout(endpoint: Endpoint) -> None:
    release = threading.Event()
    endpoint.handle = lambda headers, body: (release.wait(300), (200, {}))[1]
    answer, _reached = send(channel(urls=["env:URL"], timeout="200ms"), "ntf_1", message(**AT), NOW)
    release.set()
    assert answer.outcome == "retry"


@pytest.mark.parametrize("kind", sorted(CHANNELS))
def test_a_secret_that_is_not_there_is_named_and_tried_again(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    given = {"routing_key": "env:NOT_THERE"} if kind == "pagerduty" else {"urls": ["env:NOT_THERE"]}
    answer, _reached = send(channel(kind=kind, **given), "ntf_1", message(**AT), NOW)
    assert answer.outcome == "retry"
    assert "NOT_THERE" in answer.detail


@pytest.mark.parametrize("token", [f"{SECRET}\tx", f"{SECRET}\nx", f"{SECRET}\x0bx", f"{SECRET}ü"])
def test_a_token_that_is_no_header_is_refused_and_never_shown(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("TOKEN", token)
    given = channel(kind="alertmanager", urls=[endpoint.url], bearer="env:TOKEN")
    answer, _reached = send(given, "ntf_1", message(**AT), NOW)
    assert (answer.outcome, SECRET in answer.detail, endpoint.bodies) == ("blocked", False, [])


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999/", "http://xn--a/", "http://[::1"])
def test_an_address_that_no_library_can_use_is_an_answer_and_no_error(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AM", address)
    answer, _reached = send(channel(kind="alertmanager", urls=["env:AM"]), "ntf_1", message(**AT), NOW)
    assert answer == Answer("retry", "The receiver of env:AM cannot be reached: InvalidURL")


def test_a_secret_address_of_a_receiver_is_never_shown(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AM", f"{endpoint.url}/{SECRET}")
    endpoint.handle = lambda headers, body: (403, {"you": SECRET})
    answer, _reached = send(channel(kind="alertmanager", urls=["env:AM"]), "ntf_1", message(**AT), NOW)
    assert (answer.outcome, answer.detail) == ("blocked", "The receiver of env:AM answered 403.")
    monkeypatch.setenv("AM", SECRET)
    answer, _reached = send(channel(kind="alertmanager", urls=["env:AM"]), "ntf_1", message(**AT), NOW)
    assert (answer.outcome, SECRET in answer.detail) == ("blocked", False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "urls: the kind apprise needs one or more"),
        ({"urls": [f"mailto://ada:{SECRET}@host"]}, "urls.0: an Apprise URL holds a credential"),
        ({"urls": ["env:"]}, "urls.0: an Apprise URL holds a credential"),
        ({"urls": ["env:A", "env:A"]}, "urls: one of them is there twice"),
        ({"urls": ["env:A"], "routing_key": "env:B"}, "routing_key: the kind apprise does not know it"),
        ({"kind": "pagerduty"}, "routing_key: pagerduty needs it"),
        ({"kind": "pagerduty", "routing_key": SECRET}, "routing_key: a secret is never in the file itself"),
        ({"kind": "pagerduty", "routing_key": "env:A", "digest": True}, "digest: a digest is no incident"),
        ({"kind": "pagerduty", "routing_key": "env:A", "url": "ftp://x"}, "url"),
        ({"kind": "alertmanager", "urls": [f"http://ada:{SECRET}@host/"]}, "urls.0: it holds a password"),
        ({"kind": "alertmanager", "urls": ["ftp://host/"]}, "urls.0: not a receiver"),
        ({"kind": "alertmanager", "urls": ["http://[bad"]}, "urls.0: not a receiver"),
        ({"kind": "alertmanager", "urls": ["http://h/"], "bearer": SECRET}, "bearer: a secret is never"),
        ({"urls": [f"env:A{n}" for n in range(5)], "timeout": "60s"}, "timeout: more than 0, and 4m at most"),
        ({"urls": ["env:A"], "policies": ["pp0"]}, "notify.x.policies: there is no policy 'pp0'; did you mean p0?"),
        ({"urls": ["env:A"], "polices": []}, "notify.x.polices: unknown key; did you mean policies?"),
    ],
)
def test_a_wrong_channel_is_refused_with_key_and_fix_and_without_the_secret(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse({"policy": {"p0": {"incumbent": "v1"}}, "notify": {"x": given}})
    assert said in str(refused.value)
    assert "notify.x" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_channel_is_named_so_that_it_can_be_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="at most 64 letters"):
        parse({"notify": {"a/b": {"urls": ["env:A"]}}})
