"""What a person does in the middle of it: stop everything, send again, take back; over HTTP and from a terminal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Boolean, column, func, select, table, update

from examples.receiver import REHEARSALS
from monitor.acting import by_hand, rollback
from monitor.clock import ManualClock
from monitor.settings import ConfigurationError, parse
from monitor.store.database import Database
from monitor.store.tables import actions, events, routes
from runbooks.actions import ActionState
from tests.api_site import Api
from tests.command_line import Desk
from tests.receivers import SECRET, Endpoint

WHY = {"reason": "It endangers people."}
KILL, ROUTE = "/policies/cooling/kill", "/policies/cooling/route"
HOOK = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "env:NONE"}


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path, hook={"serving": HOOK})


def serving(api: Api) -> tuple[str, int]:
    shown = api.get(ROUTE).json()
    return shown["serving"], shown["generation"]


def turn(api: Api, state: str) -> str:
    """Roll back, and bring the action into a state."""
    api.post("/policies/cooling/rollback", WHY)
    with api.parts.database.begin() as connection:
        return str(connection.execute(update(actions).values(state=state).returning(actions.c.id)).scalar_one())


def test_the_kill_switch_goes_to_the_last_fallback_and_is_sent(api: Api) -> None:
    answer = api.post(KILL, WHY)
    assert (answer.status_code, answer.json()["to_version"], serving(api)) == (202, "rules", ("rules", 2))
    (row,) = api.rows(actions)
    assert (row.state, row.trigger, row.actor) == ("pending", "kill", "token:first")
    assert '"mode":"manual"' in row.body
    assert "manual" not in REHEARSALS
    again = api.post(KILL, WHY)
    assert (again.status_code, again.json()["state"], serving(api)) == (200, "unneeded", ("rules", 2))
    assert "served by rules alone already" in again.json()["sentence"]
    assert [row.kind for row in api.rows(events)][-1] == "kill.unneeded"


@pytest.mark.parametrize("state", [state.value for state in ActionState])
def test_the_kill_switch_works_whatever_the_action_under_way_is_in(api: Api, state: str) -> None:
    before = turn(api, state)
    assert api.post(KILL, WHY).status_code == 202
    assert serving(api) == ("rules", 3)
    left = {row.id: row.state for row in api.rows(actions)}.pop(before)
    assert left == (state if state in {"dry_run", "confirmed", "superseded", "cancelled"} else "superseded")


def test_the_kill_switch_goes_where_this_incident_came_from_too(api: Api) -> None:
    with api.parts.database.begin() as connection:
        by_hand.request(connection, api.parts, "cooling", "rules", "Once.", "test")
        by_hand.request(connection, api.parts, "cooling", "v6", "And back.", "test")
    assert api.post(KILL, WHY).status_code == 202  # rules was rolled back in this incident
    assert serving(api) == ("rules", 4)


def test_the_kill_switch_takes_what_a_canary_has(api: Api) -> None:
    with api.parts.database.begin() as connection:
        connection.execute(update(routes).where(routes.c.policy == "cooling").values(
            serving="rules", split='{"rules":0.9,"v8":0.1}', generation=5))  # fmt: skip
    assert api.post(KILL, WHY).json()["from_version"] == "v8"
    assert api.get(ROUTE).json()["split"] == {"rules": 1.0}


def test_a_policy_without_fallbacks_goes_to_its_incumbent(api: Api) -> None:
    assert by_hand.safe_version(api.parts.settings, "heating") == "v1"
    assert api.post("/policies/heating/kill", WHY).json()["state"] == "unneeded"


@pytest.mark.parametrize("body", [{}, {"reason": "no"}, {"reason": "Why not", "to": "v6"}])
def test_a_kill_says_why(api: Api, body: Any) -> None:
    assert api.post(KILL, body).status_code == 422
    assert serving(api) == ("v7", 1)


def test_what_was_refused_is_listed_and_sent_again(api: Api) -> None:
    blocked = turn(api, "blocked")
    shown = api.get("/actions").json()
    assert [(item["id"], item["state"], item["to_version"]) for item in shown] == [(blocked, "blocked", "v6")]
    answer = api.post(f"/actions/{blocked}/replay", {})
    assert (answer.status_code, answer.json()["state"]) == (200, "pending")
    assert api.post(f"/actions/{blocked}/replay", {}).status_code == 409
    assert api.post(f"/actions/{blocked}/cancel", {}).json()["state"] == "cancelled"
    assert api.get("/actions").json() == []
    assert [item["id"] for item in api.get("/actions", params={"all": True}).json()] == [blocked]
    assert serving(api) == ("v6", 2)


def test_the_same_key_replays_once(api: Api) -> None:
    blocked, key = turn(api, "dead_letter"), {"Idempotency-Key": "k"}
    answers = [api.post(f"/actions/{blocked}/replay", {}, headers=key).content for _ in range(2)]
    assert answers[0] == answers[1]


def test_an_action_or_policy_that_is_not_there_is_a_problem(api: Api) -> None:
    assert api.post("/actions/act_none/replay", {}).status_code == 404
    assert api.post("/policies/coolng/kill", WHY).status_code == 404
    assert api.get("/actions", params={"policy": "coolng"}).status_code == 404


def test_the_same_from_a_terminal(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, migrated_file, capsys, monkeypatch)
    desk.configure('[hook.serving]\nkind = "command"\ncommand = ["false"]\n')
    assert desk.run("action", "list").out == "nothing is under way\n"
    killed = desk.run("kill", "shop", "--reason", "It endangers people.", "--json")
    assert (killed.status, killed.json["to_version"], killed.json["states"]) == (3, "v1", ["pending"])
    again = desk.run("kill", "shop", "--reason", "Again.")
    assert (again.status, "not confirmed yet: pending.\nNow: pending." in again.out) == (3, True)  # asked, not done
    (identity,) = killed.json["actions"]
    assert identity in desk.run("action", "list", "shop").out
    refused = desk.run("action", "replay", identity)
    assert (refused.status, refused.out) == (1, f"{identity} is pending, and nothing was changed.\n")
    assert desk.run("action", "cancel", identity).status == 0
    assert "there is no such action" in desk.run("action", "cancel", "act_none").out
    with desk.parts().database.read() as connection:
        assert connection.execute(select(actions.c.state)).scalar_one() == "cancelled"


def test_a_kill_that_meets_a_rollback_is_not_unneeded(api: Api) -> None:
    """On PostgreSQL a read takes no lock: the route that the kill saw may have moved when it acts."""
    database = api.parts.database
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            by_hand.request(connection, api.parts, "cooling", "v6", "Meanwhile.", "test")
            killed = pool.submit(lambda: api.post(KILL, WHY))
            waits = select(func.count()).select_from(table("pg_locks")).where(~column("granted", Boolean))
            while not database.sqlite and not killed.done():  # until it waits for the row
                with database.read() as other:
                    if other.execute(waits).scalar_one():
                        break
        assert killed.result().status_code == 202
    assert serving(api) == ("rules", 3)


def test_a_kill_that_is_asked_again_says_what_came_of_the_first(api: Api) -> None:
    first = api.post(KILL, WHY).json()
    again = api.post(KILL, WHY).json()
    assert (again["state"], again["actions"]) == ("unneeded", first["actions"])
    assert again["sentence"].endswith("That is not confirmed yet: pending.")
    with api.parts.database.begin() as connection:
        connection.execute(update(actions).values(state="confirmed"))
    done = api.post(KILL, WHY).json()
    assert (done["actions"], "not confirmed" in done["sentence"]) == ([], False)


def test_what_was_decided_is_said_before_the_first_attempt(
    database: Database, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    receiver, said, first = Endpoint(), list[str](), list[list[str]]()

    def take(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        first.append(list(said))
        return 200, {}

    receiver.handle = take
    api = Api(database, clock, tmp_path, hook={"serving": {**HOOK, "url": receiver.url, "secret": "env:HOOK_SECRET"}})
    done = by_hand.roll_back(api.parts, "cooling", None, "It endangers people", "cli", 0.0, kill=True, say=said.append)
    receiver.close()
    assert said == ["cooling goes from v7 to rules, generation 2: It endangers people."]  # a sentence ends
    assert first == [said]
    assert done["sentence"] == f"{said[0]} Now: delivered."


def test_a_trigger_may_not_name_where_to_go(api: Api) -> None:
    with api.parts.database.begin() as connection, pytest.raises(ValueError, match="only a person"):
        rollback.request(
            connection, api.parts.settings, api.parts.clock, "cooling", from_version=None, reason="r",
            trigger="reward_3sigma", actor="t", mode="automatic", to_version="rules",
        )  # fmt: skip


@pytest.mark.parametrize("name", ["a/b", "", ".", ".."])
def test_a_policy_that_could_not_be_stopped_over_http_is_not_configured(name: str) -> None:
    with pytest.raises(ConfigurationError, match="could not be stopped over HTTP"):
        parse({"policy": {name: {"incumbent": "v6"}}})


@pytest.mark.parametrize("name", ["kühl 1", "a?b#c", "a%2Fb", "x.y", "\n", "☃"])
def test_a_policy_with_an_odd_name_is_stopped_over_http(
    database: Database, clock: ManualClock, tmp_path: Path, name: str
) -> None:
    api = Api(database, clock, tmp_path, {name: {"incumbent": "v6", "serving": "v7"}})
    assert api.post(f"/policies/{quote(name, safe='')}/kill", WHY).status_code == 202
    assert api.get(f"/policies/{quote(name, safe='')}/route").json()["serving"] == "v6"
    assert api.get(f"/policies/{quote(name, safe='')}/candidates").json()["policy"] == name
