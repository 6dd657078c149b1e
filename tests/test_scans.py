"""A pass goes on where a scan got to, and its verdicts are those of whoever scans all of it, bit for bit."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from monitor.bucketing import baseline
from monitor.clock import ManualClock, stamp
from monitor.judging import scans
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import actions, transitions, verdicts
from monitor.tick import Parts, tick

EPOCH = 1_750_000_200.0
CALIBRATED, END = EPOCH + 2400.0, EPOCH + 7200.0
CONSTRAINT = {"heat": {"cost": "heat", "limit": 1.0, "budget": 0.1}, "noise": {"cost": "noise", "budget": 0.2}}
WINDOWS = {name: {"window": "1m", "min_n": 5} for name in ("violation_budget", "no_data", "reward_rolling_2sigma")}
TOML = {
    "policy": {
        "p": {
            "incumbent": "v6",
            "serving": "v7",
            "limit_per_day": 0,
            "constraint": CONSTRAINT,
            "source": {"kind": "jsonl", "path": "../log.jsonl"},
        }
    },
    "trigger": WINDOWS,
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two hours of decisions; the last one is silent for a while, and then too hot."""
    draw, lines = random.Random(3), []
    for second in range(0, int(END - EPOCH), 4):
        at = EPOCH + second
        hot = 0.5 if at > EPOCH + 5400 else 0.0
        row = {"decision_id": f"{at}", "ts": stamp(at), "version": "v7", "action": "a", "reward": draw.gauss(1, 0.2)}
        row |= {"cost.heat": draw.gauss(hot, 0.7), "cost.noise": draw.gauss(-1.0, 1.0)}
        if not EPOCH + 3900 < at < EPOCH + 4600:
            lines.append(json.dumps(row) + "\n")
    path = tmp_path / "log.jsonl"
    path.write_text("".join(lines))
    return path


def deployed(root: Path) -> Parts:
    root.mkdir()
    parts = build(parse(TOML, root), ManualClock(END + 60))
    tick(parts, "p", EPOCH)
    baseline.freeze(parts, "p", EPOCH, CALIBRATED, "test")
    return parts


def written(parts: Parts) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Verdicts and transitions, without the time of writing."""
    with parts.database.read() as connection:
        rows = connection.execute(select(verdicts).order_by(*verdicts.primary_key.columns)).all()
        columns = [transitions.c[name] for name in ("version", "trigger", "key", "old", "new", "at", "evidence")]
        moved = connection.execute(select(*columns).order_by(*columns)).all()
    judged = [tuple(v for name, v in row._mapping.items() if name not in {"judged"}) for row in rows]
    return judged, [tuple(row) for row in moved]


def minutes(step: int) -> list[float]:
    return [*(CALIBRATED + 60 * minute for minute in range(step, 80, step)), END + 60]


@pytest.mark.parametrize("span", [8, 2048], ids=["truncated", "whole"])
def test_a_scan_that_is_resumed_gives_the_verdicts_of_one_that_is_not(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch, span: int
) -> None:
    monkeypatch.setattr(scans, "SPAN", span)
    at_once = deployed(tmp_path / "at once")
    tick(at_once, "p", END + 60)
    expected = written(at_once)
    judged, moved = expected
    assert {row[2] for row in moved} >= {"", "heat"}  # silence and violations fired
    assert len({row[4] for row in judged if row[2] == "violation_budget"}) > 60

    resumed = deployed(tmp_path / "resumed")
    for until in minutes(1):
        tick(resumed, "p", until)
    assert written(resumed) == expected

    restarted = deployed(tmp_path / "restarted")  # a new process for each pass remembers nothing
    for until in minutes(7):
        tick(Parts(restarted.settings, restarted.database, restarted.clock, restarted.landing), "p", until)
    assert written(restarted) == expected

    shared = deployed(tmp_path / "shared")  # two workers in turn, each of which finds windows that the other judged
    other = Parts(shared.settings, shared.database, shared.clock, shared.landing)
    for number, until in enumerate(minutes(3)):
        tick(shared if number % 3 else other, "p", until)
    assert written(shared) == expected


def test_a_rolling_trigger_looks_back_over_the_freeze_and_not_behind_a_confirmed_rollback(
    tmp_path: Path, log: Path
) -> None:
    parts = deployed(tmp_path / "site")
    reset = CALIBRATED + 5 * 60
    tick(parts, "p", reset)
    row = {"id": "act_1", "policy": "p", "kind": "rollback", "hook": "", "state": "confirmed", "generation": 2}
    row |= {"from_version": "v7", "to_version": "v6", "reason": "Fell.", "trigger": "t", "actor": "a", "body": ""}
    row |= {"requested": reset - 60, "real_requested": reset - 60, "confirmed": reset}
    with parts.database.begin() as connection:
        connection.execute(insert(actions), [row])
    tick(parts, "p", END + 60)
    judged = {row[4]: row for row in written(parts)[0] if row[2] == "reward_rolling_2sigma"}
    assert min(judged) == CALIBRATED
    before = {start: row for start, row in judged.items() if start < reset}
    assert {row[6] for row in before.values()} <= {"ok", "fire"}
    assert all("of the previous 30 windows" in row[13] for row in before.values())  # most of them before the freeze
    found = {start: row[13] for start, row in judged.items() if start >= reset}
    assert "0 of the previous 30 windows can be used" in found[reset]
    assert "14 of the previous 30 windows can be used" in found[reset + 14 * 60]
    assert "the previous 15 windows" in found[reset + 15 * 60]


def test_a_pass_reads_new_windows_only(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = deployed(tmp_path / "site")
    tick(parts, "p", END - 600)
    read: list[float] = []
    series = type(parts.windows).series

    def counted(self: Any, connection: Any, policy: str, version: str, metric: str, keys: Any, *span: Any) -> Any:
        window, begin, end, *_rest = span
        read.append((end - begin) / window)
        return series(self, connection, policy, version, metric, keys, *span)

    monkeypatch.setattr(type(parts.windows), "series", counted)
    tick(parts, "p", END - 540)
    assert read
    assert max(read) <= 31  # the one that is new, and 30 that the rolling trigger looks back on
