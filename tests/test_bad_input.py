"""Bad input, end to end through the command: it names file, row or key and the fix, and nothing accepted is lost."""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.store.database import Database
from monitor.store.tables import actions, quarantine, routes
from tests.command_line import START, Desk, decisions, jsonl, parquet


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def ingest(desk: Desk, path: str, kind: str = "jsonl", *more: str) -> Any:
    return desk.run("ingest", path, "--policy", "shop", "--format", kind, *more)


def test_an_empty_directory_is_named_with_what_was_looked_for(desk: Desk) -> None:
    (desk.folder / "logs").mkdir()
    done = ingest(desk, "logs", "parquet")
    assert done.status == 2
    assert f"{desk.folder / 'logs'}: no *.parquet, *.pq file below it" in done.err
    assert desk.rows() == 0
    parquet(desk.folder / "logs/a.parquet", decisions(5))
    assert ingest(desk, "logs", "parquet").status == 0
    assert desk.rows() == 5


def test_a_path_that_does_not_exist_is_named(desk: Desk) -> None:
    done = ingest(desk, "nowhere.jsonl")
    assert (done.status, "nowhere.jsonl: no such file or directory" in done.err) == (2, True)


def test_a_truncated_parquet_file_is_named_and_taken_once_it_is_whole(desk: Desk) -> None:
    parquet(desk.folder / "logs/a.parquet", decisions(5))
    whole = parquet(desk.folder / "logs/b.parquet", decisions(7, first=5)).read_bytes()
    (desk.folder / "logs/b.parquet").write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        done = ingest(desk, "logs", "parquet")
        assert done.status == 1
        assert f"{desk.folder / 'logs/b.parquet'}: truncated Parquet: no footer; finish writing it" in done.out
        assert desk.rows() == 5
    (desk.folder / "logs/b.parquet").write_bytes(whole)
    assert ingest(desk, "logs", "parquet").status == 0
    assert desk.rows() == 12
    assert "nothing new: every file was read before" in ingest(desk, "logs", "parquet").out
    assert desk.rows() == 12


