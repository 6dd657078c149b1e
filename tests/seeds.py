"""A small, true store in each state that a page can show, in seconds; and the server over it, without a scheduler.

``python -m tests.seeds DIRECTORY STATE`` makes one; ``with served(DIRECTORY) as address`` serves it.
"""

from __future__ import annotations

import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import uvicorn
from sqlalchemy import text

from monitor import checklists, tokens
from monitor.api.app import create_app
from monitor.bucketing.baseline import freeze
from monitor.clock import ManualClock, SpedClock
from monitor.live import estimates
from monitor.log_store.schema import TIMESTAMP
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.serve import mount_pages
from monitor.settings import load
from monitor.store.database import insert_new, upsert
from monitor.store.tables import heartbeats
from monitor.store.tables import tokens as token_rows
from monitor.tick import Parts, tick, tick_events
from monitor.validate import decisions
from monitor.why import job

STATES = ("healthy", "firing", "stale", "empty", "error")
NOW = 1_750_089_600.0 + 1_500.0  # 2025-06-16 16:25 UTC
TOKEN = "a-token-for-the-browser-tests-only"
DAY, HOUR = 86_400.0, 3_600.0
EVERY = 10.0  # seconds between decisions of one policy

_CONFIGURATION = """
[store]
url = "sqlite:///checkrein.db"
lake = "lake"
"""
_POLICY = """
[policy.{name}]
incumbent = "v6"
serving = "v7"
fallbacks = ["v6"]
actions = ["hold", "cool", "heat"]
lateness = "60s"

[policy.{name}.constraint.supply_too_cold]
cost = "supply_too_cold"
budget = 0.001
hard = true

[policy.{name}.constraint.rack_hot]
cost = "rack_hot"
budget = 0.02
slack = 0.01

[policy.{name}.candidate.v8]
policy = "column:v8"
"""
# policy -> what is wrong with it in the last 45 minutes; None: it was never logged
_FAULTS: dict[str, dict[str, str | None]] = {
    "healthy": {"bidder": "", "cooling": ""},
    "firing": {"bidder": "", "cooling": "cold", "pricer": "no baseline", "ranker": "narrow", "router": None},
    "stale": {"bidder": "", "cooling": ""},
    "empty": {"bidder": None, "cooling": None},
    "error": {"bidder": "", "cooling": "cold"},
}


def seed(directory: Path, state: str) -> Path:
    """Make the store of a state in an empty directory and return it."""
    faults = _FAULTS[state]
    directory.mkdir(parents=True, exist_ok=True)
    policies = "".join(_POLICY.format(name=name) for name in faults)
    (directory / "checkrein.toml").write_text(_CONFIGURATION + policies, "utf-8")
    clock = ManualClock(NOW - 2 * DAY)
    parts = build(load(directory / "checkrein.toml"), clock)
    for number, (policy, fault) in enumerate(faults.items()):
        if fault is not None:
            _live(parts, clock, policy, fault, number)
    clock.at = NOW
    with parts.database.begin() as connection:
        insert_new(connection, token_rows, [tokens._row(TOKEN, "tests", clock)])
    parts.database.close()
    return directory


