"""A seeded decision log, landings that share one database, and what landing left behind in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from monitor.bucketing.plans import configured_plan
from monitor.clock import ManualClock
from monitor.landing.land import Landing, Mark
from monitor.log_store.schema import TIMESTAMP
from monitor.settings import Settings, parse
from monitor.sources import Position
from monitor.store.database import Database
from monitor.store.tables import (
    manifest,
    metadata,
    quarantine,
    single_events,
    summaries,
    traffic,
    watermarks,
)
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan

START = 1_750_003_200  # a full hour
Make = Callable[..., Landing]


def settings(folder: Path, **policy: Any) -> Settings:
    bids = {"incumbent": "v1", "actions": ["low", "high"], "confirm": {"window": "10s"}, **policy}
    return parse({"store": {"lake": "lake", "url": f"sqlite:///{folder}/state.db"}, "policy": {"bids": bids}}, folder)


def open_landing(folder: Path, busy: float = 30.0, at: float = START + 600.0, **policy: Any) -> Landing:
    """Return one more landing on the database and the lake of the folder."""
    configured = settings(folder, **policy)
    database = Database(configured.store.url, busy)
    metadata.create_all(database.engine)
    return Landing(database, configured, ManualClock(at))


def log(
    first: int, rows: int, columns: Mapping[str, Any] | None = None, *, seed: int = 0, every: float = 1.0
) -> pa.Table:
    """Rows ``first`` to ``first + rows`` of one endless seeded log; a row is the same in every cut."""
    drawn = np.random.default_rng(seed).normal(size=(first + rows, 2))[first:]
    at = START * 1_000_000 + (np.arange(first, first + rows) * every * 1e6).astype(np.int64)
    table = {
        "decision_id": [f"d{i}" for i in range(first, first + rows)],
        "ts": pa.array(at).cast(TIMESTAMP),
        "policy": ["bids"] * rows,
        "version": ["v1" if i % 3 else "v2" for i in range(first, first + rows)],
        "action": ["high" if i % 2 else "low" for i in range(first, first + rows)],
        "propensity": np.full(rows, 0.5),
        "reward": drawn[:, 0],
        "state.load": drawn[:, 1],
        **(columns or {}),
    }
    return pa.table(table)


def mark(rows: int) -> Mark:
    return Mark("bids:csv:log.csv", "log.csv", Position(rows * 100, rows, rows * 100, f"log:0:{rows}", False), 1)


def minutes(landing: Landing, late: bool = False) -> dict[tuple[str, str, int], BucketSummary]:
    """All stored minute buckets."""
    where = (summaries.c.resolution == 60) & summaries.c.late.is_(late)
    with landing.database.read() as connection:
        rows = connection.execute(select(summaries).where(where)).all()
    return {(row.version, row.segment, row.start): BucketSummary.from_bytes(row.body) for row in rows}


def assert_same(found: dict[Any, BucketSummary], expected: dict[Any, BucketSummary]) -> None:
    """Integers are equal, float sums to 1e-9 (order of merging)."""
    assert found.keys() == expected.keys()
    for key, summary in expected.items():
        assert found[key].rows == summary.rows, key
        for mine, theirs in zip(found[key].parts, summary.parts, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


def state(landing: Landing) -> dict[str, Any]:
    """Everything that a landing may change, except the counter that it counts itself with."""
    with landing.database.read() as connection:
        tables = (manifest, summaries, quarantine, traffic, single_events, watermarks)
        return {table.name: connection.execute(select(table)).all() for table in tables}


def lake_rows(landing: Landing) -> pa.Table:
    with landing.database.read() as connection:
        return landing.lake.read(connection, "bids", "decisions", 0, 4e9)


def plan(landing: Landing) -> Plan:
    return configured_plan(landing.settings, "bids")
