"""Rows in, buckets out: grouping by time, version and segment; names; many buckets at once."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from monitor.summaries import BucketSummary, Feature, Limit, Plan, merge, summarise
from monitor.summaries import summarise as module_of
from monitor.summaries.cells import RELATIVE_ERROR

PLAN = Plan(
    actions=("a",), constraints=(Limit("inlet", "c", 1.0),), features=(Feature("x", 0.0, 1.0),), candidates=("new",)
)
START = 1_767_225_600


def rows(ts: list[float], **columns: object) -> pa.Table:
    n = len(ts)
    micro = pa.array([round(t * 1e6) for t in ts], pa.timestamp("us", "UTC"))
    return pa.table({"ts": micro, "version": ["v1"] * n, "action": ["a"] * n, "reward": [1.0] * n, **columns})


def test_a_bucket_begins_on_the_whole_minute_and_ends_before_the_next() -> None:
    found = summarise(rows([START, START + 59.999999, START + 60, START - 0.000001]), PLAN)
    assert {key[2] - START: bucket.rows for key, bucket in found.items()} == {-60: 1, 0: 2, 60: 1}
    assert list(found) == sorted(found, key=lambda key: key[2])


def test_times_before_1970_round_down_too() -> None:
    assert [key[2] for key in summarise(rows([-0.5, 0.5]), PLAN)] == [-60, 0]


def test_another_resolution_is_the_merge_of_its_minutes() -> None:
    table = rows([START + i * 7.0 for i in range(500)])
    minutes = summarise(table, PLAN)
    for (_, _, start), hour in summarise(table, PLAN, resolution=3600).items():
        inside = [bucket.to_bytes() for (_, _, at), bucket in minutes.items() if at // 3600 * 3600 == start]
        assert merge(inside, PLAN) == hour


def test_shadow_rows_never_mix_with_live_ones() -> None:
    arms = ["live", "shadow", "canary", "control", None]
    found = summarise(rows([START] * 5, arm=arms), PLAN)
    assert {key[:2]: bucket.rows for key, bucket in found.items()} == {("v1", ""): 4, ("v1", "arm=shadow"): 1}


def test_versions_are_apart_whether_text_or_dictionary() -> None:
    version = pa.chunked_array([["v1", "v2"], ["v3", "v1"]])
    table = rows([START] * 4).drop_columns(["version"])
    text = summarise(table.append_column("version", version), PLAN)
    coded = pa.chunked_array([chunk.dictionary_encode() for chunk in version.chunks])  # two different dictionaries
    assert text == summarise(table.append_column("version", coded), PLAN)
    assert {key[0]: bucket.rows for key, bucket in text.items()} == {"v1": 2, "v2": 1, "v3": 1}


def test_late_rows_are_counted_as_late() -> None:
    (bucket,) = summarise(rows([START, START]), PLAN, late=True).values()
    assert bucket["tallies"]["late"] == bucket.rows == 2


def test_rows_without_a_time_are_refused_with_the_fix() -> None:
    table = rows([START]).set_column(0, "ts", pa.array([None], pa.timestamp("us", "UTC")))
    with pytest.raises(ValueError, match="quarantine them"):
        summarise(table, PLAN)
    with pytest.raises(ValueError, match="not a timestamp"):
        summarise(rows([START]).set_column(0, "ts", pa.array([1.0])), PLAN)


def test_chunks_slices_and_other_time_units_change_nothing() -> None:
    table = rows([START + i for i in range(300)], **{"state.x": np.linspace(-1, 2, 300)})
    whole = summarise(table, PLAN)
    chunked = pa.concat_tables([table.slice(0, 7), table.slice(7, 111), table.slice(118)])
    assert summarise(chunked, PLAN) == whole
    assert summarise(pa.concat_tables([table.slice(i, 1) for i in range(300)]), PLAN) == whole
    seconds = table.set_column(0, "ts", table.column("ts").cast(pa.timestamp("s", "UTC")))
    assert summarise(seconds, PLAN) == whole
    half = summarise(table.slice(123, 100), PLAN)
    assert sum(bucket.rows for bucket in half.values()) == 100


def test_more_buckets_than_one_matrix_holds_are_counted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    ts = (START + rng.permutation(40_000) * 30.0).tolist()
    table = rows(ts).set_column(3, "reward", pa.array(rng.normal(size=len(ts))))
    whole = summarise(table, PLAN)
    monkeypatch.setitem(module_of.__globals__, "_CELLS", 30_000)
    pieces = summarise(table, PLAN)
    assert len(whole) == 20_000
    assert pieces == whole


def test_twenty_thousand_buckets_merge_to_what_the_rows_say() -> None:
    rng = np.random.default_rng(6)
    n = 50_000
    reward = rng.lognormal(size=n) - 1.0
    ts = (START + rng.integers(0, 20_000 * 60, n)).astype(float).tolist()
    cost = rng.exponential(size=n)
    table = rows(ts, **{"cost.c": cost, "propensity": [0.5] * n, "pi.new": rng.random(n)})
    table = table.set_column(3, "reward", pa.array(reward))
    bodies = [bucket.to_bytes() for bucket in summarise(table, PLAN).values()]
    total = merge(reversed(bodies), PLAN)
    assert total.rows == n
    assert total["reward"].mean == pytest.approx(reward.mean(), rel=1e-12)
    assert total["reward"].variance == pytest.approx(reward.var(ddof=1), rel=1e-12)
    assert total["constraints"].count("inlet") == int(np.sum(cost > 1.0))
    assert total["reward_quantiles"].n == n
    assert np.mean([len(body) for body in bodies]) < 400


def test_names_need_the_plan_and_places_do_not() -> None:
    bucket = BucketSummary.of(rows([START], **{"cost.c": [2.0]}), PLAN)
    bare = BucketSummary.from_bytes(bucket.to_bytes())
    assert bare["constraints"].count(0) == bucket["constraints"].count("inlet") == 1
    with pytest.raises(ValueError, match="names are kept in the plan"):
        bare["constraints"].count("inlet")
    with pytest.raises(KeyError, match="no constraint 'outlet'; it has inlet"):
        bucket["constraints"].count("outlet")
    with pytest.raises(KeyError, match="no reward_edges"):
        bucket["reward_histogram"]
    with pytest.raises(KeyError, match="there are tallies"):
        bucket["rewards"]
    with pytest.raises(KeyError, match="no number 1"):
        bare["candidates"].sums(1)


def test_the_identity_answers_every_question() -> None:
    nothing = BucketSummary()
    assert nothing.rows == nothing["tallies"]["rows"] == nothing["reward"].n == nothing["reward_quantiles"].n == 0
    assert math.isnan(nothing["reward"].mean)
    assert merge([]) == merge([nothing.to_bytes()]) == nothing


def test_merging_two_plans_names_the_fix() -> None:
    one = BucketSummary.of(rows([START]), PLAN).to_bytes()
    two = BucketSummary.of(rows([START]), Plan()).to_bytes()
    with pytest.raises(ValueError, match="re-summarise with one plan"):
        merge([one, two])
    with pytest.raises(ValueError, match="re-summarise with one plan"):
        merge([one], Plan())
    with pytest.raises(ValueError, match="damaged"):
        merge([one, one[:-1]])


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1.0, 1e5, 1e300])
def test_quantiles_are_within_their_bound(scale: float) -> None:
    rng = np.random.default_rng(8)
    reward = rng.standard_t(2, size=20_000) * scale / 1e3
    bucket = BucketSummary.of(rows([START] * len(reward)).set_column(3, "reward", pa.array(reward)), PLAN)
    q = np.array([0.0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0])
    exact = np.quantile(reward, q, method="inverted_cdf")
    seen = bucket["reward_quantiles"].quantile(q)
    assert np.all(np.abs(seen - exact) <= RELATIVE_ERROR * (1 + 1e-9) * np.abs(exact))
    worst = np.sort(reward)[:1000]
    assert bucket["reward_quantiles"].cvar(0.05) == pytest.approx(worst.mean(), rel=RELATIVE_ERROR)


def test_quantiles_of_zeros_infinities_and_a_fraction_of_a_row() -> None:
    reward = [-math.inf, -0.0, 0.0, 1e-320, 3.0, math.inf, math.nan, None]
    q = BucketSummary.of(rows([START] * 8).set_column(3, "reward", pa.array(reward)), PLAN)["reward_quantiles"]
    assert q.n == 6
    assert [q.quantile(x) for x in (0.0, 0.4, 0.6, 1.0)] == [-math.inf, 0.0, 0.0, math.inf]
    two = BucketSummary.of(rows([START] * 2).set_column(3, "reward", pa.array([1.0, 1024.0])), PLAN)["reward_quantiles"]
    assert two.cvar(0.25) == pytest.approx(1.0, rel=0.0078)
    assert two.cvar(1.0) == pytest.approx(512.5, rel=0.0078)
    with pytest.raises(ValueError, match="worst 5%"):
        two.cvar(0.0)
    with pytest.raises(ValueError, match="99th"):
        two.quantile(99)
