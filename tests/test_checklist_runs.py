"""A checklist run over a real log and a real database: what it finds, what it keeps, and when it goes stale."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from monitor import checklists
from monitor.acting import confirm, rollback
from monitor.bucketing.baseline import freeze
from monitor.cli import main
from monitor.clock import ManualClock
from monitor.running.jobs import HOURLY
from monitor.runtime import build
from monitor.settings import load
from monitor.store.tables import checklist_evidence, checklist_items, checklist_runs, events, heartbeats
from monitor.tick import Parts, tick

START = 1_750_032_000.0  # 2025-06-16 00:00 UTC
HOUR, DAY = 3600.0, 86400.0
BASE = START + DAY
EVERY = 10.0
HASH = "c" * 64
CONFIG = f"""
[policy.p]
incumbent = "v6"
serving = "v7"
fallbacks = ["v6"]
actions = ["hold", "cool"]
[policy.p.source]
kind = "parquet"
path = "logs"
[policy.p.constraint.heat]
cost = "heat"
budget = 0.01
[policy.p.candidate.v8]
policy = "column:candidate_probs.v8"
[policy.p.checklist]
latency_sla = "50ms"
artifacts = {{ v7 = "{HASH}" }}
[policy.p.checklist.parameters.GOV-01]
decisions = 1000
[policy.p.checklist.parameters.OFF-02]
decisions = 1000
[policy.p.checklist.parameters.OFF-09]
decisions = 1000
"""


def log(begin: float, hours: float, **more: Any) -> pa.Table:
    rng = np.random.default_rng(int(begin))
    n = int(hours * HOUR / EVERY)
    ts = begin + EVERY * np.arange(n)
    first = int((begin - START) / EVERY)
    good = rng.random(n) < 0.5
    columns: dict[str, Any] = {
        "decision_id": [f"d{first + i}" for i in range(n)],
        "ts": pa.array((ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "version": ["v7"] * n,
        "action": np.where(good, "cool", "hold").tolist(),
        "propensity": np.full(n, 0.5),
        "candidate_probs.v8": np.where(good, 0.9, 0.1),
        "reward": good + rng.normal(0, 0.1, n),
        "state.load": rng.normal(0, 1, n),
        "cost.heat": np.zeros(n),
        "latency_ms": rng.gamma(4, 2, n),
        "artifact_sha256": [HASH] * n,
        "segment.site": rng.choice(["north", "south"], n).tolist(),
    }
    return pa.table({**columns, **more})


def put(parts: Parts, table: pa.Table) -> None:
    folder = parts.settings.path("logs")
    pq.write_table(table, folder / f"{len(list(folder.iterdir())):04}.parquet")


def opened(folder: Path, at: float) -> Parts:
    parts = build(load(folder / "checkrein.toml"), ManualClock(at))
    show_life(parts)
    return parts


def show_life(parts: Parts) -> None:
    beat = {"part": "judge:p", "real_at": parts.clock.real(), "at": parts.clock.now(), "note": ""}
    with parts.database.begin() as connection:
        connection.execute(heartbeats.delete())
        connection.execute(heartbeats.insert(), [beat])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a day of baseline and three judged hours, to be copied."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "logs").mkdir()
    (folder / "checkrein.toml").write_text(CONFIG)
    parts = opened(folder, BASE + 3 * HOUR + 60)
    put(parts, log(START, 24))
    tick(parts, "p", BASE)
    freeze(parts, "p", START, BASE, "test")
    put(parts, log(BASE, 3))
    tick(parts, "p")
    parts.database.close()
    return folder


@pytest.fixture
def site(watched: Path, tmp_path: Path) -> Callable[..., Parts]:
    def open_copy(at: float = BASE + 3 * HOUR + 60, more: str = "") -> Parts:
        shutil.copytree(watched, tmp_path, dirs_exist_ok=True)
        with (tmp_path / "checkrein.toml").open("a") as config:
            config.write(more)
        return opened(tmp_path, at)

    return open_copy


def states(parts: Parts, version: str | None = None) -> dict[str, str]:
    return {spec.id: item.state.value for spec, item, _digest in checklists.run(parts, "p", version, "test").items}


def shown(parts: Parts, version: str | None = None) -> dict[str, Any]:
    with parts.database.read() as connection:
        found = checklists.read(connection, parts.settings, parts.clock, "p", version)
    return {**found, "by": {item["id"]: item for item in found["items"]}}


def test_what_a_healthy_log_shows_passes_and_what_nobody_has_seen_does_not(site: Callable[..., Parts]) -> None:
    found = states(site())
    passed = {identity for identity, state in found.items() if state == "pass"}
    assert passed == {"GOV-01", "GOV-05", "OFF-03", "OFF-09", "FUL-01", "FUL-03"}
    unseen = {"SAF-06", "ROL-05", "RBK-01", "RBK-02", "RBK-03", "RBK-04", "RBK-05", "RBK-06", "FAI-01"}
    assert {found[identity] for identity in unseen} == {"insufficient_evidence"}


def test_a_candidate_is_judged_from_the_log_of_others(site: Callable[..., Parts]) -> None:
    parts = site()
    found = states(parts, "v8")
    assert (found["OFF-02"], found["OFF-03"], found["GOV-01"]) == ("pass", *["insufficient_evidence"] * 2)
    states(parts)
    assert [entry["version"] for entry in shown(parts)["evaluated"]] == ["v7", "v8"]
    statistics = shown(parts, "v8")["by"]["OFF-02"]["body"]["statistics"]
    assert statistics["value"] == pytest.approx(0.9, abs=0.02)
    assert statistics["behaviour"] == pytest.approx(0.5, abs=0.02)


def test_evidence_lies_under_its_digest_and_the_same_data_gives_the_same(site: Callable[..., Parts]) -> None:
    parts = site()
    first = checklists.run(parts, "p", None, "test")
    parts.clock.advance(5.0)  # type: ignore[attr-defined]  # a ManualClock
    second = checklists.run(parts, "p", None, "test")
    assert [digest for *_, digest in first.items] == [digest for *_, digest in second.items]
    with parts.database.read() as connection:
        rows = connection.execute(select(checklist_evidence)).all()
        runs = connection.execute(select(func.count()).select_from(checklist_runs)).scalar_one()
        answers = connection.execute(select(func.count()).select_from(checklist_items)).scalar_one()
        told = connection.execute(select(events.c.body).where(events.c.kind == "checklist.run")).scalars().all()
    assert (runs, answers, len(rows), len(told)) == (2, 48, 24, 2)
    assert all(hashlib.sha256(row.body.encode()).hexdigest() == row.sha256 for row in rows)
    body = json.loads(next(row.body for row in rows if json.loads(row.body)["item"] == "GOV-01"))
    assert body["datasets"]["lake"]["rows"] == 24 * 360
    assert body["collected_at"] == BASE + 3 * HOUR


def test_new_data_gives_new_evidence(site: Callable[..., Parts]) -> None:
    parts = site(BASE + 4 * HOUR + 60)
    before = {spec.id: digest for spec, _item, digest in checklists.run(parts, "p", None, "test").items}
    put(parts, log(BASE + 3 * HOUR, 1))
    tick(parts, "p")
    after = {spec.id: digest for spec, _item, digest in checklists.run(parts, "p", None, "test").items}
    assert all(before[identity] != after[identity] for identity in before)


def test_a_lost_row_and_a_changed_or_deleted_file_are_noticed(site: Callable[..., Parts]) -> None:
    parts = site(BASE + 4 * HOUR + 60)
    table = log(BASE + 3 * HOUR, 1)
    put(parts, pa.concat_tables([table.slice(0, 100), table.slice(103)]))
    tick(parts, "p")
    checklists.run(parts, "p", None, "test")
    statistics = shown(parts)["by"]["GOV-05"]["body"]["statistics"]
    assert (statistics["gaps"], statistics["damaged"], statistics["duplicates"]) == (3, 0, 0)
    newest = sorted(parts.landing.lake.root.rglob("decisions/date=*/hour=02/*.parquet"))[-1]
    newest.write_bytes(newest.read_bytes() + b" ")
    assert states(parts)["GOV-05"] == "fail"
    assert shown(parts)["by"]["GOV-05"]["body"]["statistics"]["damaged"] == 1
    newest.unlink()
    assert states(parts)["GOV-05"] == "fail"


def test_evidence_expires_and_a_changed_template_makes_it_stale(site: Callable[..., Parts], tmp_path: Path) -> None:
    parts = site()
    checklists.run(parts, "p", None, "test")
    fresh = shown(parts)
    assert "stale" not in fresh["summary"]
    assert "GOV-01" not in fresh["blocking"]
    assert fresh["by"]["OFF-03"]["overlays"] == ["awaiting_attestation"]
    parts.clock.advance(25 * HOUR)  # type: ignore[attr-defined]  # a ManualClock
    old = shown(parts)
    assert "stale" in old["by"]["GOV-01"]["overlays"]
    assert "GOV-01" in old["blocking"]
    assert "GOV-01" in old["gates"]["G1"]["blocking"]


def test_a_checklist_that_was_never_run_is_not_open(site: Callable[..., Parts]) -> None:
    found = shown(site())
    assert found["evaluated"] == []
    assert (found["ran"], found["run"], found["summary"]) == (False, None, {"insufficient_evidence": 24})
    assert {item["severity"] for item in found["items"] if not item["blocks"]} == {"major"}


def test_a_high_risk_policy_is_blocked_by_major_items_too(site: Callable[..., Parts]) -> None:
    parts = site()
    assert "FUL-04" not in shown(parts)["blocking"]
    policy = parts.settings.policy["p"]
    risky = policy.checklist.model_copy(update={"tier": "high-risk"})
    changed = {"policy": {"p": policy.model_copy(update={"checklist": risky})}}
    settings = parts.settings.model_copy(update=changed)
    with parts.database.read() as connection:
        assert "FUL-04" in checklists.read(connection, settings, parts.clock, "p")["blocking"]


def test_a_rollback_that_was_confirmed_proves_the_way_back_and_its_trigger(site: Callable[..., Parts]) -> None:
    at = BASE + 4 * HOUR
    parts = site(at)
    with parts.database.begin() as connection:
        ask: dict[str, Any] = {"from_version": "v7", "reason": "drill", "trigger": "reward_3sigma", "actor": "test"}
        outcome = rollback.request(connection, parts.settings, parts.clock, "p", mode="automatic", **ask)
        confirm.acknowledge(connection, parts.clock, "p", outcome.generation, "v6", HASH, "test")
    back = log(at, 0.1, version=["v6"] * 36, artifact_sha256=[HASH] * 36)
    parts.clock.advance(400.0)  # type: ignore[attr-defined]  # a ManualClock
    put(parts, back)
    tick(parts, "p")
    with parts.database.begin() as connection:
        assert confirm.confirm(connection, parts.settings, parts.clock).confirmed == outcome.actions
    show_life(parts)
    found = checklists.run(parts, "p", "v7", "test")
    by = {spec.id: item for spec, item, _digest in found.items}
    assert by["ROL-05"].state.value == "pass"
    assert by["RBK-05"].state.value == "pass", by["RBK-05"].sentence
    assert by["RBK-03"].state.value == "insufficient_evidence"
    assert states(parts)["ROL-05"] == "fail"  # v6 serves now, and there is nothing behind it


def test_the_scheduled_job_counts_what_blocks(site: Callable[..., Parts]) -> None:
    parts = site()
    assert HOURLY["checklist"](parts, "p") == len(shown(parts)["blocking"]) > 0


def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[Any, str, str]:
    monkeypatch.setattr(sys, "argv", ["checkrein", *words])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_the_command_says_no_while_something_blocks(
    site: Callable[..., Parts], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site()
    monkeypatch.setenv("CHECKREIN_CLOCK", f"{BASE + 3 * HOUR + 60}/1/{BASE}")
    options = ["--config", str(tmp_path / "checkrein.toml")]
    code, out, _err = command(capsys, monkeypatch, "checklist", "run", "p", "--json", *options)
    assert (code, json.loads(out)["ran"]) == (1, True)
    code, out, _err = command(capsys, monkeypatch, "checklist", "show", "p", "GOV-05", "--json", *options)
    assert json.loads(out)["body"]["item"] == "GOV-05"
    code, out, _err = command(capsys, monkeypatch, "checklist", "show", "p", *options)
    assert (code, "GOV-05" in out, "closed by" in out) == (1, True, True)
    code, _out, err = command(capsys, monkeypatch, "checklist", "show", "p", "GOV-99", *options)
    assert (code, "no item 'GOV-99'" in err) == (2, True)