def test_a_json_line_cut_in_half_is_named_and_its_neighbours_land(desk: Desk) -> None:
    path = jsonl(desk.folder / "log.jsonl", decisions(6))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2][:40] + "\n", *lines[3:5], lines[5][:30]]))
    done = ingest(desk, "log.jsonl")
    assert done.status == 0
    assert f"{path} row 3, line: " in done.out
    assert f"{path} row 6, line: " in done.out
    assert "2 rows quarantined" in done.out
    assert sorted(desk.lake()["decision_id"].to_pylist()) == ["d0", "d1", "d3", "d4"]
    assert ingest(desk, "log.jsonl").status == 0
    assert desk.rows() == 4


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("reward", "lots", 'reward is "lots": a number is expected'),
        ("state.load", [1.0], "state.load is [1.0]: a number or text is expected here"),
        ("version", ["v2"], 'version is ["v2"]: text is expected here'),
        ("action", ["low"], 'action is ["low"]: text is expected here'),
        ("version", "v\x002", 'version is "v\\u00002": text with the NUL character; log it without'),
        ("action", "sideways", "is not one of actions = [low, high]"),
        ("propensity", 0, "propensity is 0: the executed action had a probability above 0"),
        ("propensity", 1.2, "propensity is 1.2: a probability is at most 1"),
        ("ts", "2025-06-16T00:00:03", "has no time zone: log UTC as in 2026-01-31T12:00:00Z, or set zone"),
        ("ts", 1750032003, "a bare number has no unit"),
        ("ts", "2099-01-01T00:00:00Z", "the newest allowed: set its clock right"),
        ("policy", "shap", 'policy is "shap", which is not configured; did you mean shop?'),
        ("version", None, "version is missing: log it, or set version of the source"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason_and_the_others_land(
    desk: Desk, field: str, value: Any, reason: str
) -> None:
    rows = decisions(5)
    rows[3] |= {field: value}
    path = jsonl(desk.folder / "log.jsonl", rows)
    done = ingest(desk, "log.jsonl")
    assert done.status == 0
    assert "1 row quarantined" in done.out
    assert f"{path} row 4, {field}: " in done.out
    assert reason in done.out
    assert desk.table(quarantine, "row", "field") == [(4, field)]
    assert sorted(desk.lake()["decision_id"].to_pylist()) == ["d0", "d1", "d2", "d4"]
    told = desk.run("status", "--json").json[0]["quarantined"]
    assert [(item["field"], item["rows"]) for item in told] == [(field, 1)]
    assert ingest(desk, "log.jsonl").status == 0
    assert (desk.rows(), len(desk.table(quarantine, "id"))) == (4, 1)


def test_rewards_that_are_nan_or_infinite_are_quarantined_and_missing_ones_are_not(desk: Desk) -> None:
    rows = decisions(6)
    path = parquet(desk.folder / "log.parquet", rows)
    table = pq.read_table(path)
    rewards = pa.array([0.5, float("nan"), None, float("inf"), 0.25, 1.0])
    pq.write_table(table.set_column(table.column_names.index("reward"), "reward", rewards), path)
    done = ingest(desk, "log.parquet", "parquet")
    assert done.status == 0
    assert f"{path} row 2, reward: reward is NaN: leave it empty (null) if it is not known yet" in done.out
    assert f"{path} row 4, reward: reward is infinite" in done.out
    assert sorted(desk.lake()["decision_id"].to_pylist()) == ["d0", "d2", "d4", "d5"]


def test_a_column_of_a_wrong_type_refuses_every_row_and_the_mended_file_lands(desk: Desk) -> None:
    rows = decisions(3)
    jsonl(desk.folder / "log.jsonl", [{**row, "reward": [1.0]} for row in rows])
    done = ingest(desk, "log.jsonl")
    assert "3 rows quarantined" in done.out
    assert desk.rows() == 0
    jsonl(desk.folder / "mended.jsonl", rows)
    assert ingest(desk, "mended.jsonl").status == 0
    assert desk.rows() == 3


def test_a_missing_column_is_said_with_what_it_disables_and_so_is_one_that_nobody_reads(desk: Desk) -> None:
    rows = [{**row, "rewrd": row["reward"]} for row in decisions(3)]
    for row in rows:
        del row["reward"], row["cost.spend"], row["decision_id"]
    jsonl(desk.folder / "log.jsonl", rows)
    done = ingest(desk, "log.jsonl")
    assert done.status == 0
    assert "· the log has no reward: reward, candidate_value cannot be computed" in done.out
    assert "· the log has no cost.*: violation_rate cannot be computed" in done.out
    assert "· not read, because they are no role and nothing maps them: rewrd" in done.out
    assert "· the log has no decision_id: ids are made of the file's digest and the row's number" in done.out
    assert desk.rows() == 3


def test_a_duplicate_with_another_reward_is_quarantined_and_the_first_one_counts(desk: Desk) -> None:
    rows = decisions(4)
    jsonl(desk.folder / "first.jsonl", rows)
    second = jsonl(desk.folder / "second.jsonl", [rows[0], rows[1] | {"reward": 99.0}, *decisions(1, first=4)])
    assert ingest(desk, "first.jsonl").status == 0
    done = ingest(desk, "second.jsonl")
    assert done.status == 0
    assert "1 duplicates dropped" in done.out
    assert f"{second} row 2, " in done.out
    assert "1 row quarantined" in done.out
    lake = desk.lake().sort_by("decision_id")
    assert lake["decision_id"].to_pylist() == ["d0", "d1", "d2", "d3", "d4"]
    assert lake["reward"][1].as_py() == rows[1]["reward"]


def test_an_unknown_policy_is_named_with_the_configured_ones(desk: Desk) -> None:
    jsonl(desk.folder / "log.jsonl", decisions(2))
    for command in (
        ["ingest", "log.jsonl", "--policy", "shap"],
        ["status", "shap"],
        ["route", "shap"],
        ["tick", "shap"],
    ):
        done = desk.run(*command)
        assert (done.status, done.out) == (2, ""), command
        assert "no policy 'shap' in the configuration; configured: shop" in done.err
    assert desk.rows() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[policy.shop]\nincumbnet = "v1"', "policy.shop.incumbnet: unknown key; did you mean incumbent?"),
        ('[policy.shop]\nincumbent = "v1"\nreward_horizon = 60', "policy.shop.reward_horizon: "),
        ('[policy.shop]\nincumbent = "v1"\n[trigger.reward_3sigm]\nk = 2.0', "did you mean reward_3sigma?"),
        ("[policy.shop\n", "not TOML"),
    ],
)
def test_a_misspelt_configuration_is_named_by_file_and_key(desk: Desk, text: str, said: str) -> None:
    desk.configure(text=text)
    for command in ("status", "validate", "tick"):
        done = desk.run(command)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("checkrein: checkrein.toml: ")
        assert said in done.err


