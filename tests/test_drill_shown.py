"""Drills from the command line, over HTTP, in the lint and in the checklist; and those that a real hook hears of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.receiver import Receiver
from monitor import playbook
from monitor.clock import ManualClock
from monitor.drill.kill import drill_kill
from monitor.settings import ConfigurationError, parse
from monitor.store.database import Database
from monitor.tick import Parts
from tests.api_site import Api, problem
from tests.command_line import Desk
from tests.drilled import steps
from tests.receivers import SECRET, Endpoint

LATE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    opened = Endpoint()
    yield opened
    opened.close()


def hooked(api: Api, endpoint: Endpoint, *, drills: bool = True) -> Parts:
    """Return the parts of cooling with a hook of its own; drills take as long as a busy machine needs."""
    hook = {"kind": "webhook", "url": endpoint.url, "secret": "env:HOOK_SECRET", "drills": drills, "timeout": "60s"}
    policies = {name: one.model_dump(mode="json", include={"incumbent", "serving", "fallbacks", "actions"})
                for name, one in api.parts.settings.policy.items()}  # fmt: skip
    settings = parse({"policy": policies, "hook": {"serving": hook}}, api.parts.settings.base)
    return Parts(settings, api.parts.database, api.parts.clock, api.parts.landing)


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def test_the_reference_receiver_acknowledges_a_drill_and_moves_nothing(
    api: Api, endpoint: Endpoint, clock: ManualClock, tmp_path: Path
) -> None:
    switched: list[str] = []

    def switch(_policy: str, version: str) -> str:
        switched.append(version)
        return ""

    receiver = Receiver(tmp_path / "r.json", [SECRET], switch, "v7")
    receiver.clock = clock.real
    endpoint.handle = receiver.receive
    found = drill_kill(hooked(api, endpoint), "cooling", by="ada", receiver="hook:serving", wait=clock.advance)
    assert found["state"] == "passed", found["sentence"]
    assert steps(found)["receiver"] == "passed"
    assert (len(endpoint.bodies), b'"mode":"drill"' in endpoint.bodies[0]) == (1, True)
    assert (switched, receiver.state("cooling")["serving"]) == ([], "v7")


def test_a_receiver_that_does_not_know_drills_refuses_their_generation(
    api: Api, endpoint: Endpoint, clock: ManualClock, tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path / "r.json", [SECRET], lambda _policy, _version: "", "v7")
    assert receiver.apply("cooling", "v7", 1)[0] == 200
    endpoint.handle = lambda _headers, body: receiver.apply("cooling", "rules", _generation(body))
    found = drill_kill(hooked(api, endpoint), "cooling", by="ada", receiver="hook:serving", wait=clock.advance)
    assert (found["state"], steps(found)["receiver"]) == ("failed", "failed")
    assert "answered 409" in found["sentence"]
    assert receiver.state("cooling")["serving"] == "v7"


def _generation(body: bytes) -> int:
    return int(json.loads(body)["data"]["generation"])


def test_a_hook_that_does_not_say_that_it_knows_drills_gets_none(
    api: Api, endpoint: Endpoint, clock: ManualClock
) -> None:
    with pytest.raises(ConfigurationError, match=r"write hook\.serving\.drills = true"):
        drill_kill(hooked(api, endpoint, drills=False), "cooling", by="ada", receiver="hook:serving")
    assert endpoint.bodies == []


def test_drills_are_read_over_http(api: Api, clock: ManualClock) -> None:
    assert api.get("/drills").json() == []
    drill_kill(api.parts, "cooling", by="ada", wait=clock.advance)
    (row,) = api.get("/drills?policy=cooling").json()
    assert (row["trigger"], row["state"], row["to_version"], "steps" in row) == ("kill", "passed", "rules", False)
    assert api.get("/drills?policy=heating").json() == []
    one = api.get(f"/drills/{row['id']}").json()
    assert (one["intact"], one["sha256"]) == (True, row["sha256"])
    assert "break_glass" in steps(one)
    for identity in ("0", "77", "x", "9" * 30, "-1", "٣"):
        assert "no drill" in problem(api.get(f"/drills/{identity}"), 404)
    assert "no policy" in problem(api.get("/drills?policy=nobody"), 404)


def test_the_kill_switch_is_drilled_from_a_terminal_and_listed(desk: Desk) -> None:
    desk.configure('[drill]\nrollback_within = "10m"\n')
    done = desk.run("runbook", "drill", "kill", "--by", "ada", "--json")
    assert (done.status, done.json["state"], done.json["by"]) == (0, "passed", "ada")
    assert "ada: The drill of the kill switch for shop passed" in desk.run("runbook", "drill", "--list").out
    assert desk.run("runbook", "lint").status == 0


def test_a_policy_without_a_baseline_is_told_what_to_do(desk: Desk) -> None:
    done = desk.run("runbook", "drill", "reward_3sigma")
    assert done.status == 1
    assert "shop has no baseline: freeze one with `checkrein baseline freeze shop`" in done.out
    assert desk.run("runbook", "drill").status == 2
    assert desk.run("runbook", "drill", "kill", "--all").status == 2
    assert "no trigger 'reward'" in desk.run("runbook", "drill", "reward").err


def test_the_lint_takes_the_newest_drill_of_each_policy_beside_what_the_page_says(tmp_path: Path) -> None:
    settings = parse({"policy": {"p": {"incumbent": "v6"}}}, tmp_path)

    def said(drilled: dict[tuple[str, str], str]) -> list[tuple[str, bool]]:
        found = playbook.lint(settings, LATE, drilled)
        return [(one.text, one.bad) for one in found if one.page == "reward_3sigma"]

    assert said({}) == [("was never drilled", False)]
    assert said({("p", "reward_3sigma"): "2029-12-20"}) == []
    late = said({("p", "reward_3sigma"): "2029-10-01"})
    assert late == [("last drilled 2029-10-01 for p, due every 30d", True)]
    assert said({("gone", "reward_3sigma"): "2029-10-01"}) == [("was never drilled", False)]
