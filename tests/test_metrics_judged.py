"""From a log to a firing: each optional trigger quiet while healthy, loud in its fault, absent without its columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from monitor import status
from monitor.bucketing import buckets
from monitor.bucketing.baseline import freeze
from monitor.bucketing.plans import current_plan
from monitor.judging.history import History
from monitor.judging.windows import Windows, newest_baseline
from monitor.metrics import METRICS
from monitor.store.tables import baselines, summaries, verdicts
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from monitor.tick import Parts, tick
from tests.passes import BASE, HOUR, START, log, parts_at, pass_at, put, rows

OPTIONAL = (
    "segment_regression",
    "episode_cost",
    "kl_reference",
    "latency_sla",
    "proxy_divergence",
    "value_overestimation",
    "shadow_disagreement",
    "override_rate",
    "propensity_health",
)
POLICY: dict[str, Any] = {
    "candidate": {"v7": {"policy": "column:candidate_probs.v7"}},
    "checklist": {"latency_sla": "100ms"},
    "metrics": {"gamma": 0.9},
}


def rich(begin: float, hours: float, *, faulty: bool = False) -> pa.Table:
    """The usual log with every optional column; faulty: all of them go wrong, and the mean reward stays as it was."""
    n = int(hours * 360)
    rng = np.random.default_rng([7, int(begin)])
    region = rng.choice(["eu", "us", "tiny"], n, p=[0.49, 0.49, 0.02])
    reward = 1.0 + rng.normal(0.0, 0.3, n)
    if faulty:
        reward += np.where(region == "eu", -0.5, 0.0) + np.where(region == "us", 0.5, 0.0)
    action = rng.choice(["hold", "cool"], n)
    other = np.where(action == "hold", "cool", "hold")
    ratio = 0.4 if faulty else 0.1
    more = {
        "action": action,
        "reward": reward,
        "segment.region": region,
        "episode_id": [f"{int(begin)}-{i // 6}" for i in range(n)],
        "step": np.arange(n) % 6,
        "cost.heat": rng.exponential(0.3 if faulty else 0.1, n),
        "log_ratio_ref": rng.normal(ratio, 0.3, n),
        "latency_ms": rng.lognormal(4.6 if faulty else 3.0, 0.5, n),
        "outcome.sales": 2.0 * reward + rng.normal(-1.0 if faulty else 0.0, 0.5, n),
        "q_value": np.where(np.arange(n) % 6 == 0, 4.7 + (3.0 if faulty else 0.0), 0.0) + rng.normal(0.0, 0.3, n),
        "proposed_action": np.where(rng.random(n) < (0.5 if faulty else 0.05), other, action),
        "override": pa.array(["ada"] * n, mask=rng.random(n) >= (0.2 if faulty else 0.0)),
        "propensity": np.full(n, 0.7 if faulty else 0.5),
        "candidate_probs.v7": np.full(n, 0.5),
    }
    return log(begin, hours, more)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """A baseline of 32 hours, six healthy hours, six faulty ones, all judged."""
    parts = parts_at(tmp_path_factory.mktemp("world"), constraint={"heat": {"cost": "heat", "limit": 5.0}}, **POLICY)
    land_baseline_of(parts)
    put(parts, rich(BASE, 6))
    put(parts, rich(BASE + 6 * HOUR, 6, faulty=True))
    pass_at(parts, BASE + 12 * HOUR + 120)
    return parts


def land_baseline_of(parts: Parts) -> None:
    put(parts, rich(BASE - 32 * HOUR, 32))
    tick(parts, "p", BASE)
    freeze(parts, "p", BASE - 32 * HOUR, BASE, "test")


def states(parts: Parts, trigger: str, begin: float, end: float, key: str | None = None) -> list[str]:
    found = rows(parts, verdicts, "start", "trigger", "key", "state")
    return [
        state for at, name, of, state in found if name == trigger and begin <= at < end and (key is None or of == key)
    ]


@pytest.mark.parametrize("trigger", OPTIONAL)
def test_it_is_quiet_while_healthy_and_fires_in_its_fault(world: Parts, trigger: str) -> None:
    half = BASE + 6 * HOUR
    key = "@ region=eu" if trigger == "segment_regression" else None
    healthy, faulty = states(world, trigger, BASE, half, key), states(world, trigger, half, half + 6 * HOUR, key)
    assert len(healthy) == len(faulty) == (6 if trigger == "proxy_divergence" else 24)
    assert healthy.count("fire") <= 1
    assert set(healthy) <= {"ok", "fire"}
    assert faulty == ["fire"] * len(faulty)


def test_a_small_segment_says_insufficient_and_does_not_hold_the_policy(world: Parts) -> None:
    assert set(states(world, "segment_regression", BASE, BASE + 6 * HOUR, "@ region=tiny")) == {"insufficient"}
    assert states(world, "segment_regression", BASE + 6 * HOUR, BASE + 12 * HOUR, "@ region=us").count("fire") == 0
    with world.database.read() as connection:
        assert status.of(connection, world.settings, world.clock, "p")["state"] == "warning"


def test_the_reason_names_segment_and_limit(world: Parts) -> None:
    with world.database.read() as connection:
        found = connection.execute(select(verdicts).where(verdicts.c.start >= BASE + 6 * HOUR)).all()
    reasons = {(row.trigger, row.key): row.reason for row in found}
    assert reasons["segment_regression", "@ region=eu"].startswith("Mean reward of region=eu 0.")
    assert "above 0.01" in reasons["latency_sla", ""]
    assert "sigma above its baseline" in reasons["kl_reference", ""]


def test_a_segment_is_counted_in_minutes_and_windows_as_the_rows_say(world: Parts) -> None:
    table = rich(BASE, 6).to_pandas()
    eu = table[table["segment.region"] == "eu"]
    with world.database.read() as connection:
        plan, _ = current_plan(connection, world.settings, "p")
        for resolution in (60, 900, 3600):
            found = buckets.load(
                connection, "p", "v7", "region=eu", resolution, BASE, BASE + 6 * HOUR, plan.of_segments
            )
            total = sum((one for _start, one in found), start=BucketSummary())
            assert total.rows == len(eu)
            assert total["reward"].sum == pytest.approx(eu["reward"].sum(), rel=1e-12)
            assert total["tracked"]["latency"].mean == pytest.approx(eu["latency_ms"].mean(), rel=1e-12)
            assert total.plan is not None
            assert total.plan.features == ()


def test_a_backtest_reads_the_same_windows_of_a_segment_as_a_pass(world: Parts) -> None:
    keys = ["@ region=eu", "", "@ region=us"]
    asking = [world.settings.trigger[name] for name in ("reward_3sigma", "segment_regression")]
    past = History(first=BASE - 32 * HOUR, last=BASE + 12 * HOUR, triggers=asking)
    with world.database.read() as connection:
        plan, _ = current_plan(connection, world.settings, "p")
        frozen = newest_baseline(connection, "p")
        asked = (connection, "p", "v7", "reward", keys, 900, BASE, BASE + 12 * HOUR, plan, frozen)
        live, replayed = Windows().series(*asked), past.series(*asked)
    for key in keys:
        np.testing.assert_array_equal(live[key].value, replayed[key].value)
        one, other = live[key].baseline, replayed[key].baseline
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.value, other.value)
    assert not np.array_equal(live[keys[0]].value, live[keys[2]].value)


def test_a_shadow_version_is_judged_on_its_own_rows_where_a_trigger_says_so(tmp_path: Path) -> None:
    shadows = {"shadow_disagreement": {"segment": "arm=shadow"}}
    parts = parts_at(tmp_path, trigger=shadows)
    for begin, hours, faulty in ((BASE - 10 * HOUR, 10, False), (BASE, 2, True)):
        live, shadow = log(begin, hours), rich(begin, hours, faulty=faulty)
        said = {"version": ["v8"] * shadow.num_rows, "arm": ["shadow"] * shadow.num_rows}
        for name, values in {**said, "decision_id": [f"v8-{i}" for i in range(shadow.num_rows)]}.items():
            kept = shadow.drop_columns([name]) if name in shadow.column_names else shadow
            shadow = kept.append_column(name, pa.array(values))
        put(parts, live)
        put(parts, shadow)
        if begin < BASE:
            tick(parts, "p", BASE)
            freeze(parts, "p", begin, BASE, "test")
    pass_at(parts, BASE + 2 * HOUR + 120)
    found = rows(parts, verdicts, "start", "trigger", "version", "key", "state")
    mine = [(version, key, state) for _, trigger, version, key, state in found if trigger == "shadow_disagreement"]
    assert mine == [("v8", "@ arm=shadow", "fire")] * 8


def test_a_log_without_the_columns_is_not_judged_by_them(tmp_path: Path) -> None:
    parts = parts_at(tmp_path)
    put(parts, log(BASE - 10 * HOUR, 10))
    tick(parts, "p", BASE)
    freeze(parts, "p", BASE - 10 * HOUR, BASE, "test")
    put(parts, log(BASE, 2))
    pass_at(parts, BASE + 2 * HOUR + 120)
    assert {name for (name,) in rows(parts, verdicts, "trigger")} & set(OPTIONAL) == set()
    assert states(parts, "reward_3sigma", BASE, BASE + 2 * HOUR) == ["ok"] * 8
    with parts.database.read() as connection:
        assert {segment for (segment,) in connection.execute(select(summaries.c.segment))} == {""}


def test_the_agreed_latency_follows_the_configuration_at_once(tmp_path: Path) -> None:
    def share(sla: str) -> float:
        parts = parts_at(tmp_path, **{**POLICY, "checklist": {"latency_sla": sla}})
        if not rows(parts, baselines, "id"):
            put(parts, rich(START, 2))
            pass_at(parts, START + 2 * HOUR + 120)
            freeze(parts, "p", START, START + HOUR, "test")
        pass_at(parts, START + 2 * HOUR + 240)
        with parts.database.read() as connection:
            plan, _ = current_plan(connection, parts.settings, "p")
            found = buckets.load(connection, "p", "v7", "", 60, START + HOUR, START + 2 * HOUR, plan)
        return METRICS["latency_over_sla"].point(sum((s for _, s in found), start=BucketSummary()), plan, "").value

    latency = rich(START, 2).to_pandas()["latency_ms"].to_numpy()[360:]
    assert [share("30ms"), share("60ms")] == [np.mean(latency > 30), np.mean(latency > 60)]


def test_the_frozen_plan_keeps_what_the_reference_taught(world: Parts) -> None:
    with world.database.read() as connection:
        stored = json.loads(connection.execute(select(baselines.c.plan)).scalar_one())
        plan, _ = current_plan(connection, world.settings, "p")
    frozen = Plan.from_json(json.dumps(stored))
    assert (frozen.columns, frozen.learned, frozen.segments) == (plan.columns, plan.learned, plan.segments)
    assert dict(plan.learned)["step"] == (0.0,)
    assert dict(plan.learned)["outcome.sales"][1] == pytest.approx(2.0, abs=0.05)
    assert plan.segment_names == ("region=eu", "region=tiny", "region=us", "region=(other)")
