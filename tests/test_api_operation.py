"""What holds for the whole API: tokens, problems, health, metrics, and the document that describes it."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, update

from monitor import tokens
from monitor.api.app import create_app
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import events, metadata
from monitor.store.tables import tokens as stored
from tests.api_site import Api, decision, problem

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield method, path, item[method]


def filled(path: str, policy: str) -> str:
    """Return the path with a policy's name, and with a number of something that is not there."""
    return re.sub(r"\{\w+\}", "1", path.replace("{policy}", policy))


WRONG = [{}, {"authorization": "Bearer "}, {"authorization": "Bearer wrong"}, {"authorization": "Basic {token}"}]
WRONG += [{"authorization": "{token}"}, {"x-api-key": "{token}"}]


@pytest.mark.parametrize("given", WRONG, ids=repr)
def test_every_route_that_acts_asks_for_a_token_before_anything_else(
    api: Api, document: dict[str, Any], given: dict[str, str]
) -> None:
    headers = {name: value.format(token=api.token) for name, value in given.items()}
    acting = [(method, path, item) for method, path, item in operations(document) if method != "get"]
    assert len(acting) >= 4
    for method, path, item in acting:
        assert item["security"] == [{"token": []}], path
        for policy in ("cooling", "coolng"):  # nobody learns which policies there are
            for body in (b"", b'{"broken'):
                url = filled(path, policy)
                answer = api.ask(
                    method.upper(), url, content=body, headers=headers | {"content-type": "application/json"}
                )
                assert "token" in problem(answer, 401), path
                assert answer.headers["www-authenticate"] == "Bearer"


def test_the_document_says_what_a_token_is(document: dict[str, Any]) -> None:
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_reading_needs_no_token(api: Api, document: dict[str, Any]) -> None:
    for method, path, _item in operations(document):
        if method == "get" and path != "/readyz":
            found = "{" not in path.replace("{policy}", "")  # else it is about something that is not there
            assert api.ask("GET", filled(path, "cooling")).status_code == (200 if found else 404), path


def test_a_revoked_token_opens_nothing(api: Api, database: Database) -> None:
    assert api.lines([decision("d1")]).status_code == 200
    with database.begin() as connection:
        connection.execute(update(stored).values(revoked=1.0))
    assert "revoked" in problem(api.lines([decision("d2")]), 401)


def test_a_token_is_stored_as_its_digest_alone(api: Api, database: Database, clock: ManualClock) -> None:
    assert len(api.token) >= 43
    (row,) = api.rows(stored)
    assert (row.sha256, row.name) == (hashlib.sha256(api.token.encode()).hexdigest(), "first")
    api.post("/policies/cooling/rollback", {"reason": "Try it."}, headers={"Idempotency-Key": "k"})
    for table in metadata.sorted_tables:
        assert api.token not in repr(api.rows(table)), table.name
    assert tokens.ensure(database, clock) is None
    assert [row.kind for row in api.rows(events)].count("token.created") == 1


