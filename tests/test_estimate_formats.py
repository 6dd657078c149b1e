"""`checkrein estimate --format`: logs whose files do not tell by their names what they are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.estimate import estimate

SPEC = "column:candidate_probs.c"


def answer(found: dict[str, Any], candidate: int = 0) -> dict[str, Any]:
    one: dict[str, Any]
    [one] = [item for item in found["candidates"][candidate]["estimates"] if item["estimator"] == "snips"]
    return one


def test_a_named_format_is_read_whatever_its_files_are_called(tmp_path: Path) -> None:
    text = "action,propensity,reward,candidate_probs.c\n" + "1,0.5,1,0.25\n0,0.5,0,0.75\n" * 200
    (tmp_path / "log.txt").write_text(text)
    assert answer(estimate(tmp_path / "log.txt", [SPEC], kind="csv"))["value"] == pytest.approx(0.25)


def test_the_open_bandit_layout_needs_no_mapping_and_its_items_are_no_decisions(tmp_path: Path) -> None:
    folder = tmp_path / "bts" / "all"
    folder.mkdir(parents=True)
    lines = [",timestamp,item_id,position,click,propensity_score,user-item_affinity_0"]
    for i in range(400):
        item, propensity = (1, 0.2) if i % 5 == 0 else (0, 0.8)
        lines.append(f"{i},2019-11-24 00:00:0{i % 10}.5+00:00,{item},1,{item},{propensity},0.0")
    (folder / "all.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "item_context.csv").write_text("item_id,item_feature_0\n0,0.5\n1,0.25\n")
    policy = {"kind": "linear_softmax", "features": ["affinity_0"], "actions": ["0", "1"], "weights": [[0.0], [0.0]]}
    (tmp_path / "uniform.json").write_text(json.dumps(policy))
    found = estimate(folder, [f"linear:{tmp_path}/uniform.json", "column:propensity"], kind="obd")
    assert (found["log"]["rows"], found["log"]["actions"], found["log"]["mean_reward"]) == (400, 2, 0.2)
    assert answer(found)["value"] == pytest.approx(0.5)
    assert answer(found, candidate=1)["value"] == pytest.approx(0.2)  # who wrote the log: every weight is 1
