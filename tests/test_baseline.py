"""A frozen baseline: bins from the reference alone, versioned, re-counted, and kept as long as it judges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from monitor.bucketing import buckets
from monitor.bucketing.baseline import BaselineError, freeze
from monitor.bucketing.plans import current_plan
from monitor.bucketing.reference import BINS, MOST_LEVELS, REWARD_BINS, with_reference
from monitor.clock import ManualClock
from monitor.running import retention
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import baselines, events, summaries, verdicts
from monitor.summaries.plan import Feature, Plan
from monitor.tick import Parts, tick
from monitor.validate import rewards as check_rewards

START = 1_750_032_000  # 2025-06-16 00:00 UTC
HOUR, DAY = 3600, 86400
Make = Callable[..., Parts]


def feature(values: Any) -> Feature:
    (found,) = with_reference(Plan(), pa.table({"state.x": values})).features
    return found


def test_bins_of_a_number_hold_equal_mass_of_the_reference() -> None:
    values = np.random.default_rng(1).lognormal(size=40_000)
    found = feature(values)
    counts = np.histogram(values, [found.low, *found.edges, found.high])[0]
    assert len(found.edges) == BINS - 1
    assert counts.min() >= 40_000 / BINS - 1
    assert counts.max() <= 40_000 / BINS + 1
    assert (found.low, found.high) == (values.min(), values.max())


def test_a_constant_feature_is_one_bin_and_what_leaves_it_is_under_or_over() -> None:
    found = feature([3.0] * 100)
    assert (found.low, found.high, found.edges) == (3.0, 3.0, ())
    assert found.cells == ("bin0", "under", "over", "missing")


def test_zeros_of_a_sparse_feature_have_a_bin_of_their_own() -> None:
    values = np.concatenate([np.zeros(9_700), np.random.default_rng(2).uniform(1, 5, 300)])
    (edge,) = feature(values).edges
    assert 0 < edge < values[values > 0].min()


def test_few_distinct_numbers_have_a_bin_each() -> None:
    assert feature([0.0, 1.0, 1.0, 1.0, 2.0] * 20).edges == (0.5, 1.5)


def test_a_feature_without_a_single_value_is_left_out() -> None:
    sample = pa.table({"state.x": pa.nulls(3, pa.float64()), "state.y": pa.nulls(3, pa.string())})
    assert with_reference(Plan(), sample).features == ()


def test_the_most_frequent_levels_are_counted_by_name_and_the_rest_together() -> None:
    names = [f"c{i:02}" for i in range(60) for _ in range(61 - i)]
    found = feature(names)
    assert found.levels == tuple(f"c{i:02}" for i in range(MOST_LEVELS))
    assert found.cells[-2:] == ("unseen", "missing")


@pytest.mark.parametrize(
    ("rewards", "edges"),
    [
        ([0.0, 1.0, 1.0, None], (-0.5, 0.5, 1.5)),
        ([2.0, 2.0], (1.5, 2.5)),
        ([1.0, 4.0, 5.0], (0.5, 2.5, 4.5, 5.5)),
        ([], ()),
    ],
)
def test_few_distinct_rewards_have_a_bin_each(rewards: list[float | None], edges: tuple[float, ...]) -> None:
    sample = pa.table({"reward": pa.array(rewards, pa.float64())})
    assert with_reference(Plan(), sample).reward_edges == edges


def test_many_rewards_have_bins_of_equal_width_over_nearly_all_of_them() -> None:
    values = np.random.default_rng(3).normal(size=50_000)
    edges = np.array(with_reference(Plan(), pa.table({"reward": values})).reward_edges)
    assert len(edges) == REWARD_BINS + 1
    np.testing.assert_allclose(np.diff(edges), (edges[-1] - edges[0]) / REWARD_BINS)
    assert np.mean((values < edges[0]) | (values > edges[-1])) == pytest.approx(0.002, abs=0.0005)


def test_rewards_that_are_nearly_all_zero_still_have_increasing_edges() -> None:
    values = np.concatenate([np.zeros(200_000), np.arange(1.0, 60.0)])
    edges = np.array(with_reference(Plan(), pa.table({"reward": values})).reward_edges)
    assert np.all(np.diff(edges) > 0)


def log(begin: float, hours: float, seed: int = 1, **more: Any) -> pa.Table:
    """One decision every 20 s."""
    n = int(hours * 180)
    rng = np.random.default_rng([seed, int(begin)])
    ts = begin + 20.0 * np.arange(n)
    columns: dict[str, Any] = {
        "decision_id": [f"d{int(at)}" for at in ts],
        "ts": pa.array((ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "version": ["v1"] * n,
        "action": rng.choice(["low", "high"], n).tolist(),
        "reward": rng.normal(1, 0.3, n),
        "state.load": rng.normal(size=n),
        "cost.spend": rng.uniform(0, 1, n),
    }
    return pa.table(columns | more)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a builder of a policy that is read from files; called twice, it is the same one, configured anew."""

    def parts(limit: float = 0.9, now: float = START + 30 * DAY, **policy: Any) -> Parts:
        (tmp_path / "logs").mkdir(exist_ok=True)
        shop = {"incumbent": "v1", "fallbacks": ["v0"], "source": {"kind": "parquet", "path": "logs"}, **policy}
        shop["constraint"] = {"spend": {"cost": "spend", "limit": limit}}
        return build(parse({"policy": {"shop": shop}}, tmp_path), ManualClock(now))

    return parts


