"""What the summaries count, against numpy on the raw rows; and that all kernels count the same."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from monitor.summaries import BucketSummary, Feature, Limit, Plan, kernels, plain, summarise
from monitor.summaries.layout import TALLIES
from monitor.summaries.weights import COLUMNS

EDGES = (-1.0, -0.25, 0.1, 0.8)
MANY = tuple(np.linspace(-2.5, 2.5, 99).tolist())  # so many edges that a search replaces the comparison with each
PLAN = Plan(
    actions=("a", "b", "c"),
    constraints=(Limit("inlet", "inlet", 1.0), Limit("power", "power", 0.1)),
    features=(
        Feature("x", -2.0, 2.0, EDGES),
        Feature("fine", -3.0, 3.0, MANY),
        Feature("mode", levels=("eco", "max", "7")),
        Feature("absent", 0.0, 1.0, (0.5,)),
    ),
    reward_edges=(-1.0, 0.0, 1.0),
    candidates=("new", "old"),
)
EVIL = [math.nan, math.inf, -math.inf, -0.0, 0.0, -2.0, 2.0, -1.0, 1.0, 0.1, 1e-310, 1e300]


def evil(rng: np.random.Generator, n: int, missing: float = 0.1) -> pa.Array:
    values = np.where(rng.random(n) < 0.2, rng.choice(EVIL, n), rng.normal(size=n))
    return pa.array(values, pa.float64(), mask=rng.random(n) < missing)


def log(n: int = 4000, seed: int = 1, minutes: int = 7) -> pa.Table:
    rng = np.random.default_rng(seed)
    ts = 1_767_225_600_000_000 + rng.integers(0, minutes * 60_000_000, n)
    return pa.table(
        {
            "ts": pa.array(ts, pa.timestamp("us", "UTC")),
            "version": rng.choice(["v1", "v2"], n),
            "arm": pa.array(rng.choice(["live", "canary", "shadow"], n), mask=rng.random(n) < 0.3),
            "action": rng.choice(["a", "b", "c", "z"], n),
            "proposed_action": pa.array(rng.choice(["a", "b"], n), mask=rng.random(n) < 0.5),
            "propensity": pa.array(rng.choice([0.0, -1.0, 0.3, 0.7, 1.0, 2.0, math.inf], n), mask=rng.random(n) < 0.1),
            "reward": evil(rng, n),
            "cost.inlet": evil(rng, n),
            "cost.power": evil(rng, n),
            "state.x": evil(rng, n),
            "state.fine": evil(rng, n),
            "state.mode": pa.array(rng.choice(["eco", "max", "7", "new"], n), mask=rng.random(n) < 0.1),
            "pi.new": pa.array(rng.choice([0.0, 0.5, 1.0, -0.1, math.nan], n), mask=rng.random(n) < 0.1),
            "pi.old": rng.random(n),
            "irreversible": rng.random(n) < 0.05,
            "exploration": rng.random(n) < 0.2,
            "override": pa.array(rng.choice(["operator", "false", "No", ""], n), mask=rng.random(n) < 0.5),
        }
    )


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.array([math.nan if v is None else v for v in table.column(name).to_pylist()], np.float64)


@pytest.fixture(params=[kernels, plain], ids=["numba", "numpy"])
def both(request: pytest.FixtureRequest) -> BucketSummary:
    table = log().drop_columns(["arm"])
    parts = summarise(table, PLAN, kernels=request.param).values()
    return sum(parts, start=BucketSummary())


def test_the_reward_is_what_numpy_says(both: BucketSummary) -> None:
    r = column(log(), "reward")
    finite, reward = r[np.isfinite(r)], both["reward"]
    assert (reward.n, reward.missing, reward.infinite) == (len(finite), np.isnan(r).sum(), np.isinf(r).sum())
    assert reward.zeros == np.sum(r == 0)
    assert (reward.min, reward.max) == (finite.min(), finite.max())
    assert reward.sum == pytest.approx(math.fsum(finite), rel=1e-12)
    assert reward.variance == math.inf  # 1e300 squared
    k = np.where(np.isnan(r), 4, np.select([r < -1, r < 0, r <= 1], [2, 0, 1], 3))
    assert both["reward_histogram"].counts.tolist() == np.bincount(k, minlength=5).tolist()


def test_costs_are_what_numpy_says(both: BucketSummary) -> None:
    for limit in PLAN.constraints:
        c, seen = column(log(), f"cost.{limit.cost}"), both["constraints"][limit.name]
        finite = c[np.isfinite(c)]
        assert (seen.n, seen.missing, seen.infinite) == (np.sum(~np.isnan(c)), np.isnan(c).sum(), np.isinf(c).sum())
        assert both["constraints"].count(limit.name) == np.sum(c > limit.limit)
        assert seen.cost == pytest.approx(finite.sum(), rel=1e-9)
        assert seen.rate == np.sum(c > limit.limit) / np.sum(~np.isnan(c))


@pytest.mark.parametrize("feature", PLAN.features[:2], ids=lambda feature: feature.name)
def test_feature_bins_are_closed_left_and_the_last_one_on_both_sides(both: BucketSummary, feature: Feature) -> None:
    x, bins = column(log(), f"state.{feature.name}"), len(feature.edges) + 1
    inside = (x >= feature.low) & (x <= feature.high)
    expected = np.histogram(x[inside], bins=[feature.low, *feature.edges, feature.high])[0].tolist()
    expected += [np.sum(x < feature.low), np.sum(x > feature.high), np.isnan(x).sum()]
    assert both["features"].counts(feature.name).tolist() == expected
    assert len(expected) == len(feature.cells) == bins + 3


def test_categories_have_unseen_and_missing(both: BucketSummary) -> None:
    values = log().column("state.mode").to_pylist()
    expected = [values.count(v) for v in ("eco", "max", "7", "new", None)]
    assert both["features"].counts("mode").tolist() == expected
    assert both["features"].counts("absent").tolist() == [0, 0, 0, 0, 4000]


def test_an_unknown_action_is_other(both: BucketSummary) -> None:
    values = log().column("action").to_pylist()
    assert both["actions"].counts.tolist() == [values.count(v) for v in "abcz"]
    assert both["actions"].other == values.count("z")


def test_tallies_are_what_a_loop_counts(both: BucketSummary) -> None:
    rows, tallies = log().to_pylist(), both["tallies"]
    assert tallies["rows"] == both.rows == 4000
    assert tallies["late"] == 0
    assert tallies["reward_missing"] == sum(row["reward"] is None or math.isnan(row["reward"]) for row in rows)
    assert tallies["propensity_missing"] == sum(row["propensity"] is None for row in rows)
    assert tallies["propensity_impossible"] == sum(row["propensity"] in (0.0, -1.0, 2.0, math.inf) for row in rows)
    assert tallies["irreversible"] == sum(row["irreversible"] for row in rows)
    assert tallies["exploration"] == sum(row["exploration"] for row in rows)
    assert tallies["override"] == sum(row["override"] == "operator" for row in rows)
    assert tallies["shield"] == 0
    assert tallies["proposed"] == sum(row["proposed_action"] is not None for row in rows)
    assert tallies["disagreement"] == sum(row["proposed_action"] not in (None, row["action"]) for row in rows)
    known = [row["propensity"] for row in rows if row["propensity"] in (0.3, 0.7, 1.0)]
    assert tallies.known_propensities == len(known)
    assert tallies["neg_log_propensity"] == pytest.approx(-np.log(known).sum(), rel=1e-9)


@pytest.mark.parametrize("candidate", PLAN.candidates)
def test_weighted_sums_leave_out_rows_that_lack_anything(both: BucketSummary, candidate: str) -> None:
    pi, b, r = (column(log(), name) for name in (f"pi.{candidate}", "propensity", "reward"))
    known = np.isin(b, (0.3, 0.7, 1.0)) & np.isfinite(r) & (pi >= 0)
    w, r = pi[known] / b[known], r[known]
    with np.errstate(over="ignore"):
        expected = [len(w), w.sum(), (w**2).sum(), (w * r).sum(), (w**2 * r).sum(), ((w * r) ** 2).sum()]
        expected += [w.max(), r.sum(), (r**2).sum(), ((w * r) * r).sum()]
    np.testing.assert_allclose(both["candidates"].sums(candidate), expected, rtol=1e-9)
    assert len(COLUMNS) == len(expected)


def test_numba_and_numpy_count_the_same() -> None:
    compiled, fallback = (summarise(log(), PLAN, kernels=engine) for engine in (kernels, plain))
    assert list(compiled) == list(fallback)
    for key, bucket in compiled.items():
        other = fallback[key]
        for name in ("counts", "low", "high", "keys", "weights"):
            np.testing.assert_array_equal(getattr(bucket.parts, name), getattr(other.parts, name))
        np.testing.assert_allclose(bucket.parts.sums, other.parts.sums, rtol=1e-9)
        np.testing.assert_allclose(bucket.parts.compensated[:2], other.parts.compensated[:2], rtol=1e-9)


def test_it_counts_without_numba() -> None:
    program = """