def _live(parts: Parts, clock: ManualClock, policy: str, fault: str, number: int) -> None:
    """Let one policy live for two days: a baseline of a day and a half, then windows that are judged as they end."""
    begin, frozen = NOW - 2 * DAY, float((NOW - 12 * HOUR) // HOUR * HOUR)
    clock.at = frozen + 120
    _land(parts, policy, begin, frozen, "", number)
    if fault != "no baseline":
        freeze(parts, policy, begin, frozen, "seed")
    last = frozen
    for until in [*np.arange(frozen + 2 * HOUR, NOW - HOUR, 2 * HOUR), NOW - HOUR, NOW - 600.0, NOW - 60.0]:
        clock.at = float(until)
        _land(parts, policy, last, float(until), fault if until > NOW - HOUR else "", number)
        tick(parts, policy, float(until))
        last = float(until)
    clock.at = NOW - 30.0
    tick_events(parts, policy)
    if fault == "cold":
        job.run(parts, policy, "seed")
    estimates.refresh(parts, policy)
    if fault != "no baseline":
        checklists.refresh(parts, policy)


def _land(parts: Parts, policy: str, begin: float, end: float, fault: str, number: int) -> None:
    rows = int((end - begin) / EVERY)
    raw = pa.table(dict(log(policy, begin, rows, fault, number)))
    accepted = decisions(
        raw, columns={}, policy=policy, version=None, known=[policy], zone=None, latest=NOW, origin="seed",
        actions=("hold", "cool", "heat"), origin_digest="", first_row=1,
    )  # fmt: skip
    assert not accepted.rejects, accepted.rejects[:3]
    parts.landing.decisions(policy, accepted, "seed")


def log(policy: str, begin: float, rows: int, fault: str, number: int) -> Mapping[str, object]:
    """Return a decision log of one policy; ``cold`` drifts and breaks a limit, ``narrow`` takes one action only."""
    random = np.random.default_rng([number, int(begin)])
    at = begin + np.arange(rows) * EVERY
    faulty = at >= NOW - 45 * 60 if fault in {"cold", "narrow"} else np.zeros(rows, bool)
    probabilities = np.tile([0.5, 0.3, 0.2], (rows, 1))
    if fault == "narrow":
        probabilities[faulty] = [0.96, 0.02, 0.02]
    drawn = (random.random(rows)[:, None] > np.cumsum(probabilities, axis=1)).sum(axis=1).clip(0, 2)
    chosen = probabilities[np.arange(rows), drawn]
    cold = faulty & (fault == "cold")
    inlet = random.normal(24.0, 1.0, rows) - 3.0 * cold
    reward = -2.4 + 0.1 * (drawn == 0) + random.normal(0, 0.15, rows) - 0.25 * cold
    broken = cold & (np.arange(rows) == rows - 3)
    v8 = np.tile([0.6, 0.25, 0.15], (rows, 1))
    return {
        "decision_id": [f"{policy}-{int(begin)}-{i}" for i in range(rows)],
        "ts": pa.array((at * 1e6).astype(np.int64)).cast(TIMESTAMP),
        "policy": [policy] * rows,
        "version": ["v7"] * rows,
        "action": np.array(["hold", "cool", "heat"])[drawn],
        "propensity": chosen,
        "candidate_probs.v8": v8[np.arange(rows), drawn],
        "reward": reward,
        "state.inlet": inlet,
        "state.outside": random.normal(15.0, 4.0, rows),
        "state.load": random.gamma(4.0, 0.2, rows),
        "state.setpoint": 20.0 + 0.2 * inlet + random.normal(0, 0.2, rows),
        "cost.supply_too_cold": broken.astype(float),
        "cost.rack_hot": (random.random(rows) < np.where(cold, 0.12, 0.01)).astype(float),
    }


@contextmanager
def served(directory: Path, state: str, now: float = NOW) -> Iterator[str]:
    """Serve a seeded directory without judging anything further; yields the address."""
    clock = SpedClock(now, 1.0, time.time())
    parts = build(load(directory / "checkrein.toml"), clock)
    _beat(parts, 7200.0 if state == "stale" else 0.0, now)
    ended = threading.Event()
    if state != "stale":
        threading.Thread(target=_beat_until, args=(parts, now, ended), daemon=True).start()
    if state == "error":
        with parts.database.begin() as connection:
            connection.execute(text("ALTER TABLE verdicts RENAME TO verdicts_gone"))
    scheduler = Scheduler(parts, "seed")
    app = create_app(scheduler, run=False)
    mount_pages(app, scheduler)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.02)
            assert thread.is_alive(), "the server ended before it listened"
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            server.should_exit = True
            thread.join(timeout=120)
            parts.database.close()


def _beat_until(parts: Parts, now: float, ended: threading.Event) -> None:
    """Give signs of life until the end, as a scheduler does that judges nothing new."""
    while not ended.wait(1.0):
        _beat(parts, 0.0, now)


def _beat(parts: Parts, age: float, now: float) -> None:
    """Note how long ago each policy was judged, in real time."""
    rows = [
        {"part": f"judge:{name}", "real_at": time.time() - age, "at": now, "note": ""} for name in parts.settings.policy
    ]
    with parts.database.begin() as connection:
        upsert(connection, heartbeats, rows)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    seed(target, sys.argv[2])