def put(parts: Parts, table: pa.Table) -> None:
    folder = parts.settings.path("logs")
    pq.write_table(table, folder / f"{len(list(folder.iterdir())):04}.parquet")


def violations(parts: Parts, begin: float, end: float, resolution: int) -> int:
    """Sum what is stored, by the plan of now."""
    with parts.database.read() as connection:
        plan, _id = current_plan(connection, parts.settings, "shop")
        found = buckets.load(connection, "shop", "v1", "", resolution, begin, end, plan)
    return sum(int(summary["constraints"].count("spend")) for _start, summary in found)


def test_freezing_twice_makes_two_versions_and_everything_is_counted_with_the_newer(make: Make) -> None:
    parts = make()
    put(parts, log(START, 48))
    put(parts, log(START + 2 * DAY, 24, 1, **{"state.load": np.random.default_rng(5).normal(9, 1, 24 * 180)}))
    tick(parts, "shop", START + 3 * DAY + 60)
    first = freeze(parts, "shop", START, START + DAY, "ada")
    second = freeze(parts, "shop", START + 2 * DAY, START + 3 * DAY, "ben")
    assert second == first + 1
    with parts.database.read() as connection:
        rows = connection.execute(select(baselines).order_by(baselines.c.id)).all()
        plan, newest = current_plan(connection, parts.settings, "shop")
        found = buckets.load(connection, "shop", "v1", "", HOUR, START + 2 * DAY, START + 3 * DAY, plan)
        kinds = connection.execute(select(events.c.actor).where(events.c.kind == "baseline.frozen")).scalars().all()
    assert [(row.actor, row.begin, row.end) for row in rows] == [
        ("ada", START, START + DAY),
        ("ben", START + 2 * DAY, START + 3 * DAY),
    ]
    assert rows[0].digest != rows[1].digest
    assert (newest, kinds) == (second, ["ada", "ben"])
    counts = sum(summary["features"].counts("load") for _start, summary in found)
    assert counts.sum() == 24 * 180  # nothing of the second reference lies outside its own bins
    assert counts[-3:].tolist() == [0, 0, 0]
    assert counts[:BINS].max() - counts[:BINS].min() <= 2


def test_verdicts_name_the_baseline_that_they_were_judged_against(make: Make) -> None:
    parts = make()
    put(parts, log(START, 60))
    first = freeze_after_pull(parts, START, START + DAY)
    tick(parts, "shop", START + 36 * HOUR)
    second = freeze(parts, "shop", START, START + 36 * HOUR, "ada")
    tick(parts, "shop", START + 60 * HOUR)
    with parts.database.read() as connection:
        found = connection.execute(
            select(verdicts.c.baseline, func.min(verdicts.c.start), func.max(verdicts.c.end))
            .where(verdicts.c.trigger == "reward_3sigma")
            .group_by(verdicts.c.baseline)
        ).all()
    assert [tuple(row) for row in found] == [
        (first, START + DAY, START + 36 * HOUR - 900),
        (second, START + 36 * HOUR, START + 60 * HOUR - 900),
    ]


def freeze_after_pull(parts: Parts, begin: float, end: float) -> int:
    tick(parts, "shop", begin)
    return freeze(parts, "shop", begin, end, "test")


