"""A policy with candidates that are watched: its log, its passes, and a store that the pages can show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.bucketing.baseline import freeze
from monitor.clock import ManualClock
from monitor.live import estimates
from monitor.runtime import build
from monitor.settings import load
from monitor.tick import Parts, tick
from tests.passes import HOUR, START, log, parts_at, put

SERVED_AT = START + 20 * HOUR + 60 + 120

_CONFIGURATION = """
[store]
url = "sqlite:///checkrein.db"
lake = "lake"

[policy.p]
incumbent = "v6"
actions = ["hold", "cool"]
source = {kind = "parquet", path = "logs"}
"""


def watched(folder: Path, **more: Any) -> Parts:
    """Return the parts of a policy with two candidates, of which ``good`` plays the better action more often."""
    named = {"good": {"policy": "column:good"}, "same": {"policy": "column:propensity"}}
    return parts_at(folder, serving="v6", candidate=named, **more)


def decided(
    begin: float,
    hours: float,
    version: str = "v6",
    gain: float = 0.2,
    seed: int = 1,
    chances: Mapping[str, float] = MappingProxyType({}),
) -> pa.Table:
    """Return decisions of which ``cool`` earns ``gain`` more, and how likely each candidate makes what was done."""
    table = log(begin, hours, version=version, seed=seed)
    cool = np.array(table["action"].to_pylist()) == "cool"
    reward = pa.array(table["reward"].to_numpy() + gain * cool)
    table = table.set_column(table.column_names.index("reward"), "reward", reward)
    for name, chance in {"good": 0.8, **chances}.items():
        table = table.append_column(f"candidate_probs.{name}", pa.array(np.where(cool, chance, 1 - chance)))
    return table


def at(parts: Parts, end: float) -> None:
    """Do the pass that seals what was decided before ``end`` and no more, and the hourly job after it."""
    assert isinstance(parts.clock, ManualClock)
    parts.clock.at = end + parts.settings.policy["p"].maturity
    tick(parts, "p")
    estimates.refresh(parts, "p")


def seed(directory: Path) -> Path:
    """Make a store with candidates of every kind: one is better, served for a while, and kept what it promised."""
    chances = {"alike": 0.52, "worse": 0.3, "rare": 0.001}
    names = ["good", *chances]
    tables = "".join(f'\n[policy.p.candidate.{name}]\npolicy = "column:{name}"\n' for name in [*names, "unlogged"])
    (directory / "logs").mkdir(parents=True)
    (directory / "checkrein.toml").write_text(_CONFIGURATION + tables, "utf-8")
    parts = build(load(directory / "checkrein.toml"), ManualClock(START))
    put(parts, decided(START, 12, chances=chances))
    at(parts, START + 12 * HOUR)
    freeze(parts, "p", START, START + 12 * HOUR, "test")
    put(parts, log(START + 12 * HOUR, 4, version="good", reward=1.16))  # 1 + 0.8 * 0.2
    at(parts, START + 16 * HOUR)
    put(parts, decided(START + 16 * HOUR, 4, chances=chances))
    at(parts, START + 20 * HOUR)
    parts.database.close()
    return directory