def test_the_first_token_is_made_once_however_many_start_together(database: Database, clock: ManualClock) -> None:
    made: list[str | None] = []
    threads = [threading.Thread(target=lambda: made.append(tokens.ensure(database, clock))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token is None for token in made) == [False, True, True, True]


def test_a_token_of_the_environment_is_taken_and_not_shown(
    api: Api, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.begin() as connection:
        connection.execute(delete(stored))
    monkeypatch.setenv("CHECKREIN_TOKEN", "of-the-environment-1234\n")  # as a file of secrets has it
    assert [tokens.ensure(database, clock) for _ in range(2)] == [None, None]
    api.token = "of-the-environment-1234"
    assert api.lines([decision("d1")]).status_code == 200
    assert [row.name for row in api.rows(stored)] == ["environment"]


@pytest.mark.parametrize(
    ("token", "why"), [("short", "5 characters"), ("sécret-sécret-sécret", "ASCII"), ("a b" * 9, "space")]
)
def test_a_token_that_cannot_serve_is_refused(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, token: str, why: str
) -> None:
    monkeypatch.setenv("CHECKREIN_TOKEN", token)
    with pytest.raises(ValueError, match=why) as caught:
        tokens.ensure(database, clock)
    assert token not in str(caught.value)


def test_what_does_not_exist_is_a_problem(api: Api) -> None:
    for path in ("/", "/api/v1/nothing", "/api/v2/policies", "/docs"):
        assert problem(api.ask("GET", path), 404)
    assert problem(api.post("/nothing", {}), 404)
    answer = api.post("/policies", {})
    assert problem(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_a_wrong_parameter_is_named(api: Api) -> None:
    answer = api.post("/policies/cooling/acknowledge", {"generation": "two", "serving": 7, "more": 1})
    assert "body.generation" in problem(answer, 422)
    assert [fault["where"] for fault in answer.json()["errors"]] == ["body.generation", "body.serving", "body.more"]


def test_a_fault_of_the_server_is_a_problem_without_its_inside(api: Api) -> None:
    @api.app.get("/broken")
    def broken() -> None:
        raise RuntimeError("inside")

    api.raises = False
    answer = api.ask("GET", "/broken")
    assert "inside" not in problem(answer, 500)
    assert "inside" not in answer.text


def test_a_database_that_is_away_is_a_problem_for_the_token_too(
    clock: ManualClock, migrated_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "away.db"
    file.write_bytes(migrated_file.read_bytes())
    database = Database(f"sqlite:///{file}", busy=0.1)
    api = Api(database, clock, tmp_path)
    database.close()  # the mode changes only while nobody is connected
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute("BEGIN EXCLUSIVE")  # shuts readers out, too
    for answer in (
        api.ask("GET", "/readyz"),
        api.ask("GET", "/metrics"),
        api.get("/policies"),
        api.lines([decision("d1")]),
    ):
        assert "send it again" in problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
    other.rollback()
    other.close()
    assert api.get("/policies").status_code == 200
    database.close()


def test_health_names_each_part_and_a_dead_one_is_503(api: Api) -> None:
    """No lifespan runs here: the scheduler is started and ended by hand, beside the application that looks at it."""
    api.app = create_app(api.scheduler, run=True)

    def health() -> tuple[int, dict[str, bool]]:
        answer = api.ask("GET", "/healthz")
        assert answer.json()["healthy"] == (answer.status_code == 200)
        return answer.status_code, answer.json()["parts"]

    assert health() == (503, {"beat": False})
    api.scheduler.start()
    everything = dict.fromkeys(("beat", "events", "actions", "watchdog"), True)
    assert health() == (200, everything)
    api.scheduler.stopping.set()  # the loops end, the beat goes on
    api.scheduler.loop.wake()
    for name in ("watchdog", "events", "actions"):
        for thread in [one for one in threading.enumerate() if one.name == name]:
            thread.join(timeout=300)
    assert health() == (503, {name: name == "beat" for name in everything})
    api.scheduler.stop()
    assert health() == (503, dict.fromkeys(everything, False))


def test_ready_means_that_every_policy_was_passed_over_lately(api: Api, clock: ManualClock) -> None:
    answer = api.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"ready": False, "stale": {"judge:cooling": None, "judge:heating": None}},
    )
    for policy in ("cooling", "heating"):
        api.scheduler.judge(policy)
    answer = api.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "stale": {}})
    clock.advance(60)
    api.scheduler.judge("cooling")
    answer = api.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["stale"]) == (503, {"judge:heating": 60.0})


def test_metrics_are_what_prometheus_reads(api: Api) -> None:
    api.lines([decision("d1"), decision("d2", propensity=2)])
    api.post("/policies/cooling/rollback", {"reason": "Try it."})
    api.scheduler.judge("cooling")
    answer = api.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert [
        name for name, family in families.items() if not (name.startswith("checkrein_") and family.documentation)
    ] == []
    found = {
        name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for name, family in families.items()
    }
    assert found["checkrein_data_age_seconds"] == {("cooling",): 100.0, ("heating",): inf}  # never is not silent
    assert found["checkrein_evaluation_age_seconds"] == {("judge:cooling",): 0.0, ("judge:heating",): inf}
    assert found["checkrein_actions"] == {("delivered",): 1.0}
    assert (found["checkrein_outbox_depth"], found["checkrein_outbox_oldest_seconds"]) == ({(): 1.0}, {(): 0.0})
    assert found["checkrein_quarantined_rows"] == {("propensity", "cooling"): 1.0}
    assert found["checkrein_actions_unconfirmed"] == {(): 0.0}
    assert found["checkrein_deliveries"] == found["checkrein_delivery_attempts"] == {}  # the route is the whole message


def test_the_document_is_valid_and_every_operation_has_a_summary(document: dict[str, Any]) -> None:
    OpenAPI.model_validate(document)
    found = list(operations(document))
    assert [path for _method, path, item in found if not item.get("summary")] == []
    names = [item["operationId"] for _method, _path, item in found]
    assert len(set(names)) == len(names)
    text = json.dumps(document)
    for name in document.get("components", {}).get("schemas", {}):
        assert f"#/components/schemas/{name}" in text
        Draft202012Validator.check_schema(document["components"]["schemas"][name])
    for method, path, item in found:
        named = {one["name"] for one in item.get("parameters", []) if one["in"] == "path"}
        assert named == {part.strip("{}") for part in path.split("/") if part.startswith("{")}, path
        assert {"4XX", "5XX"} <= set(item["responses"]), path
        assert method == "get" or "{identity}" in path or item["requestBody"]["content"], path
