"""A policy whose logs are Parquet files, passes over them, and what the passes wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from monitor.bucketing.baseline import freeze
from monitor.clock import ManualClock
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import verdicts
from monitor.tick import Parts, Ticked, tick

HOUR, DAY, WINDOW = 3600.0, 86400.0, 900.0
START = 1_750_032_000.0  # 2025-06-16 00:00 UTC
BASE = START + 4 * DAY  # end of the baseline


def log(
    begin: float,
    hours: float,
    more: Mapping[str, Any] | None = None,
    *,
    version: str = "v7",
    reward: float = 1.0,
    seed: int = 1,
) -> pa.Table:
    """One decision every 10 s with noise; ``more`` replaces columns."""
    rng = np.random.default_rng([seed, int(begin)])
    n = int(hours * 360)
    ts = begin + 10.0 * np.arange(n)
    columns: dict[str, Any] = {
        "decision_id": [f"{version}-{int(at)}" for at in ts],
        "ts": pa.array((ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "version": [version] * n,
        "action": rng.choice(["hold", "cool"], n).tolist(),
        "propensity": np.full(n, 0.5),
        "reward": reward + rng.normal(0, 0.3, n),
        "state.load": rng.normal(0, 1, n),
        "cost.heat": np.where(rng.random(n) < 0.0002, 1.0, 0.0),
        "cost.melt": np.zeros(n),
    }
    return pa.table({**columns, **(more or {})})


def parts_at(folder: Path, **policy: Any) -> Parts:
    """Build the parts of a policy whose logs are Parquet files."""
    (folder / "logs").mkdir(exist_ok=True)
    table = {
        "incumbent": "v6",
        "serving": "v7",
        "fallbacks": ["v6"],
        "actions": ["hold", "cool"],
        "source": {"kind": "parquet", "path": "logs"},
        "constraint": {"heat": {"cost": "heat"}, "melt": {"cost": "melt", "hard": True}},
        **policy,
    }
    return build(parse({"policy": {"p": table}}, folder), ManualClock(BASE + 10 * DAY))


def land_baseline(parts: Parts) -> None:
    """Land four healthy days and freeze them."""
    put(parts, log(START, 96))
    tick(parts, "p", BASE)
    freeze(parts, "p", START, BASE, "test")


def put(parts: Parts, table: pa.Table) -> None:
    folder = parts.settings.path("logs")
    pq.write_table(table, folder / f"{len(list(folder.iterdir())):04}.parquet")


def pass_at(parts: Parts, now: float) -> Ticked:
    """Do a pass as live ones are done: as of the clock's now."""
    assert isinstance(parts.clock, ManualClock)
    parts.clock.at = now
    return tick(parts, "p")


def rows(parts: Parts, table: Any, *columns: str) -> list[tuple[Any, ...]]:
    with parts.database.read() as connection:
        picked = [table.c[name] for name in columns]
        return [tuple(row) for row in connection.execute(select(*picked).order_by(*picked))]


def states(parts: Parts, trigger: str, key: str = "") -> list[str]:
    found = rows(parts, verdicts, "start", "trigger", "key", "version", "state")
    return [state for _start, name, of, version, state in found if (name, of, version) == (trigger, key, "v7")]
