"""Rows that are all of one group are counted as rows of many are, and features alone as beside the other columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitor.summaries import BucketSummary, Feature, Plan, kernels, plain
from monitor.summaries.fill import _edges
from monitor.summaries.histogram import Features
from monitor.summaries.parts import frozen

ROWS = 3 * 1024 + 17


@pytest.mark.parametrize("bins", [1, 2, 3, 4, 5, 20, 63, 64, 65, 200])
def test_values_of_one_group_count_as_those_of_many(bins: int) -> None:
    rng = np.random.default_rng(bins)
    given = np.sort(rng.normal(size=bins + 1))
    values = 1.5 * rng.normal(size=ROWS)
    for odd in (np.nan, np.inf, -np.inf, *given[[0, -1]]):  # the last bin is closed on both sides
        values[rng.random(ROWS) < 0.03] = odd
    edges, places = _edges(tuple(given.tolist()))
    expected = np.zeros((1, len(places)), np.int64)
    plain.bin_values(values, np.zeros(ROWS, np.int32), edges, places, expected, 0)
    for engine in (kernels, plain):
        found = np.zeros(len(places), np.int64)
        engine.bin_all(frozen(values), edges, places, found)
        np.testing.assert_array_equal(found, expected[0])
    assert found.sum() == ROWS


def test_features_alone_are_those_of_the_whole_bucket() -> None:
    rng = np.random.default_rng(9)
    plan = Plan(features=(Feature("load", -1.0, 1.0, (0.0, 0.5)), Feature("mode", levels=("eco", "max"))))
    table = pa.table(
        {
            "state.load": pa.array(rng.normal(size=200_000), mask=rng.random(200_000) < 0.1),
            "state.mode": np.array(["eco", "max", "new"])[rng.integers(0, 3, 200_000)],
            "action": ["hold"] * 200_000,
            "reward": rng.normal(size=200_000),
        }
    )
    alone, bucket = Features.of(table, plan), BucketSummary.of(table, plan)
    assert alone == bucket["features"]
    assert int(alone.counts("load").sum()) == 200_000
    assert Features.of(table.slice(0, 0), plan) == BucketSummary.of(table.slice(0, 0), plan)["features"]