def test_a_corrected_limit_counts_at_once_in_every_bucket_since_the_baseline(make: Make) -> None:
    table = log(START, 48)
    spend = table["cost.spend"].to_numpy()
    parts = make(limit=0.9)
    put(parts, table)
    freeze_after_pull(parts, START, START + DAY)
    tick(parts, "shop", START + 2 * DAY + 60)
    assert violations(parts, START, START + 2 * DAY, 60) == int(np.sum(spend > 0.9))
    corrected = make(limit=0.5)
    tick(corrected, "shop", START + 2 * DAY + 60)
    for resolution in (60, 900, HOUR, DAY):
        assert violations(corrected, START, START + 2 * DAY, resolution) == int(np.sum(spend > 0.5))
    assert corrected.landing.recount("shop") == 0  # once


def test_rewards_that_came_later_are_in_the_bins_of_the_reference(make: Make) -> None:
    parts = make(reward_horizon="2h")
    put(parts, log(START, 24, reward=pa.nulls(24 * 180, pa.float64())))
    tick(parts, "shop", START)
    ids = [f"d{START + 20 * i}" for i in range(24 * 180)]
    clicks = np.arange(24 * 180) % 4 == 0
    told = {
        "decision_id": ids,
        "ts": pa.array([(START + 20 * i + 600) * 1_000_000 for i in range(len(ids))], pa.timestamp("us", tz="UTC")),
        "reward": clicks.astype(float),
    }
    accepted = check_rewards(pa.table(told), latest=START + 30.0 * DAY, origin="rewards", first_row=1)
    assert parts.landing.rewards("shop", accepted, "rewards").accepted == 24 * 180
    freeze(parts, "shop", START, START + DAY, "test")
    with parts.database.read() as connection:
        plan, _id = current_plan(connection, parts.settings, "shop")
        found = buckets.load(connection, "shop", "v1", "", HOUR, START, START + DAY, plan)
    assert plan.reward_edges == (-0.5, 0.5, 1.5)
    mean = np.mean([summary["reward"].mean for _start, summary in found])
    assert (len(found), mean) == (24, pytest.approx(0.25))


def test_a_feature_that_was_a_number_on_one_day_and_text_on_another_is_counted_by_level(make: Make) -> None:
    parts = make()
    put(parts, log(START, 24, 1, **{"state.size": [1.0, 2.0] * (12 * 180)}))
    put(parts, log(START + DAY, 24, 1, **{"state.size": ["1", "large"] * (12 * 180)}))
    freeze_after_pull(parts, START, START + 2 * DAY)
    with parts.database.read() as connection:
        plan, _id = current_plan(connection, parts.settings, "shop")
    assert {one.name: one.levels for one in plan.features} == {"load": (), "size": ("1", "2", "large")}


def test_what_a_shadow_proposed_shapes_no_reference(make: Make) -> None:
    parts = make()
    n = 24 * 180
    shadow = np.arange(n) % 2 == 0
    load = np.where(shadow, 1000.0, np.random.default_rng(4).normal(size=n))
    arms = pa.array(np.where(shadow, "shadow", "live"))
    put(parts, log(START, 24, **{"state.load": load, "arm": arms}))
    freeze_after_pull(parts, START, START + DAY)
    with parts.database.read() as connection:
        plan, _id = current_plan(connection, parts.settings, "shop")
    assert plan.features[0].high < 10


def test_minutes_of_the_reference_outlive_the_retention_of_minutes(make: Make) -> None:
    parts = make(now=START + 100 * DAY)
    put(parts, log(START, 72))
    freeze_after_pull(parts, START + DAY, START + 2 * DAY)
    retention.run(parts)
    with parts.database.read() as connection:
        left = select(func.min(summaries.c.start), func.max(summaries.c.start), func.count())
        minutes = connection.execute(left.where(summaries.c.resolution == 60)).one()
        hours = connection.execute(left.where(summaries.c.resolution == HOUR)).one()
    assert tuple(minutes) == (START + DAY, START + 2 * DAY - 60, 1440)
    assert hours[0] == START


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        (START + DAY, START, "--from 2025-06-17T00:00:00Z is not before --to 2025-06-16T00:00:00Z"),
        (START, START + 40 * DAY, "--to 2025-07-26T00:00:00Z lies in the future"),
        (START + 5 * DAY, START + 6 * DAY, "no decision of shop between 2025-06-21T00:00:00Z and 2025-06-22"),
    ],
)
def test_a_span_that_cannot_serve_is_refused_and_nothing_changes(make: Make, begin: int, end: int, said: str) -> None:
    parts = make()
    put(parts, log(START, 24))
    tick(parts, "shop", START + DAY)
    with pytest.raises(BaselineError, match=said):
        freeze(parts, "shop", begin, end, "test")
    with parts.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(baselines)).scalar_one() == 0
