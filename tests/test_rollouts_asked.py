"""Rollouts over HTTP and from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor import tokens
from monitor.clock import ManualClock
from monitor.rollouts import progress
from monitor.store.database import Database
from monitor.store.tables import rollouts
from tests.api_site import Api, problem
from tests.command_line import Desk

WANTED = {"policy": "cooling", "to": "v8", "reason": "Better by the estimate."}
Ask = Callable[..., httpx.Response]


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


@pytest.fixture
def ask(api: Api) -> Ask:
    """Ask as a person, each with a token of their own."""
    with api.parts.database.begin() as connection:
        own = {
            name: tokens.create(connection, api.parts.clock, name, name, tokens.SCOPES, 86400.0, "test")
            for name in ("anna", "ben", "cleo")
        }

    def asked(person: str, path: str, body: Any, key: str | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {own[person]}", **({"idempotency-key": key} if key else {})}
        return api.post(path, body, headers=headers)

    return asked


def test_a_draft_is_started_once_shown_and_listed(api: Api, ask: Ask) -> None:
    made = ask("anna", "/rollouts", WANTED, "k1")
    assert made.status_code == 201, made.text
    again = ask("anna", "/rollouts", WANTED, "k1")
    assert (again.json(), again.headers["idempotency-replayed"]) == (made.json(), "true")
    assert problem(ask("anna", "/rollouts", {**WANTED, "to": "v9"}, "k1"), 422)
    assert "abort it first" in problem(ask("anna", "/rollouts", {**WANTED, "to": "v9"}), 409)
    shown = api.get("/rollouts/1").json()
    assert (shown["author"], shown["phase"], shown["wanted"]["needed"]) == ("anna", "draft", 2)
    assert [stage["name"] for stage in shown["stages"]] == ["shadow", "1%", "5%", "25%", "50%", "100%"]
    assert {stage["state"] for stage in shown["stages"]} == {"todo"}
    assert [one["id"] for one in api.get("/rollouts?policy=cooling").json()] == [1]
    assert api.get("/rollouts?policy=heating").json() == []
    assert len(api.rows(rollouts)) == 1


def test_two_people_approve_and_one_stops(api: Api, ask: Ask) -> None:
    digest = ask("anna", "/rollouts", WANTED).json()["wanted"]["digest"]
    assert "somebody else" in problem(ask("anna", "/rollouts/1/approve", {"digest": digest}), 403)
    first = ask("ben", "/rollouts/1/approve", {"digest": digest}, "b1")
    assert (first.status_code, first.json()["wanted"]["people"]) == (200, ["ben"])
    replayed = ask("ben", "/rollouts/1/approve", {"digest": digest}, "b1")
    assert replayed.headers["idempotency-replayed"] == "true"
    assert "another person" in problem(ask("ben", "/rollouts/1/approve", {"digest": digest}), 409)
    assert "agreed to" in problem(ask("cleo", "/rollouts/1/approve", {"digest": "0" * 64}), 409)
    assert ask("cleo", "/rollouts/1/approve", {"digest": digest}).json()["phase"] == "approved"
    progress.run(api.parts, "cooling", api.scheduler.watch)
    progress.run(api.parts, "cooling", api.scheduler.watch)
    shown = api.get("/rollouts/1").json()
    assert (shown["phase"], shown["stage_name"], shown["hold"]["over"]) == ("baking", "shadow", False)
    assert "cannot be advanced now" in problem(ask("ben", "/rollouts/1/advance", {"digest": digest}), 409)
    assert ask("cleo", "/rollouts/1/pause", {"reason": "A holiday."}).json()["may"] == ["resume", "abort"]
    assert "cannot pause" in problem(ask("cleo", "/rollouts/1/pause", {"reason": "A holiday."}), 409)
    assert ask("cleo", "/rollouts/1/resume", {"reason": "It is over."}).json()["phase"] == "applying"
    ended = ask("anna", "/rollouts/1/abort", {"reason": "Changed my mind."}).json()
    assert (ended["phase"], ended["may"], ended["route"]["split"]) == ("aborted", [], {"v7": 1.0})
    assert "new rollout" in problem(ask("anna", "/rollouts/1/abort", {"reason": "Once more."}), 409)
    assert [one["phase"] for one in api.get("/rollouts?all=true").json()] == ["aborted"]


def test_evidence_that_changed_is_409_with_what_changed_and_is_kept(api: Api, ask: Ask) -> None:
    digest = ask("anna", "/rollouts", WANTED).json()["wanted"]["digest"]
    changed = api.parts.settings.policy["cooling"].rollout.model_copy(update={"min_decisions": 7})
    policy = api.parts.settings.policy["cooling"].model_copy(update={"rollout": changed})
    api.parts.settings.policy["cooling"] = policy
    answer = ask("ben", "/rollouts/1/approve", {"digest": digest})
    assert "has changed (plan)" in problem(answer, 409)
    assert answer.json()["changed"] == ["plan"]
    fresh = answer.json()["digest"]
    assert api.get("/rollouts/1").json()["wanted"]["digest"] == fresh != digest
    assert ask("ben", "/rollouts/1/approve", {"digest": fresh}).status_code == 200


@pytest.mark.parametrize("identity", ["0", "77", "x", "9" * 30, "-1", "٣"])
def test_a_rollout_that_does_not_exist_is_404(api: Api, ask: Ask, identity: str) -> None:
    assert "no rollout" in problem(ask("anna", f"/rollouts/{identity}/abort", {"reason": "None."}), 404)
    assert problem(api.get(f"/rollouts/{identity}"), 404)


@pytest.mark.parametrize(
    "changes", [{"to": ""}, {"to": "a\x00"}, {"reason": "x"}, {"more": 1}, {"reason": "a\x00bcd"}, {"to": "v" * 201}]
)
def test_a_wrong_request_is_422(ask: Ask, changes: dict[str, Any]) -> None:
    assert problem(ask("anna", "/rollouts", {**WANTED, **changes}), 422)


def test_an_unknown_policy_is_404_and_a_version_that_serves_409(ask: Ask) -> None:
    assert "no policy" in problem(ask("anna", "/rollouts", {**WANTED, "policy": "nobody"}), 404)
    assert "serves cooling already" in problem(ask("anna", "/rollouts", {**WANTED, "to": "v7"}), 409)
    assert "fallback" in problem(ask("anna", "/rollouts", {**WANTED, "to": "v6"}), 409)


def test_a_rollout_from_the_command_line(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, migrated_file, capsys, monkeypatch)
    for name in ("anna", "ben", "cleo"):
        made = desk.run("token", "create", name, "--person", name, "--can", "act,approve", "--json")
        monkeypatch.setenv(f"TOKEN_{name.upper()}", made.json["token"])
    start = ("rollout", "start", "shop", "--to", "v3", "--reason", "Better.", "--token")
    assert desk.run("rollout", "status").out.strip() == "nothing is rolled out"
    assert desk.run(*start, "a-token-in-the-open").status == 2
    done = desk.run(*start, "env:TOKEN_ANNA", "--json")
    digest = done.json["wanted"]["digest"]
    assert (done.status, done.json["author"]) == (0, "anna")
    agree = ("rollout", "approve", "1", "--digest", digest, "--token")
    assert "somebody else" in desk.run(*agree, "env:TOKEN_ANNA").err
    assert "1 more person" in desk.run(*agree, "env:TOKEN_BEN").out
    assert desk.run("rollout", "status", "shop").out.count(digest) == 1
    assert desk.run(*agree, "env:TOKEN_CLEO").status == 0
    assert desk.run("rollout", "advance", "1", "--digest", digest, "--token", "env:TOKEN_BEN").status == 2
    assert desk.run("rollout", "pause", "1", "--reason", "Wait.").status == 2  # it has not begun
    assert "was aborted" in desk.run("rollout", "abort", "1", "--reason", "No.").out
    assert desk.run("rollout", "resume", "1", "--reason", "Yes.").status == 2
    assert [one["phase"] for one in desk.run("rollout", "status", "--all", "--json").json] == ["aborted"]
    desk.run("token", "revoke", "anna")
    assert "was revoked" in desk.run(*start, "env:TOKEN_ANNA").err
