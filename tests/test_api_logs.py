"""Posting decisions and rewards: what is good is kept once, what is not is named, and nothing else happens."""

from __future__ import annotations

import gzip
import json
import resource
import secrets
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.clock import ManualClock
from monitor.sources.payload import ARROW, LIMIT
from monitor.store.database import Database
from monitor.store.tables import manifest, quarantine, waiting_rewards
from tests.api_site import NDJSON, POLICIES, Api, decision, problem


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


def arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


ROWS = [decision(f"d{i}", reward=float(i)) for i in range(3)]
LINES = "\n".join(json.dumps(row) for row in ROWS).encode()
BODIES = {"lines": (LINES, NDJSON), "array": (json.dumps(ROWS).encode(), "application/json")}
BODIES["arrow"] = (arrow(pa.Table.from_pylist(ROWS)), ARROW)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_every_kind_of_body_lands_the_same_rows(api: Api, name: str, zipped: bool) -> None:
    body, kind = BODIES[name]
    headers = {"content-encoding": "gzip"} if zipped else {}
    answer = api.post("/decisions", gzip.compress(body) if zipped else body, kind, headers)
    told = {"accepted": 3, "duplicates": 0, "late": 0, "waiting": 0, "quarantined": 0, "rows": []}
    assert (answer.status_code, answer.json()) == (200, told)
    assert [(row["decision_id"], row["action"], row["reward"]) for row in api.lake("cooling")] == [
        ("d0", "hold", 0.0),
        ("d1", "hold", 1.0),
        ("d2", "hold", 2.0),
    ]
    assert api.get("/policies/cooling/status").json()["data_age_s"] == 100.0


REFUSED: dict[str, tuple[bytes, str, str, int, str]] = {
    "kind": (LINES, "text/csv", "", 415, "text/csv"),
    "no kind": (LINES, "", "", 415, "application/x-ndjson"),
    "coding": (LINES, NDJSON, "br", 415, "br"),
    "no gzip": (LINES, NDJSON, "gzip", 400, "gzip"),
    "cut gzip": (gzip.compress(LINES)[:-9], NDJSON, "gzip", 400, "cut off"),
    "cut array": (b'[{"decision_id": 1', "application/json", "", 400, "JSON array"),
    "no arrow": (LINES, ARROW, "", 400, "Arrow"),
    "cut arrow": (BODIES["arrow"][0][:-200], ARROW, "", 400, "Arrow"),
    "arrow without a time": (arrow(pa.table({"policy": ["cooling"], "action": ["hold"]})), ARROW, "", 400, "ts"),
    "two columns of one name": (arrow(pa.table([["cooling"]] * 2, names=["policy"] * 2)), ARROW, "", 400, "policy"),
    "large": (b" " * (LIMIT + 1), NDJSON, "", 413, "smaller"),
    "large inflated": (gzip.compress(b" " * (LIMIT + 1), 1), NDJSON, "gzip", 413, "parts"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("path", ["/decisions", "/rewards?policy=cooling"])
def test_a_body_that_cannot_be_read_is_a_problem_and_leaves_nothing(api: Api, name: str, path: str) -> None:
    body, kind, coding, status, word = REFUSED[name]
    if (name, path[:8]) == ("arrow without a time", "/rewards"):  # a reward's missing time is its row's fault
        assert api.post(path, body, kind).status_code == 207
        return
    assert word in problem(api.post(path, body, kind, {"content-encoding": coding} if coding else {}), status)
    assert api.rows(manifest) == api.rows(quarantine) == []


BAD: list[tuple[bytes, str, str]] = [
    (json.dumps(decision("nan", reward=float("nan"))).encode(), "reward", "NaN"),
    (json.dumps(decision("p0", propensity=0)).encode(), "propensity", "above 0"),
    (json.dumps(decision("p1.2", propensity=1.2)).encode(), "propensity", "at most 1"),
    (json.dumps(decision("naive", ts="2025-06-15T15:05:00")).encode(), "ts", "no time zone"),
    (json.dumps(decision("future", ts="2025-06-15T15:12:00Z")).encode(), "ts", "newest allowed"),
    (json.dumps(decision("stranger", policy="coolng")).encode(), "policy", "did you mean cooling?"),
    (json.dumps(decision("nobody", policy=None)).encode(), "policy", "missing"),
    (json.dumps(decision("act", action="melt")).encode(), "action", "not one of actions = [hold, cool]"),
    (json.dumps(decision("text", reward="high")).encode(), "reward", "a number is expected"),
    (json.dumps(decision("list", reward=[1.0])).encode(), "reward", "a number is expected"),
    (json.dumps(decision("listed", version=["v7"])).encode(), "version", 'version is ["v7"]: text is expected'),
    (json.dumps(decision("n\x00ul")).encode(), "decision_id", "NUL character"),
    (json.dumps(decision("nul", version="v\x007")).encode(), "version", "NUL character"),
    (json.dumps({**decision("nul"), "state.mode": "o\x00n"}).encode(), "state.mode", "NUL character"),
    (b'{"decision_id": "half", "ts": "2025-06', "line", "cut off"),
    (b'{"decision_id": "ra\x00w"}', "line", "Invalid control character"),
]


def test_each_bad_row_is_named_and_the_good_ones_are_kept(api: Api) -> None:
    good = json.dumps(decision("good")).encode()
    answer = api.post("/decisions", b"\n".join([good, *(line for line, _field, _word in BAD)]), NDJSON)
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["quarantined"]) == (207, 1, len(BAD))
    assert [(row["row"], row["field"]) for row in told["rows"]] == [
        (number, field) for number, (_line, field, _word) in enumerate(BAD, 2)
    ]
    assert [
        word for (_line, _field, word), row in zip(BAD, told["rows"], strict=True) if word not in row["reason"]
    ] == []
    assert [row["decision_id"] for row in api.lake("cooling")] == ["good"]
    kept = sorted((row.row, row.field, row.reason) for row in api.rows(quarantine))
    assert kept == [(row["row"], row["field"], row["reason"]) for row in told["rows"]]
    shown = api.get("/policies/cooling/status").json()["quarantined"]
    assert sum(row["rows"] for row in shown) == len(BAD)


def test_more_refused_rows_than_an_answer_lists_are_counted(api: Api) -> None:
    told = api.lines([decision(f"d{i}", propensity=2) for i in range(150)]).json()
    assert (told["quarantined"], len(told["rows"])) == (150, 100)


def test_an_empty_body_lands_nothing(api: Api) -> None:
    assert api.post("/decisions", b"", NDJSON).json()["accepted"] == 0
    assert api.post("/decisions", []).json()["accepted"] == 0
    assert api.get("/policies/cooling/status").json()["data_age_s"] is None


def test_the_same_batch_twice_counts_once(api: Api) -> None:
    api.lines(ROWS)
    again = api.post("/decisions", gzip.compress(LINES), NDJSON, {"content-encoding": "gzip"})
    assert (again.status_code, again.json()["accepted"], again.json()["duplicates"]) == (200, 0, 3)
    assert len(api.lake("cooling")) == 3


def test_an_id_that_comes_back_with_another_reward_is_refused_with_both_values(api: Api) -> None:
    api.lines(ROWS)
    answer = api.lines([decision("d0", reward=0.0), decision("d1", reward=7.5), decision("d9")])
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["duplicates"], told["quarantined"]) == (207, 1, 1, 1)
    assert (told["rows"][0]["row"], told["rows"][0]["field"]) == (2, "reward")
    assert "d1 was logged before with reward 1.0, now 7.5" in told["rows"][0]["reason"]
    assert [row["reward"] for row in api.lake("cooling") if row["decision_id"] == "d1"] == [1.0]


