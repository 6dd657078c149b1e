"""Every metric that windows are judged by, against the same number computed from the rows."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitor.bucketing.reference import with_reference
from monitor.bucketing.tracking import configured, with_tracked
from monitor.metrics import METRICS, Point
from monitor.settings.policy import Policy
from monitor.summaries import BucketSummary, Limit, Plan, kernels, plain, summarise

N = 6000
SLA = "50ms"
POLICY: dict[str, Any] = {
    "incumbent": "v1",
    "actions": ["a", "b"],
    "constraint": {"heat": {"cost": "heat", "limit": 1.0}},
    "checklist": {"latency_sla": SLA},
    "metrics": {"gamma": 0.9, "q_std_limit": 0.5},
}


def log(seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    reward = rng.normal(1.0, 0.5, N) * (rng.random(N) > 0.2)
    missing = rng.random(N) < 0.05
    episode = np.arange(N) // 8
    return pa.table(
        {
            "ts": pa.array(1_767_225_600_000_000 + np.arange(N) * 10_000_000, pa.timestamp("us", "UTC")),
            "version": ["v1"] * N,
            "action": rng.choice(["a", "b"], N),
            "propensity": pa.array(np.full(N, 0.5), mask=missing),
            "pi.new": rng.uniform(0.2, 0.9, N),
            "reward": pa.array(reward, mask=missing),
            "cost.heat": rng.exponential(1.0, N),
            "state.x": pa.array(rng.normal(size=N), mask=missing),
            "episode_id": [f"e{i}" for i in episode],
            "step": np.arange(N) % 8,
            "latency_ms": pa.array(rng.lognormal(3.0, 0.8, N), mask=missing),
            "q_value": reward + rng.normal(0.3, 0.2, N),
            "q_std": rng.exponential(0.3, N),
            "log_ratio_ref": rng.normal(0.1, 0.3, N),
            "outcome.sales": pa.array(2.0 * reward + rng.normal(0.0, 1.0, N), mask=rng.random(N) < 0.3),
            "lagrange.heat": rng.uniform(0.0, 2.0, N),
            "gap.x": pa.array(rng.normal(0.05, 0.2, N), mask=missing),
            "score.novelty": rng.exponential(1.0, N),
            "delay.reward": pa.array(rng.exponential(60.0, N), mask=missing),
            "exploration": rng.random(N) < 0.1,
            "override": pa.array(np.where(rng.random(N) < 0.03, "operator", "no"), mask=missing),
            "shield": pa.array(["clipped"] * N, mask=rng.random(N) < 0.9),
            "fallback": pa.nulls(N, pa.string()),
            "proposed_action": rng.choice(["a", "b"], N),
        }
    )


def planned(table: pa.Table, **policy: Any) -> Plan:
    settings = Policy(**{**POLICY, **policy})
    plan = Plan(
        actions=("a", "b"), constraints=(Limit("heat", "heat", 1.0),), candidates=("new",), reward_edges=(-1.0, 3.0)
    )
    return configured(with_tracked(with_reference(plan, table), table), settings)


@pytest.fixture(params=[kernels, plain], ids=["numba", "numpy"])
def engine(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.param
    return found


def points(table: pa.Table, plan: Plan, engine: ModuleType) -> dict[str, dict[str, Point]]:
    """Every metric from buckets of a minute, added up: what a window of all the rows would show."""
    total = sum(summarise(table, plan, kernels=engine).values(), start=BucketSummary())
    return {
        name: {key: metric.point(total, plan, key) for key in metric.keys(plan)} for name, metric in METRICS.items()
    }


def expected(frame: pd.DataFrame, plan: Plan) -> dict[str, float]:
    """The same metrics as a user would compute them."""
    episodes = frame.groupby("episode_id")
    discount = 0.9 ** frame["step"]
    returns = (discount * frame["reward"]).groupby(frame["episode_id"]).sum()
    costs = (discount * frame["cost.heat"]).groupby(frame["episode_id"]).sum()
    both = frame.dropna(subset=["reward", "outcome.sales"])
    slope, intercept = np.polyfit(both["reward"], both["outcome.sales"], 1)
    known = frame.dropna(subset=["reward", "propensity"])
    weight = known["pi.new"] / known["propensity"]
    # A row without a reward adds neither its reward nor its prediction to its episode.
    first = frame["q_value"].where((frame["step"] == 0) & frame["reward"].notna(), 0.0)
    return {
        "reward": frame["reward"].mean(),
        "reward_zeros": (frame["reward"].dropna() == 0).mean(),
        "reward_delay": frame["delay.reward"].mean(),
        "episode_return": returns.mean(),
        "episode_cost/heat": costs.mean(),
        "cost/heat": frame["cost.heat"].mean(),
        "lagrange/heat": frame["lagrange.heat"].mean(),
        "exploration_share": frame["exploration"].mean(),
        "override_rate": (frame["override"] == "operator").mean(),
        "shield_rate": (frame["shield"] == "clipped").mean(),
        "fallback_rate": 0.0,
        "gate_rate": (frame["q_std"] > 0.5).mean(),
        "shadow_disagreement": (frame["proposed_action"] != frame["action"]).mean(),
        "propensity_health/new": abs(weight.mean() - 1),
        "effective_share/new": weight.sum() ** 2 / (weight**2).sum() / len(weight),
        "propensity_unusable": frame["propensity"].isna().mean(),
        "value_overestimation": (first.sum() - (discount * frame["reward"]).sum()) / len(episodes),
        "kl_reference": frame["log_ratio_ref"].mean(),
        "model_gap/x": frame["gap.x"].mean(),
        "outcome/sales": frame["outcome.sales"].mean(),
        "proxy_correlation/sales": both["reward"].corr(both["outcome.sales"]),
        "proxy_divergence/sales": (both["outcome.sales"] - intercept - slope * both["reward"]).mean(),
        "latency_over_sla": (frame["latency_ms"].dropna() > 50.0).mean(),
        "missing_share/reward": frame["reward"].isna().mean(),
        "missing_share/propensity": frame["propensity"].isna().mean(),
        "missing_share/cost.heat": 0.0,
        "missing_share/latency_ms": frame["latency_ms"].isna().mean(),
        "missing_share/gap.x": frame["gap.x"].isna().mean(),
        "missing_share/state.x": frame["state.x"].isna().mean(),
        "out_of_range/x": 0.0,
        "score/novelty": frame["score.novelty"].mean(),
        "volume": float(len(frame)),
    }


def test_every_metric_is_what_pandas_says(engine: ModuleType) -> None:
    table = log()
    plan = planned(table)
    found = {
        f"{name}/{key}".rstrip("/"): p for name, keys in points(table, plan, engine).items() for key, p in keys.items()
    }
    direct = expected(table.to_pandas(), plan)
    for name, value in direct.items():
        assert found[name].value == pytest.approx(value, rel=1e-9, abs=1e-9), name
    elsewhere = {"reward_cvar", "reward_distribution", *(f"latency/p{q}" for q in (50, 95, 99))}  # tests of their own
    optional = {name for name in found if METRICS[name.partition("/")[0]].optional}
    assert optional <= set(direct) | elsewhere


def test_standard_errors_of_means_and_shares_are_those_of_the_rows(engine: ModuleType) -> None:
    table = log()
    frame = table.to_pandas()
    found = points(table, planned(table), engine)
    assert found["kl_reference"][""].stderr == pytest.approx(frame["log_ratio_ref"].sem(), rel=1e-9)
    p = frame["exploration"].mean()
    assert found["exploration_share"][""].stderr == pytest.approx(math.sqrt(p * (1 - p) / N), rel=1e-9)
    assert found["latency_over_sla"][""].n == frame["latency_ms"].notna().sum()
    r = found["proxy_correlation"]["sales"]
    assert r.stderr == pytest.approx((1 - r.value**2) / math.sqrt(r.n - 3))


def test_quantiles_of_the_latency_lie_in_their_bin_with_an_edge_at_the_agreed_time(engine: ModuleType) -> None:
    table = log()
    plan = planned(table)
    total = sum(summarise(table, plan, kernels=engine).values(), start=BucketSummary())
    latency = table.to_pandas()["latency_ms"].dropna().to_numpy()
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        value, low, high = total["tracked"].quantile("latency", q)
        exact = np.quantile(latency, q, method="inverted_cdf")
        assert low <= exact <= high
        assert low <= value <= high <= 1.13 * low
        assert METRICS["latency"].point(total, plan, name).value == value
    edges = plan.tracked[plan.tracked_names.index("latency")].edges
    below = total["tracked"].counts("latency")[: edges.index(50.0)].sum()
    assert below == np.sum((latency >= edges[0]) & (latency < 50.0))
    assert total["tracked"].quantile("latency", 0.0)[1] == latency.min()
    assert total["tracked"].quantile("latency", 1.0)[2] == latency.max()


def test_the_worst_tail_of_the_reward_is_within_the_width_of_its_cells(engine: ModuleType) -> None:
    table = log()
    reward = np.sort(table.to_pandas()["reward"].dropna().to_numpy())
    found = points(table, planned(table), engine)["reward_cvar"][""]
    worst = reward[: int(0.05 * len(reward))]
    assert found.value == pytest.approx(worst.mean(), rel=0.02)
    rng = np.random.default_rng(2)
    draws = [np.sort(rng.choice(reward, len(reward)))[: len(worst)].mean() for _ in range(400)]
    assert found.stderr == pytest.approx(np.std(draws), rel=0.15)


def test_without_steps_values_are_compared_row_by_row_and_by_decile(engine: ModuleType) -> None:
    table = log().drop_columns(["step", "episode_id"])
    plan, frame = planned(table), table.to_pandas()
    found = points(table, plan, engine)
    error = frame["q_value"] - frame["reward"]
    assert found["value_overestimation"][""].value == pytest.approx(error.mean(), rel=1e-9)
    decile = pd.cut(frame["q_value"], [-np.inf, *dict(plan.learned)["q_value"], np.inf], right=False, labels=False)
    assert list(found["value_by_decile"]) == [str(i) for i in range(1, 11)]
    for key, point in found["value_by_decile"].items():
        assert point.value == pytest.approx(error[decile == int(key) - 1].mean(), rel=1e-9)
    assert found["episode_return"] == found["episode_cost"] == {}


def test_vector_actions_have_a_histogram_and_bounds_for_each_element(engine: ModuleType) -> None:
    rng = np.random.default_rng(4)
    actions = np.clip(rng.normal(0.0, 0.7, (N, 2)), -1.0, 1.0)
    proposals = actions + np.where(rng.random((N, 1)) < 0.3, rng.normal(size=(N, 2)), 0.0)
    table = log().drop_columns(["action", "proposed_action"])
    table = table.append_column("action", pa.array(actions.tolist()))
    table = table.append_column("proposed_action", pa.array(proposals.tolist()))
    found = points(table, planned(table), engine)
    distance = np.sqrt(((actions - proposals) ** 2).sum(axis=1))
    assert found["proposal_distance"][""].value == pytest.approx(distance.mean(), rel=1e-9)
    for i in range(2):
        assert found["action_at_bounds"][str(i)].value == np.mean(np.abs(actions[:, i]) == 1.0)
        counts = np.histogram(actions[:, i], np.linspace(-1.0, 1.0, 21))[0]
        shown = found["action_diversity"][str(i)]
        assert shown.counts is not None
        assert np.abs(shown.counts - counts).sum() <= 2  # an edge of linspace may round either way
        p = counts / counts.sum()
        corrected = -(p * np.log(p)).sum() + 19 / (2 * N)
        assert shown.value == pytest.approx(corrected / math.log(20), abs=1e-3)


def test_a_log_without_the_columns_has_none_of_the_metrics_and_no_more_to_count() -> None:
    table = log().select(["ts", "version", "action", "reward"])
    plan = planned(table)
    optional = {name for name, metric in METRICS.items() if metric.optional}
    of_reward = {"reward_cvar", "reward_zeros", "reward_distribution"}
    always = of_reward | {"cost", "propensity_health", "effective_share"}  # no columns of their own
    assert [name for name in optional - always if METRICS[name].keys(plan)] == []
    assert plan.tracked == ()


def test_what_is_off_is_not_counted_and_what_came_later_may_be_named() -> None:
    table = log()
    off = planned(table, metrics={"off": ["latency", "proxy_correlation"]})
    names = set(planned(table, metrics={}).tracked_names) - set(off.tracked_names)
    assert names == {"latency", *(f"proxy_correlation{part}/sales" for part in ("", ":x", ":y"))}
    later = planned(table.drop_columns(["log_ratio_ref"]), metrics={"track": ["log_ratio_ref"]})
    assert METRICS["kl_reference"].keys(later) == ("",)


def test_equal_facts_and_configuration_give_equal_digests_whatever_the_order_of_rows_and_columns() -> None:
    table = log()
    order = np.random.default_rng(3).permutation(N)
    other = table.select(table.column_names[::-1]).take(pa.array(order))
    one, two = planned(table), planned(other)
    assert [x.name for x in one.tracked] == [x.name for x in two.tracked]
    assert planned(table).digest == one.digest == Plan.from_json(one.to_json()).digest
    assert planned(table, metrics={"gamma": 0.5}).digest != one.digest
