"""Decisions that a log holds twice, and others under an id that was there before."""

from __future__ import annotations

from pathlib import Path

from monitor.estimate import estimate
from ope import LIVE
from tests.test_estimate import SPEC, answer, parquet, rows


def test_a_decision_that_the_log_has_twice_counts_once_and_another_under_its_id_is_refused(tmp_path: Path) -> None:
    log = rows(400)
    once = estimate(parquet(tmp_path, log), [SPEC])
    (tmp_path / "logs").mkdir()
    parquet(tmp_path / "logs", log, "a.parquet")
    again = {name: values[:100] for name, values in log.items() if name != "state.x"} | {
        "state.x": log["state.x"][:100]
    }
    again["reward"] = [9.0 if i < 3 else reward for i, reward in enumerate(again["reward"])]
    parquet(tmp_path / "logs", again, "b.parquet")
    twice = estimate(tmp_path / "logs", [SPEC])
    assert (once["log"]["duplicates"], twice["log"]["duplicates"]) == (0, 97)
    assert {**once["log"], "duplicates": 97} == twice["log"]
    for one in LIVE:
        before, after = answer(once, one), answer(twice, one)
        assert (before["value"], before["n"]) == (after["value"], after["n"])
        told = " ".join(after["reasons"])
        assert "97 rows are decisions that the log has twice; each counts once." in told
        assert 'decision "d0" was logged before with other content' in told
        assert "3 rows are refused" in told


def test_the_same_id_in_another_hour_or_derived_from_the_row_is_another_decision(tmp_path: Path) -> None:
    log = rows(200)
    hours = {
        **log,
        "ts": [f"2026-01-31T{12 + i // 100}:00:00Z" for i in range(200)],
        "decision_id": [f"{i % 100}" for i in range(200)],
    }
    assert estimate(parquet(tmp_path, hours), [SPEC])["log"]["duplicates"] == 0
    nameless = {name: values * 2 for name, values in log.items() if name != "decision_id"}
    found = estimate(parquet(tmp_path, nameless), [SPEC])["log"]
    assert (found["rows"], found["duplicates"]) == (400, None)  # nobody can tell
