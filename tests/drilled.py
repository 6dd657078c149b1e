"""A policy whose log has every column, a frozen baseline, and everything that its database holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from monitor import validate
from monitor.bucketing.baseline import freeze
from monitor.clock import ManualClock
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import metadata
from monitor.tick import Parts, tick

DAY, STEP = 86400.0, 10.0
START = 1_750_032_000.0  # 2025-06-16 00:00 UTC
BASE = START + 2 * DAY  # end of the baseline
NOW = BASE + 3600.0
NOTIFY = {"oncall": {"urls": ["env:CHECKREIN_TEST_URL"]}}
OURS = {"drills", "events", "notifications"}  # what a drill may write in the real database


def log(*, later: bool = False) -> pa.Table:
    """Two healthy days, one decision every 10 s, with every column that a shipped trigger reads."""
    rng = np.random.default_rng(7)
    n = int(2 * DAY / STEP)
    ts = START + STEP * np.arange(n)
    action = rng.choice(["hold", "cool"], n)
    reward = 1.0 + rng.normal(0, 0.3, n)
    columns: dict[str, Any] = {
        "decision_id": [f"d{i}" for i in range(n)],
        "ts": pa.array((ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "version": ["v7"] * n,
        "action": action.tolist(),
        "propensity": np.full(n, 0.5),
        "reward": reward,
        "state.load": rng.normal(0, 1, n),
        "cost.heat": np.where(rng.random(n) < 0.0002, 1.0, 0.0),
        "cost.melt": np.zeros(n),
        "irreversible": np.zeros(n, bool),
    }
    if later:
        return pa.table({**columns, "reward": pa.nulls(n, pa.float64())})
    more = {
        "episode_id": [f"e{i // 3}" for i in range(n)],
        "step": np.arange(n) % 3,
        "segment.region": rng.choice(["eu", "us"], n).tolist(),
        "latency_ms": rng.gamma(4.0, 3.0, n),
        "q_value": reward + rng.normal(0, 0.2, n),
        "log_ratio_ref": rng.normal(0.1, 0.05, n),
        "outcome.sales": 2.0 * reward + rng.normal(0, 0.2, n),
        "proposed_action": action.tolist(),
        "override": pa.nulls(n, pa.string()),
        "candidate_probs.c": np.full(n, 0.5),
    }
    return pa.table({**columns, **more})


def world(folder: Path, **changes: Any) -> Parts:
    """Land the log, freeze it and judge an hour after it."""
    policy = {
        "incumbent": "v6",
        "serving": "v7",
        "fallbacks": ["v6"],
        "actions": ["hold", "cool"],
        "constraint": {"heat": {"cost": "heat", "cost_budget": 0.5}, "melt": {"cost": "melt", "hard": True}},
        "candidate": {"c": {"policy": "column:candidate_probs.c"}},
        "checklist": {"latency_sla": "200ms"},
        **changes.pop("policy", {}),
    }
    settings = {"policy": {"p": policy}, "drill": {"notify": ["oncall"]}, "notify": NOTIFY, **changes}
    parts = build(parse(settings, folder), ManualClock(NOW))
    later = "reward_horizon" in policy
    land(parts, log(later=later))
    if later:
        land_rewards(parts)
    tick(parts, "p", BASE + parts.settings.policy["p"].maturity)
    freeze(parts, "p", START, BASE, "test")
    tick(parts, "p", NOW)
    return parts


def land(parts: Parts, table: pa.Table) -> None:
    actions = parts.settings.policy["p"].actions
    accepted = validate.decisions(
        table, columns={}, policy="p", version=None, known=["p"], zone=None, latest=NOW, actions=actions,
        origin="log", origin_digest="log", first_row=1,
    )  # fmt: skip
    assert accepted.rejects == ()
    parts.landing.decisions("p", accepted, "log")


def land_rewards(parts: Parts) -> None:
    """Land each reward five minutes or so after its decision."""
    rng = np.random.default_rng(8)
    table = log()
    waited = (rng.uniform(200, 400, table.num_rows) * 1e6).astype(np.int64)
    at = np.array(table.column("ts").cast(pa.int64()).to_numpy()) + waited
    events = pa.table(
        {
            "decision_id": table.column("decision_id"),
            "ts": pa.array(at).cast(table.column("ts").type),
            "decision_ts": table.column("ts"),
            "reward": table.column("reward"),
        }
    )
    parts.landing.rewards("p", validate.rewards(events, latest=NOW, origin="rewards", first_row=1), "rewards")


def held(parts: Parts) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that the database holds but what a drill may write."""
    with parts.database.read() as connection:
        tables = [table for table in metadata.sorted_tables if table.name not in OURS]
        return {table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in tables}


def steps(found: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["state"] for step in found["steps"]}
