"""Candidates while decisions land: one that fails stops nothing, and one that changed leaves nothing behind."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest

from monitor.validate import Accepted
from tests.candidate_files import bomb, processes
from tests.landings import lake_rows, log, open_landing
from tests.onnx_files import onnx
from tests.test_candidate_kinds import TABLE


def test_candidates_that_fail_in_every_way_stop_no_landing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine = {**TABLE, "features": None, "states": None, "probabilities": None, "actions": ["low", "high"]}
    good = {**{key: value for key, value in mine.items() if value is not None}, "default": [0.25, 0.75]}
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "bomb.json").write_bytes(bomb(tmp_path / "unpickled"))
    os.mkfifo(tmp_path / "pipe.json")
    onnx(tmp_path, bomb(tmp_path / "unpickled"))
    (tmp_path / "over.json").write_text(
        json.dumps(
            {"kind": "linear_softmax", "features": ["load"], "actions": ["low", "high"], "weights": [[1e308]] * 2}
            | {"scale": [1e-3]}
        )
    )
    specs = {
        "bomb": "linucb:bomb.json",
        "pipe": "thompson:pipe.json",
        "net": "onnx:v8.onnx",
        "over": "linear:over.json",
    }
    candidates = {name: {"policy": spec} for name, spec in {**specs, "good": "table:good.json"}.items()}
    landing = open_landing(tmp_path, candidate=candidates)
    for at in range(2):
        assert landing.decisions("bids", Accepted(log(10 * at, 10)), f"request {at}").accepted == 10
    table = lake_rows(landing)
    assert table["pi.good"].to_pylist() == [0.25, 0.75] * 10
    for name in specs:
        assert table[f"pi.{name}"].null_count == 20
        assert caplog.text.count(f"candidate.{name} is not estimated") == 1
    assert not (tmp_path / "unpickled").exists()


def test_a_network_that_changed_under_its_name_leaves_no_process_behind(tmp_path: Path) -> None:
    def write(temperature: float) -> None:
        changes: dict[str, Any] = {"features": ["load", "again"], "actions": ["low", "mid", "high"]}
        onnx(tmp_path, temperature=temperature, mean=None, scale=None, **changes)

    before, answers = processes(), []
    write(1.0)
    landing = open_landing(tmp_path, candidate={"net": {"policy": "onnx:v8.onnx"}})
    for at in range(3):
        write(1.0 + at)
        rows = log(10 * at, 10)
        again = rows["state.load"].to_numpy()
        landing.decisions("bids", Accepted(rows.append_column("state.again", [again])), f"request {at}")
        answers.append(lake_rows(landing)["pi.net"].to_pylist()[-10:])
        assert len(processes() - before) == 1
    assert answers[0][1] != answers[1][1]
    del landing
    gc.collect()
    assert processes() <= before
