"""A database that takes no writes for a minute: what cannot be kept is refused, and all the rest is only later."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from monitor.store.tables import actions, heartbeats, manifest

if TYPE_CHECKING:
    from tests.faults.conftest import Site

CONFIGURATION = """
[policy.posted]
incumbent = "v6"
serving = "v7"
[policy.filed]
incumbent = "v6"
[policy.filed.source]
kind = "jsonl"
path = "logs/*.jsonl"
poll = "1s"
"""


def batch(policy: str, number: int) -> list[dict[str, Any]]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    row = {"ts": at, "policy": policy, "version": "v7", "action": "a", "reward": 1.0}
    return [{**row, "decision_id": f"{number}-{i}"} for i in range(50)]


def write(site: Site, number: int) -> None:
    with (site.root / "logs" / "decisions.jsonl").open("a") as file:
        file.write("".join(json.dumps(row) + "\n" for row in batch("filed", number)))


def landed(site: Site, policy: str) -> int:
    database = site.open()
    with database.read() as connection:
        rows = connection.execute(select(func.sum(manifest.c.rows)).where(manifest.c.policy == policy)).scalar_one()
    database.close()
    return int(rows or 0)


def beaten_since(site: Site, moment: float) -> bool:
    """Whether every job and loop showed a sign of life after ``moment``."""
    parts = {"judge:posted", "judge:filed", "watchdog", "actions"}
    database = site.open()
    with database.read() as connection:
        fresh = {row.part for row in connection.execute(select(heartbeats).where(heartbeats.c.real_at > moment))}
    database.close()
    return parts <= fresh


def delivered(site: Site) -> bool:
    database = site.open()
    with database.read() as connection:
        rows = connection.execute(select(actions.c.acknowledged)).scalars().all()
    database.close()
    return len(rows) == 1 and rows[0] is not None


def survive(site: Site, seconds: float) -> str:
    """Lock the database for ``seconds`` under load; check what is said meanwhile, and how fast all is caught up."""
    (site.root / "logs").mkdir()
    site.configure(CONFIGURATION)
    site.receiver()
    site.serve()
    write(site, 0)
    site.until(lambda: landed(site, "filed") == 50, "the first rows do not land")
    site.until(lambda: beaten_since(site, 0.0), "a job does not run")
    lock = sqlite3.connect(site.root / "checkrein.db", isolation_level=None, timeout=300)
    lock.execute("BEGIN IMMEDIATE")
    begun, number, refused, unready, pause = time.monotonic(), 0, 0, 0, threading.Event()
    while time.monotonic() - begun < seconds:
        number += 1
        write(site, number)
        health, ready = site.get("/healthz"), site.get("/readyz")
        assert health is not None
        assert health.status_code == 200, f"a thread died: {health.text}"
        assert ready is not None
        unready += ready.status_code == 503
        answer = site.post("/decisions", json=batch("posted", 1))
        assert answer is not None
        assert answer.status_code == 503, answer.text
        assert "send it again" in answer.json()["detail"]
        refused += 1
        assert _ok(site.get("/api/v1/policies/posted/route"), 200), "the route cannot be read"
        pause.wait(0.2)
    held = time.monotonic() - begun
    lock.execute("ROLLBACK")
    lock.close()
    freed = time.time()
    accepted = site.until(lambda: _ok(site.post("/decisions", json=batch("posted", 1)), 200), "still locked")
    body = {"reason": "the fault test asks"}
    asked = partial(site.post, "/policies/posted/rollback", key="one", json=body)
    site.until(lambda: _ok(asked(), 202), "the rollback is not taken")  # one key: asked twice, it is one
    sent = site.until(lambda: delivered(site), "the rollback is not delivered")
    caught = site.until(lambda: landed(site, "filed") == 50 * (number + 1), "the file is not caught up")
    alive = site.until(lambda: beaten_since(site, freed), "a job does not run any more")
    assert landed(site, "posted") == 50
    site.until(lambda: _ok(site.get("/readyz"), 200), "it does not say that it is ready")
    assert site.healthy()
    assert not site.errors()
    if seconds > 30:  # passes are stale after 15 s, and readyz says so while healthz says that the threads live
        assert unready
    return (
        f"write-locked {held:.0f} s: {refused} batches refused with 503 and none lost, /healthz true throughout"
        f" (/readyz 503 {unready} times); after it the first batch was accepted in {accepted:.1f} s, a rollback"
        f" delivered in {sent:.1f} s, the log file caught up {accepted + sent + caught:.1f} s and every job passed"
        f" {time.time() - freed:.1f} s after the lock ({alive:.1f} s waited)"
    )


def _ok(answer: Any, status: int) -> bool:
    return answer is not None and answer.status_code == status


@pytest.mark.fault(6)
def test_a_locked_database_delays_and_loses_nothing(site: Site, say: Callable[[str], None]) -> None:
    say(survive(site, 5.0))


@pytest.mark.fault(6)
@pytest.mark.full
def test_a_database_locked_for_a_minute_delays_and_loses_nothing(site: Site, say: Callable[[str], None]) -> None:
    say(survive(site, 60.0))
