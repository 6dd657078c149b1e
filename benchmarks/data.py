"""The decision log that the benchmarks read: seeded, generated once, kept outside the repository."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.summaries import Feature, Limit, Plan

ROW_GROUP = 1 << 17
FEATURES = tuple(f"f{i:02d}" for i in range(20))
ACTIONS = tuple(f"a{i}" for i in range(10))
CANDIDATES = ("cautious", "greedy", "uniform")
COSTS = ("heat", "noise", "power")
START = 1_767_225_600  # 2026-01-01 00:00 UTC


def plan(bins: int = 20) -> Plan:
    """What is counted: 20 features in ``bins`` equal-mass bins, reward, 3 limits, 10 actions, 3 candidates."""
    reference = np.random.default_rng(1).normal(size=(100_000, len(FEATURES)))
    features = []
    for name, column in zip(FEATURES, reference.T, strict=True):
        inner = np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1])
        features.append(Feature(name, float(column.min()), float(column.max()), tuple(inner.tolist())))
    return Plan(
        actions=ACTIONS,
        constraints=tuple(Limit(name, name, 2.0) for name in COSTS),
        features=tuple(features),
        reward_edges=tuple(np.linspace(-4.0, 4.0, 33).tolist()),
        candidates=CANDIDATES,
    )


def rows(count: int, begin: float, step: float, rng: np.random.Generator) -> pa.Table:
    """Canonical decisions at equal steps of time (seconds); some rewards, propensities and features are missing."""

    def missing(share: float) -> np.ndarray:
        return rng.random(count) < share

    columns: dict[str, pa.Array] = {
        "decision_id": pa.array([f"{begin:.0f}-{i}" for i in range(count)]),
        "ts": pa.array(((begin + step * np.arange(count)) * 1e6).astype(np.int64), pa.timestamp("us", "UTC")),
        "policy": pa.array(["bench"] * count),
        "version": pa.array(np.where(rng.random(count) < 0.1, "v2", "v1")),
        "arm": pa.array(np.where(rng.random(count) < 0.1, "canary", "live")),
        "action": pa.array(np.array(ACTIONS)[rng.integers(len(ACTIONS), size=count)]),
        "propensity": pa.array(rng.uniform(0.02, 1.0, count), mask=missing(0.01)),
        "reward": pa.array(np.where(rng.random(count) < 0.1, 0.0, rng.normal(size=count)), mask=missing(0.02)),
        "episode_id": pa.array(np.char.add("e", (np.arange(count) // 50).astype(str))),
        "step": pa.array(np.arange(count) % 50),
        "latency_ms": pa.array(rng.lognormal(2.0, 0.5, count)),
    }
    for i, name in enumerate(FEATURES):
        columns[f"state.{name}"] = pa.array(rng.normal(size=count), mask=missing(0.01) if i % 5 == 0 else None)
    for name in COSTS:
        columns[f"cost.{name}"] = pa.array(rng.exponential(size=count))
    for name in CANDIDATES:
        columns[f"pi.{name}"] = pa.array(rng.uniform(0.0, 1.0, count))
    return pa.table(columns)


def parquet(count: int, days: float, where: Path | None = None) -> Path:
    """Return a Parquet file of ``count`` decisions over ``days``, written at the first call (snappy)."""
    directory = where or Path(os.environ.get("CHECKREIN_BENCH_DIR", tempfile.gettempdir())) / "checkrein-bench"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"decisions-{count}-{days:g}d.parquet"
    if path.exists():
        return path
    rng, step = np.random.default_rng(20260101), days * 86400 / count
    partial = path.with_suffix(".partial")
    with pq.ParquetWriter(partial, rows(1, START, step, rng).schema, compression="snappy") as writer:
        for first in range(0, count, ROW_GROUP):
            writer.write_table(rows(min(ROW_GROUP, count - first), START + step * first, step, rng))
    partial.replace(path)
    return path