def test_a_missing_configuration_names_the_command_that_writes_one(desk: Desk) -> None:
    done = desk.run("status", "--config", "other.toml")
    assert done.status == 2
    assert "other.toml: no such file. Write one with `checkrein init`" in done.err


def test_a_full_disk_loses_nothing_and_the_same_command_lands_it_later(desk: Desk) -> None:
    jsonl(desk.folder / "small.jsonl", decisions(3))
    assert ingest(desk, "small.jsonl").status == 0
    drawn = np.random.default_rng(1).normal(size=(60_000, 4))
    large = pa.table(
        {
            "decision_id": [f"e{i}" for i in range(60_000)],
            "ts": pa.array((START * 1e6 + np.arange(60_000) * 1e4).astype(np.int64), pa.timestamp("us", tz="UTC")),
            "version": ["v2"] * 60_000,
            "action": ["low"] * 60_000,
            **{f"state.x{i}": drawn[:, i] for i in range(4)},
        }
    )
    pq.write_table(large, desk.folder / "large.parquet")
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    command = ("ingest", "large.parquet", "--policy", "shop")
    done = desk.process(*command, before=limit)
    assert done.status == 3, done.said
    assert "cannot be written: File too large. Nothing of the batch was accepted: free space" in done.err
    assert "Traceback" not in done.err
    assert desk.rows() == 3
    assert list((desk.folder / "lake").rglob("*.tmp")) == []
    assert desk.process(*command).status == 0
    assert desk.rows() == 60_003


def test_a_locked_database_is_said_and_the_same_command_works_afterwards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.runtime.Database", functools.partial(Database, busy=0.05))  # not five seconds
    jsonl(desk.folder / "log.jsonl", decisions(3))
    other = sqlite3.connect(desk.folder / "checkrein.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = ingest(desk, "log.jsonl")
    assert done.status == 3
    assert "the database is locked or away: database is locked. Nothing was written: run the same command" in done.err
    other.execute("ROLLBACK")
    other.close()
    assert desk.rows() == 0
    assert ingest(desk, "log.jsonl").status == 0
    assert desk.rows() == 3


def test_looking_waits_for_no_writer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.runtime.Database", functools.partial(Database, busy=0.05))
    desk.run("route", "shop")  # the first command meets the policy
    other = sqlite3.connect(desk.folder / "checkrein.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert desk.run("route", "shop").status == 0
    assert desk.run("status", "shop").status == 1
    other.execute("ROLLBACK")
    other.close()


@pytest.fixture
def refusing() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(403)
            self.send_header("content-length", "14")
            self.end_headers()
            self.wfile.write(b"wrong password")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/rollback"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hook_that_refuses_blocks_the_action_and_status_shows_it(
    desk: Desk, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec_c2VjcmV0")
    desk.configure(f'[hook.serving]\nkind = "webhook"\nurl = "{refusing}"\nsecret = "env:HOOK_SECRET"\n')
    done = desk.run("rollback", "shop", "--reason", "It overspends.", "--json")
    assert done.status == 1
    assert done.json["states"] == ["blocked"]
    assert "answered 403. wrong password" in done.json["sentence"]
    assert desk.table(actions, "state", "attempts", "to_version") == [("blocked", 1, "v1")]
    assert desk.table(routes, "serving", "generation") == [("v1", 2)]  # what was decided stands
    shown = desk.run("status", "shop")
    assert shown.status == 1
    assert "v2 -> v1 by serving: blocked, 1 attempts" in shown.out
    assert "403" in shown.out
    assert json.loads(desk.run("status", "--json").out)[0]["state"] == "rollback"