import sys
sys.modules["numba"] = None
import pyarrow as pa
from monitor.summaries import BucketSummary, Plan
from monitor.summaries.engine import engine
bucket = BucketSummary.of(pa.table({"reward": [1.0, None, 4.0], "action": ["a", "b", "a"]}), Plan(actions=("a",)))
print(engine().__name__, bucket["reward"].sum, bucket["actions"].counts.tolist(), bucket["reward_quantiles"].n)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["monitor.summaries.plain", "5.0", "[2,", "1]", "2"]


def test_it_compiles_where_no_cache_can_be_written(tmp_path: Path) -> None:
    package = tmp_path / "monitor" / "summaries"
    shutil.copytree(Path(kernels.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "monitor" / "__init__.py").touch()
    (package / "__pycache__").write_text("a file, so that it cannot be a directory")
    program = """
import sys
import numpy as np
from monitor.summaries import kernels
counts = np.zeros((1, 2), np.int64)
kernels.count_codes(np.array([1, 1], np.int32), np.zeros(2, np.int32), counts, 0, 2)
print(kernels.__file__, counts.tolist())
"""
    nowhere = {
        "HOME": "/dev/null",
        "XDG_CACHE_HOME": "/dev/null/cache",
        "PYTHONPATH": str(tmp_path),
        "PYTHONSAFEPATH": "1",
    }
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=nowhere)
    assert done.stdout.split(maxsplit=1) == [str(package / "kernels.py"), "[[0, 2]]\n"]


