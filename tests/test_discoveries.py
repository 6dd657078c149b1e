"""The level of a rule is over all features of a window, whenever each of them is judged."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from monitor.bucketing import baseline
from monitor.clock import ManualClock, stamp
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import alerts, verdicts
from monitor.tick import Parts, tick

EPOCH = 1_750_000_200.0
CALIBRATED, END = EPOCH + 2400.0, EPOCH + 6000.0
WARN = {"window": "1m", "min_n": 1, "threshold": 0.0, "alpha": 0.5, "for": "1 windows"}
TOGETHER = "(Benjamini-Hochberg)"
FEATURES = ("a", "b", "c", "d", "e")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Five features of two values each; the last of them changes its mix at the end."""
    draw, lines = random.Random(5), []
    for second in range(0, int(END - EPOCH), 3):
        at = EPOCH + second
        row: dict[str, Any] = {"decision_id": f"{at}", "ts": stamp(at), "version": "v7", "action": "x", "reward": 1.0}
        row |= {f"state.{name}": float(draw.random() < 0.5) for name in FEATURES}
        if at > END - 900:
            row["state.e"] = float(draw.random() < 0.95)
        lines.append(json.dumps(row) + "\n")
    path = tmp_path / "log.jsonl"
    path.write_text("".join(lines))
    return path


def deployed(root: Path, **trigger: Any) -> Parts:
    root.mkdir()
    source = {"kind": "jsonl", "path": "../log.jsonl"}
    policy = {"incumbent": "v6", "serving": "v7", "limit_per_day": 0, "source": source}
    drift = {"state_drift_warn": WARN | trigger}
    parts = build(parse({"policy": {"p": policy}, "trigger": drift}, root), ManualClock(END + 60))
    tick(parts, "p", EPOCH)
    baseline.freeze(parts, "p", EPOCH, CALIBRATED, "test")
    return parts


def judged(parts: Parts) -> dict[tuple[str, float], tuple[str, str]]:
    with parts.database.read() as connection:
        rows = connection.execute(select(verdicts).where(verdicts.c.trigger == "state_drift_warn")).all()
    return {(row.key, row.start): (row.state, row.reason) for row in rows}


def test_one_pass_and_many_hold_the_level_over_the_same_features(tmp_path: Path, log: Path) -> None:
    at_once = deployed(tmp_path / "at once")
    tick(at_once, "p", END + 60)
    expected = judged(at_once)
    assert {key for key, _start in expected} == set(FEATURES)
    held = [reason for state, reason in expected.values() if state == "ok" and TOGETHER in reason]
    assert held  # features that would have fired alone
    assert all("among the 5 judged together at 0.5" in reason for reason in held)
    moved = [state for (key, start), (state, _reason) in expected.items() if key == "e" and start > END - 600]
    assert moved.count("fire") > 0.8 * len(moved)

    by_minute = deployed(tmp_path / "by minute")
    for minute in range(1, 63):
        tick(by_minute, "p", CALIBRATED + 60 * minute)
    assert judged(by_minute) == expected


def test_features_that_are_judged_late_have_the_verdict_that_they_would_have_had_in_time(
    tmp_path: Path, log: Path
) -> None:
    parts = deployed(tmp_path / "late")
    tick(parts, "p", END + 60)
    expected = judged(parts)
    late = max(start for _key, start in expected) - 20 * 60
    behind = FEATURES[:-1]  # all but the one that moved: what it shows is part of their level too
    with parts.database.begin() as connection:
        mine = (verdicts.c.trigger == "state_drift_warn", verdicts.c.key.in_(behind), verdicts.c.start >= late)
        connection.execute(delete(verdicts).where(*mine))
        theirs = (alerts.c.trigger == "state_drift_warn", alerts.c.key.in_(behind))
        connection.execute(update(alerts).where(*theirs).values(judged_until=late))
    assert len(judged(parts)) < len(expected)
    tick(parts, "p", END + 60)  # nothing new: the last feature alone is not due
    again = judged(parts)
    assert {where: said for where, said in again.items() if where in expected} == expected
