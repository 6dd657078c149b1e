"""The false-alarm budget: thresholds follow from it, each trigger states its share, and a broken one names a cure."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from detectors import Series
from monitor.backtest import backtest
from monitor.bucketing import buckets
from monitor.bucketing.plans import configured_plan, current_plan
from monitor.budgeting import budget
from monitor.budgeting.cures import correlation_of
from monitor.budgeting.resampled import resample
from monitor.budgeting.runs import false_alarms, least_k
from monitor.clock import ManualClock
from monitor.judging.parameters import budget_per_window, parameters_of, sharing
from monitor.judging.windows import Windows
from monitor.settings import Settings, parse
from monitor.store.database import Database
from monitor.summaries import summarise
from monitor.tick import seal
from tests.api_site import Api
from tests.passes import BASE, DAY, WINDOW, land_baseline, log, parts_at, put


def settings(**policy: object) -> Settings:
    constraint = {"heat": {"cost": "heat"}, "noise": {"cost": "noise"}, "melt": {"cost": "melt", "hard": True}}
    return parse({"policy": {"p": {"incumbent": "v1", "constraint": constraint, **policy}}})


def total(found: Settings) -> float:
    """Add up, over triggers, keys and windows of the budget's time, the probability that each window is allowed."""
    plan, span = configured_plan(found, "p"), found.policy["p"].false_rollbacks.per
    triggers = found.triggers("p")
    shares = sharing(found, "p", plan)
    return sum(
        budget_per_window(found, "p", triggers[name], plan) * len(keys) * span / triggers[name].window
        for name, keys in shares.items()
    )


@pytest.mark.parametrize("at_most", [1.0, 0.25])
@pytest.mark.parametrize("windows", [{}, {"reward_3sigma": {"window": "1h"}, "violation_budget": {"window": "5m"}}])
def test_the_shares_of_all_triggers_keys_and_windows_are_the_budget(
    at_most: float, windows: dict[str, dict[str, str]]
) -> None:
    found = settings(false_rollbacks={"at_most": at_most, "per": "180d"}, trigger=windows)
    assert total(found) == pytest.approx(at_most)


def test_single_events_and_triggers_without_a_series_take_no_share() -> None:
    assert set(sharing(settings(), "p")) >= {"reward_3sigma", "reward_slow", "violation_budget"}
    bare = settings(constraint={})
    assert not {"violation_budget", "hard_constraint", "irreversible_action", "state_drift"} & set(sharing(bare, "p"))


def test_thresholds_follow_from_the_budget_where_a_trigger_leaves_them_unset() -> None:
    called = {}
    for per in ("180d", "18d"):
        found = settings(false_rollbacks={"at_most": 1, "per": per})
        trigger = found.triggers("p")["violation_budget"]
        share = budget_per_window(found, "p", trigger)
        called[per] = parameters_of(found, "p", trigger, "heat")
        assert called[per]["run_length"] == pytest.approx(1 / share)
    assert called["180d"]["run_length"] == pytest.approx(10 * called["18d"]["run_length"])
    own = settings(trigger={"violation_budget": {"alpha": 0.01}})
    assert parameters_of(own, "p", own.triggers("p")["violation_budget"], "heat")["alpha"] == 0.01
    assert parameters_of(own, "p", own.triggers("p")["reward_3sigma"], "")["k"] == 3.0
    auto = settings(trigger={"reward_3sigma": {"k": "auto"}})
    trigger = auto.triggers("p")["reward_3sigma"]
    assert parameters_of(auto, "p", trigger, "")["budget_per_window"] == budget_per_window(auto, "p", trigger)
    other = {"metric": "reward", "detector": "limit", "side": "below", "k": "auto"}
    auto = settings(trigger={"reward_limit": other})
    assert 4 < parameters_of(auto, "p", auto.triggers("p")["reward_limit"], "")["k"] < 4.5
    drift = settings().triggers("p")["state_drift"]
    assert 0 < parameters_of(settings(), "p", drift, "load")["alpha"] < 1e-4