def test_reading_summaries_imports_numpy_and_pyarrow_alone() -> None:
    program = """
import sys
import monitor.summaries
print(sorted({name.split(".")[0] for name in sys.modules} & {"numba", "sqlalchemy", "pydantic", "pandas", "scipy"}))
print(sorted(name for name in sys.modules if name.startswith("monitor.") and not name.startswith("monitor.summaries")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize("engine", [kernels, plain], ids=["numba", "numpy"])
def test_a_sum_and_a_variance_do_not_cancel(engine: ModuleType) -> None:
    rows = {"ts": pa.array([0] * 3, pa.timestamp("us", "UTC")), "version": ["v"] * 3, "action": ["a"] * 3}
    values = [[1e16, 1.0, -1e16], [1e9 + 1, 1e9 + 2, 1e9 + 3], [0.1, 0.1, 0.1]]
    sums, variances = [], []
    for reward in values:
        (bucket,) = summarise(pa.table({**rows, "reward": reward}), Plan(), kernels=engine).values()
        sums.append(bucket["reward"].sum)
        variances.append(bucket["reward"].variance)
    assert sums[:2] == [1.0, 3e9 + 6]
    assert variances[1:] == [1.0, pytest.approx(0.0, abs=1e-30)]


def test_a_batch_without_rows_and_one_without_values() -> None:
    assert summarise(log().slice(0, 0), PLAN) == {}
    table = log(10, minutes=1).select(["ts", "version"])
    (bucket,) = summarise(table.filter(pa.array([True] + [False] * 9)), PLAN).values()
    assert (
        bucket.rows == bucket["reward"].missing == bucket["tallies"]["reward_missing"] == bucket["actions"].other == 1
    )
    assert math.isnan(bucket["reward"].mean)
    assert math.isnan(bucket["reward"].variance)
    assert math.isnan(bucket["reward_quantiles"].quantile(0.5))
    assert bucket["candidates"].sums("new").tolist() == [0.0] * 10
    assert math.isnan(bucket["constraints"]["inlet"].rate)
    assert bucket["features"].counts("mode").tolist() == [0, 0, 0, 0, 1]


def test_an_absent_reward_is_zero_where_the_plan_says_so() -> None:
    table = pa.table(
        {"reward": [2.0, None, math.nan], "propensity": [1.0] * 3, "pi.new": [0.5] * 3, "action": ["a"] * 3}
    )
    bucket = BucketSummary.of(table, Plan(candidates=("new",), reward_if_absent="zero"))
    reward = bucket["reward"]
    assert (reward.n, reward.missing, reward.zeros, reward.mean) == (3, 0, 2, 2 / 3)
    assert bucket["tallies"]["reward_missing"] == 2
    assert bucket["reward_quantiles"].quantile(0.5) == 0.0
    assert bucket["candidates"].sums("new")[0] == 3


def test_columns_of_other_types_are_read_or_count_as_missing() -> None:
    plan = Plan(actions=("3",), features=(Feature("x", 0.0, 9.0, (2.5,)), Feature("k", levels=("1", "true"))))
    for x, expected in (
        (pa.array([1, 2, 3], pa.int8()), [2, 1, 0, 0, 0]),
        (pa.array([1.5, None, 3.0], pa.float32()), [1, 1, 0, 0, 1]),
        (pa.array(["1", "2", "3"]), [0, 0, 0, 0, 3]),
        (pa.nulls(3), [0, 0, 0, 0, 3]),
        (pa.array([1.0, 1.0, None]).dictionary_encode(), [2, 0, 0, 0, 1]),
    ):
        assert BucketSummary.of(pa.table({"state.x": x}), plan)["features"].counts("x").tolist() == expected
    for k, expected in (
        (pa.array([1, 2, None]), [1, 0, 1, 1]),
        (pa.array([True, False, None]), [0, 1, 1, 1]),
        (pa.array(["1", "2", None]).dictionary_encode(), [1, 0, 1, 1]),
        (pa.array([[1.0], [2.0], None]), [0, 0, 2, 1]),
        (pa.nulls(3), [0, 0, 0, 3]),
    ):
        assert BucketSummary.of(pa.table({"state.k": k}), plan)["features"].counts("k").tolist() == expected
    vectors = pa.table({"action": [[0.1, 0.2], [0.3, 0.4]], "proposed_action": [[0.1, 0.2], [0.0, 0.4]]})
    assert BucketSummary.of(vectors, plan)["actions"].counts.tolist() == [0, 2]
    assert BucketSummary.of(vectors, plan)["tallies"]["disagreement"] == 1


def test_every_tally_has_a_name_once() -> None:
    assert len(set(TALLIES)) == len(TALLIES)
    assert TALLIES[0] == "rows"
