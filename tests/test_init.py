"""`checkrein init`: a configuration that `checkrein validate` passes, from what the names in a log tell."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.command_line import Desk, jsonl


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def test_init_writes_what_validate_passes_and_never_overwrites(desk: Desk) -> None:
    (desk.folder / "checkrein.toml").unlink()
    assert desk.run("init").status == 0
    written = (desk.folder / "checkrein.toml").read_text()
    assert desk.run("validate").status == 0
    again = desk.run("init")
    assert (again.status, "is there already" in again.err) == (2, True)
    assert (desk.folder / "checkrein.toml").read_text() == written


def test_init_maps_the_columns_of_a_log_and_lists_what_it_cannot_tell(desk: Desk) -> None:
    (desk.folder / "checkrein.toml").unlink()
    rows = [
        {"time": f"2025-06-16 00:00:{i:02}", "arm_id": i % 3, "pscore": 0.5, "clicked": i % 2, "ctx_load": i * 0.5,
         "weird": "a", "cost_spend": 1.0, "model_version": f"m{i // 30}"}
        for i in range(60)
    ]  # fmt: skip
    jsonl(desk.folder / "logs/a.jsonl", rows)
    done = desk.run("init", "--from", "logs", "--policy", "shop", "--json")
    assert (done.status, done.json["valid"], done.json["unmapped"]) == (0, True, ["weird"])
    text = (desk.folder / "checkrein.toml").read_text()
    policy = tomllib.loads(text)["policy"]["shop"]
    assert policy["source"]["columns"] == {
        "ts": "time", "action": "arm_id", "propensity": "pscore", "reward": "clicked", "state.load": "ctx_load",
        "cost.spend": "cost_spend", "version": "model_version",
    }  # fmt: skip
    assert (policy["source"]["kind"], policy["source"]["path"], policy["source"]["zone"]) == ("jsonl", "logs", "UTC")
    assert (policy["incumbent"], policy["serving"]) == ("m0", "m1")
    assert '# "state.weird" = "weird"' in text
    assert desk.run("validate").status == 0
    assert json.loads(desk.run("tick", "--json").out)[0]["accepted"] == 60


def test_init_says_what_a_person_must_add_before_it_is_valid(desk: Desk) -> None:
    (desk.folder / "checkrein.toml").unlink()
    jsonl(desk.folder / "log.jsonl", [{"when": 5, "price": 1.5}] * 3)
    done = desk.run("init", "--from", "log.jsonl")
    assert done.status == 1
    text = (desk.folder / "checkrein.toml").read_text()
    assert '# ts = "..."  # required' in text
    assert '# action = "..."  # required' in text
    nothing = desk.run("init", "--from", "nowhere", "--config", "other.toml")
    assert nothing.status == 2
    assert "--from nowhere: no log is there" in nothing.err
    assert not (desk.folder / "other.toml").exists()
