"""A job that fails is shown to people until it works again, and tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor import status
from monitor.clock import ManualClock
from monitor.landing.land import Landing
from monitor.report import report
from monitor.running.scheduler import Scheduler
from monitor.settings import parse
from monitor.store.database import Database
from monitor.tick import Parts


@pytest.fixture
def parts(database: Database, clock: ManualClock, tmp_path: Path) -> Parts:
    settings = parse({"policy": {"p": {"incumbent": "v6"}}, "store": {"lake": "lake"}}, tmp_path)
    return Parts(settings, database, clock, Landing(database, settings, clock))


def shown(parts: Parts) -> dict[str, Any]:
    with parts.database.read() as connection:
        return {**status.of(connection, parts.settings, parts.clock, "p"), "candidates": []}


def failing(parts: Parts) -> list[tuple[str, str]]:
    return [(item["job"], item["why"]) for item in shown(parts)["failing"]]


def test_a_job_that_fails_is_shown_and_tried_again(parts: Parts) -> None:
    scheduler = Scheduler(parts, "one")

    def fail() -> None:
        raise ZeroDivisionError("planted")

    scheduler._guarded("judge:p", fail)
    planted = [("judge:p", "ZeroDivisionError: planted")]
    assert failing(parts) == planted
    scheduler._guarded("judge:p", lambda: None)  # somebody else has the slot: nothing was done, and nothing is proven
    assert failing(parts) == planted
    scheduler._guarded("judge:p", lambda: scheduler.judge("p"))
    assert shown(parts)["jobs"]["judge:p"]["note"] == "0 rows, 0 windows"
    assert failing(parts) == []


@pytest.mark.parametrize("restarted", [False, True])
def test_a_failure_is_over_once_the_job_works_again_also_after_a_restart(parts: Parts, restarted: bool) -> None:
    scheduler, broken = Scheduler(parts, "one"), [True]

    def work() -> None:
        assert not broken, "planted"

    scheduler._guarded("why:p", lambda: None)
    scheduler._guarded("why:p", work)
    scheduler._guarded("why:q", work)
    found = shown(parts)
    assert "failed:why:p" not in found["jobs"]
    assert "  ! why:p failed 0.0 s ago and is tried again: AssertionError: planted" in report(found)
    assert "why:q" not in report(found)  # of another policy
    broken.clear()
    (Scheduler(parts, "two") if restarted else scheduler)._guarded("why:p", work)
    assert failing(parts) == []