def test_a_clash_is_named_by_its_line_also_after_blank_ones(api: Api) -> None:
    api.lines([decision("d1", reward=0.4)])
    told = api.post("/decisions", b"\n\n" + json.dumps(decision("d1", reward=0.5)).encode(), NDJSON).json()
    assert [row["row"] for row in told["rows"]] == [3]


def test_each_policy_of_a_mixed_batch_is_read_with_its_own_configuration(api: Api) -> None:
    ahead = "2025-06-15T15:30:00Z"  # 23 minutes ahead: heating allows an hour, cooling five minutes
    rows = [
        decision("c0", action=1),
        decision("h0", policy="heating", version="v1", action=1),
        decision("h1", policy="heating", version="v1", action="off", ts=ahead),
        decision("c1", ts=ahead),
        decision("h2", policy="heating", version="v1", action=2),
    ]
    told = api.lines(rows).json()
    assert (told["accepted"], [(row["row"], row["field"]) for row in told["rows"]]) == (3, [(4, "ts"), (5, "action")])
    assert [row["action"] for row in api.lake("cooling")] == ["cool"]
    assert sorted(row["action"] for row in api.lake("heating")) == ["off", "on"]
    assert sorted((row.policy, row.row) for row in api.rows(quarantine)) == [("cooling", 4), ("heating", 5)]


def test_ints_index_the_configured_actions_whatever_the_body(api: Api) -> None:
    table = pa.Table.from_pylist([decision("a0", action=0), decision("a1", action=1)])
    api.post("/decisions", arrow(table), ARROW)
    api.lines([decision("j0", action=0), decision("j1", action=1)])
    assert sorted((row["decision_id"], row["action"]) for row in api.lake("cooling")) == [
        ("a0", "hold"),
        ("a1", "cool"),
        ("j0", "hold"),
        ("j1", "cool"),
    ]


