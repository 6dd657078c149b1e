"""The shadow review over HTTP, from the command line, and in the checklist."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from monitor import tokens
from monitor.clock import ManualClock, stamp
from monitor.store.database import Database
from monitor.store.tables import events, reviews
from monitor.store.tables import tokens as stored
from tests.api_site import Api, decision, problem
from tests.command_line import Desk


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def shadow(identity: str, **changes: Any) -> dict[str, Any]:
    told = {"version": "v8", "arm": "shadow", "proposed_action": "cool", "candidate_probs.v8": [0.1, 0.9]}
    return decision(identity, **{**told, **changes})


def test_a_shadow_row_is_queued_when_it_is_posted_and_judged_by_tokens(api: Api, clock: ManualClock) -> None:
    assert api.lines([decision("d1"), shadow("s1"), shadow("s2", proposed_action="hold")]).json()["accepted"] == 3
    assert api.lines([shadow("s1")]).json()["duplicates"] == 1
    (row,) = api.get("/reviews?policy=cooling").json()
    assert (row["version"], row["live_version"], row["live_action"], row["shadow_action"]) == (
        "v8",
        "v7",
        "hold",
        "cool",
    )
    assert (row["size"], row["state"], row["inclusion"]) == (pytest.approx(1.6), "open", 1.0)
    path = f"/reviews/{row['id']}"
    assert api.get(path).json()["snapshot"]["candidate_probs.v8"] == [0.1, 0.9]
    key = {"idempotency-key": "k1"}
    said = {"verdict": "exploit", "note": "The meter is bypassed."}
    first = api.post(f"{path}/verdict", said, headers=key)
    assert (first.status_code, first.json()["verdicts"][0]["by"]) == (200, "first")
    again = api.post(f"{path}/verdict", said, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert problem(api.post(f"{path}/verdict", {"verdict": "neutral"}, headers=key), 422)
    assert (api.get(path).json()["verdicts"], "bypassed" in api.get("/reviews").text) == ([], False)
    assert [event.kind for event in api.rows(events)].count("page") == 1
    with api.parts.database.begin() as connection:
        connection.execute(
            insert(stored),
            [{"sha256": hashlib.sha256(b"another").hexdigest(), "name": "second", "created": clock.now()}],
        )
    api.token = "another"
    assert api.post(f"{path}/verdict", {"verdict": "exploit"}).json()["state"] == "decided"
    assert api.get("/reviews").json() == []
    (decided,) = api.get("/reviews?all=true").json()
    assert [one["verdict"] for one in decided["verdicts"]] == ["exploit", "exploit"]
    found = api.get("/policies/cooling/review-agreement").json()
    assert (found["items"], found["versions"][0]["rates"]["exploit"]["value"]) == (1, 1.0)


def test_one_person_with_two_tokens_or_spellings_decides_nothing_alone(api: Api) -> None:
    api.lines([decision("d1"), shadow("s1")])
    (row,) = api.get("/reviews?policy=cooling").json()
    path, said = f"/reviews/{row['id']}/verdict", {"verdict": "neutral"}
    for name, person in (("laptop", "zoë"), ("telephone", "Zoe\u0308 "), ("tablet", "\uff3aOË")):
        with api.parts.database.begin() as connection:
            api.token = tokens.create(connection, api.parts.clock, name, person, ["act"], 86400.0, "test")
        found = api.post(path, said).json()
        assert (found["state"], found["judged_by"], found["blind"]) == ("open", 1, False)


@pytest.mark.parametrize("identity", ["0", "x", "9" * 300, "%00", "%D9%A3"])
def test_a_review_that_does_not_exist_is_404(api: Api, identity: str) -> None:
    assert "no review" in problem(api.get(f"/reviews/{identity}"), 404)
    assert "no review" in problem(api.post(f"/reviews/{identity}/verdict", {"verdict": "neutral"}), 404)


def test_what_cannot_be_said_is_refused(api: Api) -> None:
    api.lines([shadow("s1")])
    path = f"/reviews/{api.rows(reviews)[0].id}/verdict"
    for body in ({"verdict": "good"}, {}, {"verdict": "neutral", "by": "anna"}, {"verdict": "neutral", "note": "\x00"}):
        assert problem(api.post(path, body), 422)
    assert "known: cooling" in problem(api.get("/reviews?policy=coolng"), 404)
    assert "known: cooling" in problem(api.get("/policies/coolng/review-agreement"), 404)
    assert api.ask("POST", f"/api/v1{path}", content=b'{"verdict":"neutral"}').status_code == 401


def log(desk: Desk) -> str:
    """Import a shadow row, and return the id of its review."""
    line = (
        f'{{"decision_id":"s1","ts":"{stamp(1_750_032_000)}","version":"v3","arm":"shadow","action":"low",'
        '"proposed_action":"high","candidate_probs.v3":[0.0,1.0]}\n'
    )
    (desk.folder / "shadow.jsonl").write_text(line)
    done = desk.run("ingest", "shadow.jsonl", "--policy", "shop", "--format", "jsonl")
    assert done.status == 0, done.said
    (row,) = desk.run("review", "list", "shop", "--json").json
    return str(row["id"])


def test_the_commands_list_show_judge_and_sum_up(desk: Desk) -> None:
    assert "nothing waits" in desk.run("review", "list", "shop").out
    assert desk.run("review", "next", "shop", "--by", "anna").status == 1
    identity = log(desk)
    listed = desk.run("review", "list", "shop").out
    assert 'v3 would have done "high" where "low" was done (2 times as large as what counts as large' in listed
    shown = desk.run("review", "next", "shop", "--by", "anna")
    assert (shown.status, "candidate_probs.v3 = [0.0, 1.0]" in shown.out) == (0, True)
    judged = desk.run("review", "judge", identity, "--by", "Anna", "--verdict", "exploit", "--note", "[bad] meter")
    assert (judged.status, "Anna says exploit: [bad] meter" in judged.out) == (0, True), judged.said
    assert "exploit" not in desk.run("review", "next", "shop", "--by", "ben").out
    assert "1 open exploits" in desk.run("status", "shop").out
    assert desk.run("review", "judge", identity, "--by", "ben", "--verdict", "good").status == 2
    assert desk.run("review", "judge", "nothing", "--by", "ben", "--verdict", "neutral").status == 1
    desk.run("review", "judge", identity, "--by", "ben", "--verdict", "exploit")
    assert "decided: exploit" in desk.run("review", "list", "shop", "--all").out
    told = desk.run("review", "agreement", "shop")
    assert (told.status, "v3: 1 of 1 paired decisions differ" in told.out) == (0, True)
    assert "exploit 100.0% of the large ones" in told.out
    assert desk.run("review", "agreement", "shop", "--json").json["pairs"][0]["reviewers"] == ["Anna", "ben"]
    assert desk.run("review", "list", "shp").status == 2


def test_an_exploit_fails_the_item_of_the_checklist(desk: Desk) -> None:
    identity = log(desk)
    assert "No case was planted" in desk.run("checklist", "run", "shop", "--version", "v3").out
    desk.run("review", "judge", identity, "--by", "anna", "--verdict", "exploit")
    assert "1 open exploits: v3 earns what is measured" in desk.run("checklist", "run", "shop", "--version", "v3").out


def test_a_queue_takes_no_more_than_a_thousand_a_day(tmp_path: Path) -> None:
    from monitor.settings import ConfigurationError, parse

    for wrong in ({"per_day": 0}, {"per_day": 5, "largest": 5}, {"margin": 0.0}, {"spread": [0.0]}, {"per_day": 10**9}):
        with pytest.raises(ConfigurationError, match=r"policy\.bids\.review"):
            parse({"policy": {"bids": {"incumbent": "v1", "review": wrong}}}, tmp_path)
