"""Tracked values and segments: moments that do not cancel, histograms, scored columns, subpopulations of any split."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitor.bucketing.tracking import configured, with_tracked
from monitor.metrics import METRICS
from monitor.settings.policy import Policy
from monitor.summaries import BucketSummary, Feature, Plan, Segments, Tracked, merge, summarise

START = 1_767_225_600
SEGMENTED = Plan(
    actions=("a",),
    features=(Feature("x", 0.0, 1.0),),
    candidates=("new",),
    tracked=(Tracked("latency", "column", ("latency_ms",), (), (0.0, 10.0, 20.0)),),
    segments=(Segments("region", ("eu", "us")), Segments("plan", ("free",))),
)


def log(n: int = 3000, seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "ts": pa.array((START + rng.integers(0, 600, n)) * 1_000_000, pa.timestamp("us", "UTC")),
            "version": rng.choice(["v1", "v2"], n),
            "action": ["a"] * n,
            "reward": rng.normal(1e6, 1.0, n),
            "latency_ms": rng.uniform(-5, 30, n),
            "state.x": rng.random(n),
            "arm": rng.choice(["live", "shadow"], n, p=[0.9, 0.1]),
            "segment.region": pa.array(rng.choice(["eu", "us", "ch", "at"], n), mask=rng.random(n) < 0.1),
            "segment.plan": pa.array(rng.choice(["free", "paid"], n)).dictionary_encode(),
        }
    )


def test_each_segment_is_the_live_rows_that_say_so() -> None:
    table = log()
    frame = table.to_pandas()
    frame = frame[frame["arm"] != "shadow"]
    frame["start"] = frame["ts"].dt.floor("min").astype("int64") // 1_000_000
    found = {key: one for key, one in summarise(table, SEGMENTED).items() if key[1] not in ("", "arm=shadow")}
    for name, column, known in (("region", "segment.region", ["eu", "us"]), ("plan", "segment.plan", ["free"])):
        text = frame[column].astype("object")
        label = f"{name}=" + text.where(text.isin(known), "(other)")
        rows = frame[text.notna()].groupby([frame["version"], label, frame["start"]])["latency_ms"]
        expected = rows.agg(["count", "mean"])
        mine = {key: one for key, one in found.items() if key[1].startswith(f"{name}=")}
        assert set(mine) == set(expected.index)
        for key, one in mine.items():
            assert one.rows == expected.loc[key, "count"]
            assert one["tracked"]["latency"].mean == pytest.approx(expected.loc[key, "mean"], rel=1e-12)
    assert {one.digest for one in found.values()} == {SEGMENTED.of_segments.digest}
    assert (SEGMENTED.of_segments.candidates, SEGMENTED.of_segments.features) == ((), ())


def test_segments_of_parts_add_up_to_those_of_the_whole() -> None:
    table = log()
    whole = summarise(table, SEGMENTED)
    order = np.random.default_rng(2).permutation(table.num_rows)
    total: dict[tuple[str, str, int], BucketSummary] = {}
    for part in np.array_split(order, 5):
        for key, one in summarise(table.take(pa.array(part)), SEGMENTED).items():
            total[key] = total[key] + one if key in total else one
    assert total.keys() == whole.keys()
    for key, one in whole.items():
        for name in ("counts", "low", "high", "keys", "weights"):
            np.testing.assert_array_equal(getattr(total[key].parts, name), getattr(one.parts, name))
        np.testing.assert_allclose(total[key].parts.sums, one.parts.sums, rtol=1e-9)
        assert total[key]["tracked"]["latency"].variance == pytest.approx(one["tracked"]["latency"].variance, rel=1e-12)


def test_features_of_segments_are_counted_on_request_alone() -> None:
    asked = Plan.from_json(SEGMENTED.to_json())
    assert asked == SEGMENTED
    plan = configured(
        Plan(features=(Feature("x", 0.0, 1.0),), segments=SEGMENTED.segments),
        Policy(incumbent="v1", metrics={"segment_features": True, "segments": ["plan"]}),
    )
    assert plan.segment_names == ("plan=free", "plan=(other)")
    found = summarise(log(), plan)
    assert {segment for _, segment, _ in found} == {"", "arm=shadow", "plan=free", "plan=(other)"}
    one = found["v1", "plan=free", START]
    assert one["features"].counts("x").sum() == one.rows > 0


def test_a_log_without_the_segment_column_has_no_segments() -> None:
    table = log().drop_columns(["segment.region", "segment.plan"])
    assert {segment for _, segment, _ in summarise(table, SEGMENTED)} == {"", "arm=shadow"}
    nobody = log().set_column(7, "segment.region", pa.nulls(3000, pa.string())).drop_columns(["segment.plan"])
    assert {segment for _, segment, _ in summarise(nobody, SEGMENTED)} == {"", "arm=shadow"}


def test_moments_of_a_tracked_value_do_not_cancel() -> None:
    plan = Plan(tracked=tuple(Tracked(name, "column", (f"score.{name}",)) for name in ("a", "b")))
    values = {"score.a": [1e16, 1.0, -1e16], "score.b": [1e9 + 1, 1e9 + 2, 1e9 + 3]}
    one = [BucketSummary.of(pa.table({name: [v[i]] for name, v in values.items()}), plan) for i in range(3)]
    merged = merge([bucket.to_bytes() for bucket in one], plan)["tracked"]
    assert merged["a"].sum == 1.0
    assert (merged["b"].variance, merged["b"].min, merged["b"].max) == (1.0, 1e9 + 1, 1e9 + 3)


def test_a_scored_column_is_tracked_with_the_reference_s_quantiles() -> None:
    rng = np.random.default_rng(3)
    sample = pa.table({"score.novelty": rng.exponential(1.0, 4000)})
    plan = configured(with_tracked(Plan(), sample), Policy(incumbent="v1"))
    bucket = BucketSummary.of(pa.table({"score.novelty": [*rng.exponential(1.0, 2000), None, math.inf]}), plan)
    assert METRICS["score"].keys(plan) == ("novelty",)
    found = bucket["tracked"]["score/novelty"]
    assert (found.n, found.missing, found.infinite) == (2000, 1, 1)
    cells = bucket["tracked"].counts("score/novelty")
    assert cells[:20].min() > 60
    assert cells[-1] == 1
    assert bucket["tracked"].quantile("score/novelty", 0.5)[0] == pytest.approx(math.log(2), abs=0.1)


def test_a_table_in_one_go_is_what_its_buckets_add_up_to() -> None:
    table = log().drop_columns(["arm"])
    buckets = [one for (_, segment, _), one in summarise(table, SEGMENTED).items() if segment == ""]
    whole, added = BucketSummary.of(table, SEGMENTED), sum(buckets, start=BucketSummary())
    for one, other in zip(whole.parts, added.parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    assert whole["tracked"]["latency"].max == table.column("latency_ms").to_numpy().max()


def test_names_and_places_of_tracked_values_are_checked() -> None:
    bucket = BucketSummary.of(log(), SEGMENTED)
    bare = BucketSummary.from_bytes(bucket.to_bytes())["tracked"]
    assert bare[0].n == bucket["tracked"]["latency"].n == 3000
    assert "latency" in bucket["tracked"]
    assert "latency" not in bare
    with pytest.raises(ValueError, match="names are kept in the plan"):
        bare["latency"]
    with pytest.raises(KeyError, match="no tracked value 'delay'; it has latency"):
        bucket["tracked"]["delay"]
    with pytest.raises(ValueError, match="99th percentile"):
        bucket["tracked"].quantile("latency", 99)
    nothing = BucketSummary()["tracked"]
    assert math.isnan(type(nothing)(plan=SEGMENTED)["latency"].mean)


def test_a_quantile_is_between_the_edges_that_it_names_below_and_above_the_edges_too() -> None:
    bucket = BucketSummary.of(log(), SEGMENTED)["tracked"]
    values = np.sort(log().column("latency_ms").to_numpy())
    for q in np.linspace(0, 1, 41):
        value, low, high = bucket.quantile("latency", float(q))
        exact = values[max(0, math.ceil(q * len(values)) - 1)]
        assert low <= exact <= high
        assert low <= value <= high
        assert value == pytest.approx(exact, abs=1.0)  # uniform values: a straight line is right


def test_the_bytes_of_an_hour_of_many_tracked_values_stay_small() -> None:
    rng = np.random.default_rng(5)
    n = 5000
    names = ["latency_ms", "log_ratio_ref", "q_std", "outcome.a", "outcome.b"]
    table = pa.table({"reward": rng.normal(size=n), **{name: rng.lognormal(3, 1, n) for name in names}})
    policy = Policy(incumbent="v1", checklist={"latency_sla": "50ms"})
    plan = configured(with_tracked(Plan(), table), policy)
    bucket = BucketSummary.of(table, plan)
    assert len(plan.tracked) == 14
    assert len(bucket.to_bytes()) < 2600
    assert bucket["tracked"]["latency_over_sla"].mean == pd.Series(table.column("latency_ms").to_numpy()).gt(50).mean()