@pytest.mark.parametrize(("k", "runs", "rho"), [(1.5, 1, 0.0), (1.5, 2, 0.0), (1.5, 2, 0.6), (1.0, 3, 0.9)])
def test_false_alarms_of_runs_agree_with_a_simulation(k: float, runs: int, rho: float) -> None:
    rng, n = np.random.default_rng([int(10 * k), runs]), 400_000
    noise, z = rng.normal(0, math.sqrt(1 - rho**2), n), np.empty(n)
    z[0] = rng.normal()
    for t in range(1, n):
        z[t] = rho * z[t - 1] + noise[t]
    length, alarms = 0, 0
    for low in z < -k:
        length = length + 1 if low else 0
        alarms += length == runs
    expected = n * false_alarms(k, runs, rho)
    assert abs(alarms - expected) < 5 * math.sqrt(expected * (1 + rho) / (1 - rho))


def test_the_figures_of_the_shipped_rule() -> None:
    assert 4320 * false_alarms(3.0, 1, 0.0) == pytest.approx(5.8, abs=0.05)  # hourly, 180 days, one window
    assert 17280 * false_alarms(3.0, 2, 0.0) == pytest.approx(0.03, abs=0.005)
    assert 3.8 <= (least_k(1 / 17280, 1, 0.0) or 0) <= 4.1


def baseline(rho: float, seed: int = 1, n: int = 800) -> Series:
    rng = np.random.default_rng(seed)
    value = np.empty(n)
    value[0] = rng.normal()
    for t in range(1, n):
        value[t] = rho * value[t - 1] + rng.normal(0, math.sqrt(1 - rho**2))
    return Series(np.arange(n, dtype=np.float64) * 900, 10 + value, np.full(n, 0.1), np.full(n, 100))


def test_blocks_keep_the_time_of_day_and_how_windows_follow_each_other() -> None:
    base = baseline(0.8, n=960)
    drawn = resample(base, 900, 4800, np.random.default_rng(3))
    assert drawn.time[0] == base.time[-1] + WINDOW
    assert set(drawn.value) <= set(base.value)
    place = {value: index for index, value in enumerate(base.value)}
    at = np.array([place[value] for value in drawn.value])
    assert ((drawn.time % DAY) == base.time[at] % DAY).all()
    assert correlation_of(drawn) == pytest.approx(correlation_of(base), abs=0.05)


def test_a_correlated_baseline_breaks_the_budget_and_the_cure_keeps_it() -> None:
    found = settings()
    trigger = found.triggers("p")["reward_3sigma"]
    plan = configured_plan(found, "p")
    calm = budget._share(found, "p", "reward_3sigma", trigger, plan, {"": baseline(0.0)}, 0, None)
    assert calm.kept
    assert calm.expected == pytest.approx(0.03, abs=0.02)
    share = budget._share(found, "p", "reward_3sigma", trigger, plan, {"": baseline(0.9)}, 0, None)
    assert share.kept is False
    assert "k = " in share.cure
    assert 'for = "' in share.cure
    k = float(share.cure.split("k = ")[1].split()[0])
    mended = found.triggers("p")["reward_3sigma"].model_copy(update={"k": k})
    again = budget._share(found, "p", "reward_3sigma", mended, plan, {"": baseline(0.9)}, 0, None)
    assert again.kept, again


def test_every_share_is_stated_with_how_it_is_known(tmp_path: Path) -> None:
    parts = parts_at(tmp_path)
    put(parts, log(BASE, 1))
    land_baseline(parts)
    with parts.database.read() as connection:
        found = budget.shares(connection, parts.settings, "p", Windows(), simulated=192)
    told = {one.trigger: one for one in found}
    assert sum(one.share for one in found) == pytest.approx(1.0)
    assert told["violation_budget"].keys == 2
    assert told["violation_budget"].method == "guaranteed by the detector"
    assert told["violation_budget"].expected == pytest.approx(told["violation_budget"].share)
    assert told["state_drift"].simulated == 192
    assert all(one.kept for one in found)
    document = budget.document(parts.settings, "p", found)
    assert document["kept"]
    assert document["single_events"] == ["hard_constraint", "irreversible_action"]


