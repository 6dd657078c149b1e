"""Policies over HTTP: what is shown, the route that serving processes follow, rolling back and acknowledging."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import event, insert, update

from monitor.acting import by_hand
from monitor.bucketing.baseline import freeze
from monitor.clock import ManualClock
from monitor.settings import shipped_triggers
from monitor.sources.payload import ARROW
from monitor.store.database import Database
from monitor.store.tables import actions, alerts, events, idempotency, routes
from tests.api_site import POLICIES, Api, decision, problem

ROUTE, ROLLBACK = "/policies/cooling/route", "/policies/cooling/rollback"
DAY, HOUR = 86400.0, 3600.0
WHY = {"reason": "Bids look wrong."}


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


def roll_back(api: Api, to: str | None = None) -> None:
    with api.parts.database.begin() as connection:
        by_hand.request(connection, api.parts, "cooling", to, "It failed.", "test")


def until(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + 300, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        pause.wait(0.01)


def alert(api: Api, policy: str, severity: str = "page", state: str = "firing", **more: Any) -> None:
    row: dict[str, Any] = {"policy": policy, "version": "v7", "trigger": "reward_3sigma", "key": ""}
    row |= {
        "severity": severity,
        "state": state,
        "health": "ok",
        "since": 1.0,
        "streak": 0,
        "judged_until": 1.0,
        "reason": "Fell.",
        **more,
    }
    with api.parts.database.begin() as connection:
        connection.execute(insert(alerts), [row])


def test_the_route_says_what_should_serve_and_until_when(api: Api, clock: ManualClock) -> None:
    answer = api.get(ROUTE)
    told = answer.json()
    assert (told["serving"], told["generation"], told["split"]) == ("v7", 1, {"v7": 1.0})
    assert (answer.headers["etag"], answer.headers["cache-control"]) == (told["etag"], "no-store")
    assert told["valid_until"] == "2025-06-15T15:08:40Z"
    clock.advance(30)
    later = api.get(ROUTE, headers={"If-None-Match": told["etag"]})
    assert (later.status_code, later.content, later.headers["etag"]) == (304, b"", told["etag"])
    assert later.headers["x-valid-until"] == "2025-06-15T15:09:10Z"


@pytest.mark.parametrize("tags", ["{}", "W/{}", '"other", {}', "*"])
def test_a_tag_matches_alone_in_a_list_or_weakened_by_a_proxy(api: Api, tags: str) -> None:
    etag = api.get(ROUTE).headers["etag"]
    header = {"If-None-Match": tags.format(etag)}
    assert api.get(ROUTE, headers=header).status_code == 304
    roll_back(api)
    assert api.get(ROUTE, headers=header).status_code == (304 if tags == "*" else 200)


@pytest.fixture
def looks(database: Database) -> list[int]:
    """Return a list that grows with each look into the database."""
    seen: list[int] = []
    event.listen(database.engine, "begin", lambda _connection: seen.append(1))
    return seen


def test_a_long_poll_answers_at_once_when_the_policy_is_rolled_back(api: Api, looks: list[int]) -> None:
    header = {"If-None-Match": api.get(ROUTE).headers["etag"]}
    looks.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, ROUTE, params={"wait": 60}, headers=header)
        until(lambda: len(looks) >= 3)  # it is open, and asks again and again
        assert not waiting.done()
        roll_back(api)
        answer = waiting.result(timeout=300)
    assert (answer.status_code, answer.json()["serving"], answer.json()["generation"]) == (200, "v6", 2)


def test_a_long_poll_ends_with_304_when_the_server_stops(api: Api, looks: list[int]) -> None:
    header = {"If-None-Match": api.get(ROUTE).headers["etag"]}
    looks.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, ROUTE, params={"wait": 60}, headers=header)
        until(lambda: len(looks) >= 2)
        api.scheduler.draining.set()
        assert waiting.result(timeout=300).status_code == 304


def test_a_poll_without_a_tag_or_with_an_old_one_does_not_wait(api: Api) -> None:
    with ThreadPoolExecutor(1) as pool:
        for headers in ({}, {"If-None-Match": '"1-old"'}):
            assert pool.submit(api.get, ROUTE, params={"wait": 60}, headers=headers).result(timeout=300).is_success


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "soon"])
def test_a_wait_that_is_none_is_refused(api: Api, wait: str) -> None:
    assert "query.wait" in problem(api.get(ROUTE, params={"wait": wait}), 422)


def test_a_rollback_moves_the_route_and_says_what_it_did(api: Api) -> None:
    answer = api.post(ROLLBACK, WHY)
    told = answer.json()
    assert (answer.status_code, told["state"], told["from_version"], told["to_version"]) == (
        202,
        "requested",
        "v7",
        "v6",
    )
    assert (api.get(ROUTE).json()["serving"], api.get(ROUTE).json()["generation"]) == ("v6", 2)
    (row,) = api.rows(actions)
    assert (list(told["actions"]), row.actor, row.reason) == ([row.id], "token:first", WHY["reason"])
    shown = api.get("/policies/cooling/status").json()
    assert (shown["state"], [item["id"] for item in shown["actions"]]) == ("rollback", told["actions"])


def test_the_same_key_and_request_get_the_same_answer_and_act_once(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = api.post(ROLLBACK, WHY, headers=key), api.post(ROLLBACK, WHY, headers=key)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert api.get(ROUTE).json()["generation"] == 2
    assert "choose a new one" in problem(api.post(ROLLBACK, {"reason": "Another."}, headers=key), 422)
    assert api.get(ROUTE).json()["generation"] == 2


def test_without_a_key_each_request_acts(api: Api) -> None:
    assert [api.post(ROLLBACK, WHY).json()["to_version"] for _ in range(2)] == ["v6", "rules"]
    assert api.rows(idempotency) == []


def test_requests_with_one_key_that_come_together_act_once(api: Api) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(api.post, ROLLBACK, WHY, headers={"Idempotency-Key": "k"}) for _ in range(4)]
        assert {(one.result().status_code, one.result().content) for one in asked} == {(202, asked[0].result().content)}
    assert api.get(ROUTE).json()["generation"] == 2


def test_a_refused_request_does_not_use_up_its_key(api: Api) -> None:
    key = {"Idempotency-Key": "k2"}
    problem(api.post(ROLLBACK, {**WHY, "to": "v7"}, headers=key), 409)
    roll_back(api)
    assert api.post(ROLLBACK, {**WHY, "to": "v7"}, headers=key).status_code == 202


def test_only_a_version_that_is_known_and_does_not_serve_can_be_named(api: Api) -> None:
    assert "it has rules, v6, v7" in problem(api.post(ROLLBACK, {**WHY, "to": "v99"}), 422)
    assert "v7 is the version to be stopped" in problem(api.post(ROLLBACK, {**WHY, "to": "v7"}), 409)
    problem(api.post(ROLLBACK, {**WHY, "to": ""}), 422)
    assert (api.rows(actions), api.get(ROUTE).json()["generation"]) == ([], 1)
    api.lines([decision("d1", version="v5")])
    assert api.post(ROLLBACK, {**WHY, "to": "v5"}).json()["to_version"] == "v5"  # the log knows it


def test_a_chain_without_an_end_is_a_problem_that_pages_once(api: Api) -> None:
    for _ in range(2):
        api.post(ROLLBACK, WHY)
    key = {"Idempotency-Key": "end"}
    answers = [api.post(ROLLBACK, WHY, headers=key) for _ in range(2)]
    for answer in answers:
        assert "No version is left" in problem(answer, 409)
        assert (answer.json()["state"], answer.json()["from_version"]) == ("blocked", "rules")
    assert [row.state for row in api.rows(actions)].count("blocked") == 1
    assert [row.kind for row in api.rows(events)].count("page") == 1


@pytest.mark.parametrize(
    "body", [{}, {"reason": "no"}, {"reason": "N\0L"}, {"reason": "Why not", "To": "v6"}, {"reason": 7}, [], b'{"re']
)
def test_a_body_that_is_no_request_is_a_problem(api: Api, body: Any) -> None:
    assert "body" in problem(api.post(ROLLBACK, body), 422)
    assert api.get(ROUTE).json()["generation"] == 1


def acknowledge(api: Api, generation: int, serving: str, **headers: str) -> httpx.Response:
    body = {"generation": generation, "serving": serving, "artifact_sha256": "ab" * 32}
    return api.post("/policies/cooling/acknowledge", body, headers=headers)


def test_an_acknowledgement_is_noted_once_and_confirms_nothing_yet(api: Api) -> None:
    api.post(ROLLBACK, WHY)
    assert acknowledge(api, 1, "v6").json()["matched"] == 0
    assert acknowledge(api, 2, "v7").json()["matched"] == 0
    told = {"policy": "cooling", "generation": 2, "matched": 1}
    assert [acknowledge(api, 2, "v6", **{"Idempotency-Key": "a"}).json() for _ in range(2)] == [told, told]
    assert acknowledge(api, 2, "v6").json()["matched"] == 0
    (row,) = api.rows(actions)
    assert (row.state, row.artifact_sha256, row.confirmed) == ("delivered", "ab" * 32, None)
    assert row.acknowledged == api.parts.clock.now()
    problem(acknowledge(api, 0, "v6"), 422)


def test_an_unknown_policy_is_a_404_wherever_it_is_named(api: Api) -> None:
    answers = [api.get(f"/policies/coolng/{end}") for end in ("status", "route")]
    answers += [api.post("/policies/coolng/rollback", WHY), api.get("/alerts?policy=coolng")]
    answers += [api.post("/policies/coolng/acknowledge", {"generation": 1, "serving": "v6"})]
    for answer in answers:
        assert "configured: cooling, heating" in problem(answer, 404)


def test_alerts_come_worst_first_and_without_those_that_are_over(api: Api) -> None:
    alert(api, "cooling", "warn")
    alert(api, "cooling", "page", trigger="no_data")
    alert(api, "heating", "rollback")
    alert(api, "heating", "rollback", "resolved", trigger="over")
    alert(api, "heating", "rollback", "pending", trigger="soon")
    shown = [(item["policy"], item["shown"]) for item in api.get("/alerts").json()]
    worst_first = [("heating", "rollback"), ("cooling", "page"), ("cooling", "warning"), ("heating", "pending")]
    assert shown == worst_first
    assert [item["trigger"] for item in api.get("/alerts?policy=cooling").json()] == ["no_data", "reward_3sigma"]


def test_policies_come_worst_first(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    api = Api(database, clock, tmp_path, dict.fromkeys(("a", "b", "cooling", "d"), POLICIES["cooling"]))
    alert(api, "b")
    alert(api, "d", "warn")
    roll_back(api)
    found = [(item["policy"], item["state"]) for item in api.get("/policies").json()]
    assert found == [("cooling", "rollback"), ("b", "page"), ("a", "insufficient"), ("d", "insufficient")]


def test_healthy_needs_data_a_baseline_a_judgement_and_a_scheduler_that_runs(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    off = {name: {"enabled": False} for name in shipped_triggers() if name not in {"reward_3sigma", "no_data"}}
    api = Api(database, clock, tmp_path, {"cooling": {**POLICIES["cooling"], "trigger": off}})

    def state() -> str:
        found = api.get("/policies/cooling/status").json()
        assert [found] == api.get("/policies").json()
        return str(found["state"])

    def live(hours: float) -> None:
        begin = clock.now()
        at = begin + 10 * np.arange(int(hours * 360))
        reward = np.random.default_rng(1).normal(1.0, 0.3, len(at))
        rows = [
            decision(f"{int(t)}", ts=f"{np.datetime64(int(t), 's')}Z", reward=float(r))
            for t, r in zip(at, reward, strict=True)
        ]
        clock.advance(hours * HOUR)
        sink = pa.BufferOutputStream()
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        assert api.post("/decisions", sink.getvalue().to_pybytes(), ARROW).json()["accepted"] == len(rows)
        api.scheduler.judge("cooling")

    def serve(version: str) -> None:
        with database.begin() as connection:
            connection.execute(update(routes).values(serving=version))

    assert state() == "insufficient"
    begin = clock.now()
    live(24)
    assert state() == "insufficient"  # data, but nothing to compare it with
    freeze(api.parts, "cooling", begin, clock.now(), "test")
    assert state() == "insufficient"  # nothing was judged since
    live(2)
    assert state() == "healthy"
    serve("v6")
    assert state() == "insufficient"  # nothing was judged of this version
    serve("v7")
    assert state() == "healthy"
    clock.advance(3600)
    assert state() == "error"  # the scheduler has not passed for an hour
    for _ in range(15):  # it listens again, and no decision comes
        api.scheduler.judge("cooling")
        clock.advance(10)
    assert state() == "page"
