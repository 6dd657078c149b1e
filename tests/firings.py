"""A policy that fires for a planted reason, with its explanation computed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import update

from monitor.bucketing.baseline import freeze
from monitor.clock import ManualClock
from monitor.runtime import build
from monitor.settings import parse, shipped_triggers
from monitor.store.tables import actions
from monitor.tick import Parts, tick
from monitor.why import job
from monitor.why.told import told
from tests.passes import BASE, DAY, pass_at, put

SPAN, HOUR = 36 * 3600.0, 3600.0
FAULT = BASE + HOUR
JUDGED = FAULT + HOUR + 120.0
LEVELS = np.array(["north", "south"])


def log(begin: float, hours: float, fault: str = "", version: str = "v7", seed: int = 1) -> pa.Table:
    """A decision every 10 s: cooling pays 1, load pays 0.3; ``fault`` says what is wrong."""
    rng = np.random.default_rng([seed, int(begin)])
    n = int(hours * 360)
    ts = begin + 10.0 * np.arange(n)
    load = rng.normal(-1.6 if fault == "states" else -12.0 if fault == "far" else 0.0, 1, n)
    north = rng.random(n) < 0.5
    chance = np.full(n, 0.1 if fault == "actions" else 0.5)
    cool = rng.random(n) < chance
    reward = (
        1.0 + cool + 0.3 * load + rng.normal(0, 0.2, n) - 0.6 * (fault == "pays") - 0.8 * north * (fault == "north")
    )
    return pa.table(
        {
            "decision_id": [f"{version}-{int(at)}" for at in ts],
            "ts": pa.array((ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
            "version": [version] * n,
            "action": np.where(cool, "cool", "hold").tolist(),
            "propensity": np.where(cool, chance, 1 - chance),
            "reward": reward,
            "state.load": load,
            "state.kind": np.where(rng.random(n) < 0.3, "old", "new").tolist(),
            "segment.site": LEVELS[north.astype(int)].tolist(),
            "candidate_probs.v6": [[0.5, 0.5]] * n,
        }
    )


def opened(folder: Path, clock: Any = None, **more: Any) -> Parts:
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    policy = {
        "incumbent": "v6",
        "serving": "v7",
        "fallbacks": ["v6", "rule"],
        "actions": ["hold", "cool"],
        "source": {"kind": "parquet", "path": "logs"},
        "confirm": {"acknowledge_within": "1h"},
        "trigger": {name: {"enabled": False} for name in shipped_triggers() if name != "reward_3sigma"},
    }
    return build(parse({"policy": {"p": policy}, **more}, folder), clock or ManualClock(BASE + 10 * DAY))


def healthy_at(folder: Path) -> Path:
    """Land a day and a half without a fault and freeze it."""
    parts = opened(folder)
    put(parts, log(BASE - SPAN, 36))
    tick(parts, "p", BASE)
    freeze(parts, "p", BASE - SPAN, BASE, "test")
    parts.database.close()
    return folder


def faulty(healthy: Path, folder: Path, fault: str, *more: pa.Table, **settings: Mapping[str, Any]) -> Parts:
    """Copy a healthy store, land an hour of a fault after an hour without one, and judge both."""
    shutil.copytree(healthy, folder, dirs_exist_ok=True)
    parts = opened(folder, **settings)
    put(parts, log(BASE, 1.0))
    put(parts, log(FAULT, 1.0, fault))
    for table in more:
        put(parts, table)
    pass_at(parts, JUDGED)
    return parts


def fired(parts: Parts, trigger: str = "reward_3sigma") -> dict[str, Any]:
    """Explain everything and return what was told of one trigger."""
    send_all(parts)
    while job.run(parts, "p", "one"):
        pass
    with parts.database.read() as connection:
        return next(item for item in told(connection, "p", 200) if item["trigger"] == trigger)


def send_all(parts: Parts) -> None:
    with parts.database.begin() as connection:
        connection.execute(update(actions).values(attempts=1))