def test_more_firings_in_the_baseline_than_theory_allows_break_it() -> None:
    found = settings()
    trigger = found.triggers("p")["reward_3sigma"].model_copy(update={"for_": 1, "min_effect": "0"})
    rng = np.random.default_rng(5)
    heavy = Series(
        np.arange(960, dtype=np.float64) * 900, 10 + rng.standard_t(2, 960), np.full(960, 0.1), np.full(960, 100)
    )
    quiet = trigger.model_copy(update={"k": 4.3})
    share = budget._share(found, "p", "reward_3sigma", quiet, configured_plan(found, "p"), {"": heavy}, 2880, None)
    assert share.fired > 0
    assert share.kept is False
    assert "bootstrap" in share.method


@pytest.mark.full
def test_auto_k_keeps_its_share_on_correlated_windows() -> None:
    p = 1 / 2000
    k, n = float(stats.norm.isf(p)), 2_000_000
    rng = np.random.default_rng(9)
    noise, z, fired = rng.normal(0, math.sqrt(1 - 0.81), n), 0.0, 0
    for value in noise:
        z = 0.9 * z + value
        fired += z < -k
    assert fired <= n * p * 1.2


@pytest.mark.parametrize("days", [10, pytest.param(180, marks=pytest.mark.full)])
def test_false_rollbacks_on_healthy_data_keep_the_stated_budget(tmp_path: Path, days: int) -> None:
    """The shipped rollback triggers together; in the short run with a budget that a few weeks can contradict."""
    at_most = 12.0 if days < 180 else 1.0
    parts = parts_at(tmp_path, false_rollbacks={"at_most": at_most, "per": f"{days}d"})
    assert isinstance(parts.clock, ManualClock)
    rng = np.random.default_rng(days)
    parts.clock.at = BASE + 61.0
    land_baseline(parts)
    with parts.database.read() as connection:
        plan, _id = current_plan(connection, parts.settings, "p")
    for day in range(days):
        ts = BASE + day * DAY + np.repeat(np.arange(0, 86400, 300), 30) + np.tile(np.arange(30), 288)
        table = log(BASE + day * DAY, 24.0, seed=int(rng.integers(1 << 30))).slice(0, len(ts))
        more = {"ts": pa.array((ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC"))}
        table = pa.table({**{name: table[name] for name in table.column_names if name != "ts"}, **more})
        with parts.database.begin() as connection:
            buckets.put(connection, "p", summarise(table, plan))
    parts.clock.at = BASE + days * DAY + 61.0
    seal(parts.database, parts.settings, "p", parts.clock.at)
    found = backtest(parts, "p", BASE, BASE + days * DAY, incidents=[])
    assert found["windows"] > days * 96 * 5
    print(f"{found['rollbacks']['false']} false rollbacks in {days} healthy days; the budget is {at_most:g}")
    assert found["rollbacks"]["false"] <= stats.poisson.ppf(0.999, at_most)


def test_the_budget_names_every_rollback_trigger_that_can_be_wrong_by_chance(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    api = Api(database, clock, tmp_path)
    found = api.get("/policies/cooling/budget").json()
    assert {"reward_3sigma", "reward_slow"} <= {one["trigger"] for one in found["triggers"]}
    assert found["single_events"] == ["hard_constraint", "irreversible_action"]
    assert abs(sum(one["share"] for one in found["triggers"]) - found["at_most"]) < 1e-9
    assert api.get("/policies/nobody/budget").status_code == 404