def test_without_any_policy_nothing_can_land(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    assert "no policy is configured" in problem(Api(database, clock, tmp_path, {}).lines(ROWS), 404)


def reward(identity: str, value: float | None = 2.0, **changes: Any) -> dict[str, Any]:
    return {"decision_id": identity, "ts": "2025-06-15T15:06:00Z", "reward": value, **changes}


def rewarded(api: Api) -> None:
    """Land three decisions whose rewards are not known yet."""
    api.lines([decision(f"d{i}", reward=None) for i in range(3)])


def send(api: Api, *rows: dict[str, Any], policy: str = "cooling") -> dict[str, Any]:
    answer = api.lines(rows, f"/rewards?policy={policy}")
    told: dict[str, Any] = answer.json()
    assert answer.status_code == (207 if told["quarantined"] else 200)
    return told


def test_rewards_and_outcomes_find_their_decision_or_wait_for_it(api: Api) -> None:
    rewarded(api)
    told = send(api, reward("d0"), reward("d1", None, **{"outcome.kwh": 3.5}), reward("d7"))
    assert (told["accepted"], told["waiting"], told["quarantined"]) == (2, 1, 0)
    assert [row.decision_id for row in api.rows(waiting_rewards)] == ["d7"]
    assert send(api, reward("d0"), reward("d7"))["duplicates"] == 2
    api.lines([decision("d7", reward=None)])
    assert api.rows(waiting_rewards) == []
    landed = {row["decision_id"]: (row["reward"], row.get("outcome.kwh")) for row in api.lake("cooling", "rewards")}
    assert landed == {"d0": (2.0, None), "d1": (None, 3.5), "d7": (2.0, None)}


def test_a_final_reward_that_changes_is_refused(api: Api) -> None:
    rewarded(api)
    send(api, reward("d0"))
    told = send(api, reward("d0", 9.0), reward("d1", float("nan")), reward("d2"))
    assert (told["accepted"], [(row["row"], row["field"]) for row in told["rows"]]) == (
        1,
        [(1, "reward"), (2, "reward")],
    )


def test_additive_rewards_sum(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    policies = {"cooling": {**POLICIES["cooling"], "reward_events": "additive"}}
    api = Api(database, clock, tmp_path, policies)
    rewarded(api)
    told = send(api, reward("d0", 1.0, event_id="a"), reward("d0", 2.5, event_id="b"), reward("d0", 1.0, event_id="a"))
    assert (told["accepted"], told["duplicates"], told["quarantined"]) == (2, 1, 0)
    assert sorted(row["reward"] for row in api.lake("cooling", "rewards")) == [1.0, 2.5]


def test_rewards_of_an_unknown_policy_are_a_404_that_lists_the_known(api: Api) -> None:
    assert "cooling, heating" in problem(api.lines([reward("d0")], "/rewards?policy=coolng"), 404)
    assert "policy" in problem(api.lines([reward("d0")], "/rewards"), 422)


@pytest.mark.parametrize("path", ["/decisions", "/rewards?policy=cooling"])
def test_a_locked_database_is_said_and_the_same_request_lands_once_it_is_free(
    clock: ManualClock, migrated_file: Path, tmp_path: Path, path: str
) -> None:
    file = tmp_path / "locked.db"
    file.write_bytes(migrated_file.read_bytes())
    database = Database(f"sqlite:///{file}", busy=0.1)
    api = Api(database, clock, tmp_path)
    if path != "/decisions":
        rewarded(api)
    before = len(api.rows(manifest))
    rows = ROWS if path == "/decisions" else [reward("d0"), reward("d1"), reward("d2")]
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = api.lines(rows, path)
    assert "send it again" in problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert (len(api.rows(manifest)), api.rows(quarantine), api.rows(waiting_rewards)) == (before, [], [])
    other.rollback()
    other.close()
    assert api.lines(rows, path).json()["accepted"] == 3
    database.close()


def test_a_full_disk_says_what_was_kept_and_the_same_request_lands_once_there_is_room(
    clock: ManualClock, migrated_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "full.db"
    file.write_bytes(migrated_file.read_bytes())
    database = Database(f"sqlite:///{file}")
    api = Api(database, clock, tmp_path)
    note = secrets.token_hex(2_000_000)
    large = decision("h0", policy="heating", version="v1", action="on", **{"state.note": note})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        alone, mixed = api.lines([large]), api.lines([large, *ROWS])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "Nothing of the batch was accepted: free space" in problem(alone, 507)
    assert int(alone.headers["retry-after"]) >= 1
    assert "rows of cooling were kept, those of heating were not" in problem(mixed, 507)
    assert {row.policy for row in api.rows(manifest)} == {"cooling"}
    told = api.lines([large, *ROWS]).json()
    assert (told["accepted"], told["duplicates"]) == (1, 3)
    database.close()
