"""Tokens of people: shown once, limited, expiring, revocable; those of before persons were keep their rights."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from monitor import tokens
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import events
from monitor.store.tables import tokens as stored
from monitor.tokens import TokenError
from tests.api_site import Api, problem
from tests.command_line import Desk

DAY = 86400.0


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


def made(api: Api, clock: ManualClock, *can: str, name: str = "t", person: str = "anna", lasts: float = DAY) -> str:
    with api.parts.database.begin() as connection:
        return tokens.create(connection, clock, name, person, can, lasts, "test")


def asked(api: Api, token: str, path: str = "/policies/cooling/kill") -> int:
    answer = api.post(path, {"reason": "A drill."}, headers={"authorization": f"Bearer {token}"})
    return answer.status_code


def test_a_token_is_stored_as_its_digest_and_found_by_itself_alone(api: Api, clock: ManualClock) -> None:
    token = made(api, clock, "act")
    with api.parts.database.read() as connection:
        rows = connection.execute(select(stored)).all()
        assert token not in str(rows)
        found = tokens.bearer(connection, token, clock)
        assert found is not None
        assert (found.name, found.person, sorted(found.can)) == ("t", "anna", ["act"])
        assert tokens.bearer(connection, token + "x", clock) is None
        bodies = [row.body for row in connection.execute(select(events))]
    assert token not in str(bodies)
    assert len(token) >= 43


@pytest.mark.parametrize(
    ("can", "path", "status"),
    [
        (("act",), "/policies/cooling/kill", 202),
        (("view",), "/policies/cooling/kill", 403),
        (("ack", "approve"), "/policies/cooling/kill", 403),
        (("act",), "/rollouts/1/approve", 403),
        (("act",), "/rollouts/1/advance", 403),
        (("approve",), "/rollouts/1/advance", 422),
        (("view",), "/policies/cooling/acknowledge", 403),
        (("ack",), "/policies/cooling/acknowledge", 422),
        (("act",), "/policies/cooling/acknowledge", 422),
    ],
)
def test_a_token_is_for_its_scopes_alone(
    api: Api, clock: ManualClock, can: tuple[str, ...], path: str, status: int
) -> None:
    assert asked(api, made(api, clock, *can), path) == status


def test_a_token_expires_by_the_machines_clock(api: Api, clock: ManualClock) -> None:
    token = made(api, clock, "act")
    clock.offset = 10 * DAY  # the event clock of a demo has nothing to do with it
    assert asked(api, token) == 202
    clock.advance(DAY)
    answer = api.post("/policies/cooling/kill", {"reason": "Now."}, headers={"authorization": f"Bearer {token}"})
    assert "has expired" in problem(answer, 401)


def test_a_revoked_token_is_refused_at_once_and_its_name_is_free(api: Api, clock: ManualClock) -> None:
    token = made(api, clock, "act")
    with pytest.raises(TokenError, match="is in force"):
        made(api, clock, "act")
    with api.parts.database.begin() as connection:
        assert tokens.revoke(connection, clock, "t", "test") == 1
        assert tokens.revoke(connection, clock, "t", "test") == 0
    assert asked(api, token) == 401
    made(api, clock, "act")
    with api.parts.database.read() as connection:
        states = sorted(one["state"] for one in tokens.listed(connection, clock) if one["name"] == "t")
    assert states == ["in force", "revoked"]


def test_a_token_of_before_persons_were_may_all_that_it_might_and_approves_nothing(api: Api) -> None:
    with api.parts.database.read() as connection:
        found = tokens.bearer(connection, api.token, api.parts.clock)
    assert found is not None
    assert (found.person, sorted(found.can)) == (None, sorted(tokens.SCOPES))
    started = api.post("/rollouts", {"policy": "cooling", "to": "v8", "reason": "Better."})
    assert "belongs to no person" in problem(started, 403)


def test_the_first_token_is_made_although_a_person_has_one(database: Database, clock: ManualClock) -> None:
    with database.begin() as connection:
        tokens.create(connection, clock, "t", "anna", ["act"], DAY, "test")
    assert tokens.ensure(database, clock)
    assert tokens.ensure(database, clock) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"can": ["aprove"]}, "did you mean approve"),
        ({"can": []}, "nothing is no scope"),
        ({"person": " "}, "must not be empty"),
        ({"person": "\u200b"}, "must not be empty"),
        ({"name": ""}, "must not be empty"),
        ({"person": "a\x00b"}, "must not be empty"),
        ({"lasts": 0.0}, "at most 366 days"),
        ({"lasts": 400 * DAY}, "at most 366 days"),
    ],
)
def test_a_wrong_token_is_refused_by_the_name_of_the_field(
    database: Database, clock: ManualClock, changes: dict[str, object], told: str
) -> None:
    wanted = {"name": "t", "person": "anna", "can": ["act"], "lasts": DAY, **changes}
    with database.begin() as connection, pytest.raises(TokenError, match=told):
        tokens.create(connection, clock, **wanted, actor="test")  # type: ignore[arg-type]


def test_tokens_from_the_command_line(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, migrated_file, capsys, monkeypatch)
    done = desk.run("token", "create", "laptop", "--person", "anna", "--can", "act,approve", "--json")
    assert (done.status, done.json["person"], done.json["can"]) == (0, "anna", ["act", "approve"])
    assert "laptop anna in force" in desk.run("token", "list").out
    assert done.json["token"] not in desk.run("token", "list", "--json").out
    assert desk.run("token", "revoke", "laptop").status == 0
    assert desk.run("token", "revoke", "laptop").status == 1
    assert desk.run("token", "create", "x", "--person", "anna", "--can", "aprove").status == 2


def test_a_new_token_in_the_environment_revokes_the_one_before_it(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "o" * 20, "n" * 20
    for token in (old, old, new):
        monkeypatch.setenv(tokens.VARIABLE, token)
        assert tokens.ensure(database, clock) is None
    with database.read() as connection:
        assert tokens.bearer(connection, old, clock) is None
        assert tokens.bearer(connection, new, clock) is not None
        kinds = [row.kind for row in connection.execute(select(events).order_by(events.c.id))]
    assert kinds == ["token.created", "token.revoked", "token.created"]
    monkeypatch.setenv(tokens.VARIABLE, old)  # a process that was left with it does not bring it back
    tokens.ensure(database, clock)
    with database.read() as connection:
        assert tokens.bearer(connection, old, clock) is None
        assert tokens.bearer(connection, new, clock) is not None


@pytest.mark.parametrize("spelling", ["anna bell", " Anna  Bell ", "ANNA\u00a0BELL", "Anna Bell\u200b", "Ａnna Bell"])
def test_another_spelling_of_a_person_is_the_same_person(api: Api, clock: ManualClock, spelling: str) -> None:
    held = [
        made(api, clock, "act", name="one", person="Anna Bell"),
        made(api, clock, "act", name="two", person=spelling),
    ]
    with api.parts.database.read() as connection:
        found = [tokens.bearer(connection, one, clock) for one in held]
    assert [one.person for one in found if one] == ["Anna Bell", "Anna Bell"]


def test_no_address_acts_for_a_token_that_may_only_look(api: Api, clock: ManualClock) -> None:
    token = made(api, clock, "view")
    described = api.get("/openapi.json").json()["paths"]
    posts = [path for path, verbs in described.items() if set(verbs) & {"post", "put", "patch", "delete"}]
    assert len(posts) > 25
    for path in posts:
        plain = path.removeprefix("/api/v1").replace("{", "").replace("}", "")
        answer = api.post(plain, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 403, path
