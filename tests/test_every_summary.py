"""Laws that every entry of SUMMARIES keeps: a new summary is covered the moment it has its line there."""

from __future__ import annotations

import functools
import math
import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.summaries import SUMMARIES, BucketSummary, Feature, Limit, Plan, Summary, Tracked, merge
from monitor.summaries.envelope import FORMAT
from monitor.summaries.formulas import FORMULAS

PLAN = Plan(
    actions=("hold", "cool", "3"),
    constraints=(Limit("inlet", "excess", 0.5), Limit("hard", "harm", 0.0, hard=True)),
    features=(
        Feature("load", -1.0, 1.0, (-0.5, 0.0, 0.5)),
        Feature("flat", 2.0, 2.0),
        Feature("mode", levels=("eco", "max")),
        Feature("gone", 0.0, 1.0, (0.5,)),
    ),
    reward_edges=(-1.0, 0.0, 0.5, 2.0),
    candidates=("new", "old"),
    tracked=(
        Tracked("latency", "column", ("latency_ms",), (), (0.0, 10.0, 100.0)),
        Tracked("slow", "above", ("latency_ms",), (50.0,)),
        Tracked("episodes", "begins", ("step",), (0.0,)),
        Tracked("return", "discounted", ("reward", "step"), (0.5, 0.0)),
        Tracked("error", "error", ("q_value", "reward")),
        Tracked("error/1", "error_between", ("q_value", "reward"), (0.0, 1.0)),
        Tracked("error/episode", "episode_error", ("q_value", "reward", "step"), (0.9, 0.0)),
        Tracked("residual", "residual", ("reward", "outcome.sales"), (0.1, 2.0)),
        Tracked("product", "product", ("reward", "outcome.sales")),
        Tracked("known", "where", ("reward", "outcome.sales"), (), (-1.0, 0.0, 1.0)),
        Tracked("first", "element", ("aim",), (0.0,), (0.0, 0.5, 1.0)),
        Tracked("bound", "at_bounds", ("aim",), (1.0, 0.0, 1.0)),
        Tracked("distance", "distance", ("aim", "proposed_aim")),
        Tracked("absent", "column", ("score.novelty",), (), (0.0, 1.0)),
    ),
)
KINDS: dict[str, type[Summary]] = {**SUMMARIES, "bucket": BucketSummary}
every_summary = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())

special = st.sampled_from([None, math.nan, math.inf, -math.inf, 0.0, -0.0, 0.5, 1.0, -1.0, 2.0, 1e-310])
number = special | st.floats(-1e6, 1e6)
vector = st.none() | st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.0]), max_size=3)
row = st.fixed_dictionaries(
    {
        "reward": number,
        "propensity": st.sampled_from([None, math.nan, 0.0, -0.1, 1.0, 1.5, math.inf]) | st.floats(0.01, 1.0),
        "action": st.sampled_from(["hold", "cool", "3", "unknown", None]),
        "cost.excess": number,
        "cost.harm": number,
        "state.load": number,
        "state.flat": number,
        "state.mode": st.sampled_from(["eco", "max", "new", None]),
        "pi.new": st.sampled_from([None, math.nan, 0.0, 1.0, -0.5]) | st.floats(0.0, 1.0),
        "pi.old": st.floats(0.0, 1.0),
        "irreversible": st.sampled_from([True, False, None]),
        "shield": st.sampled_from([None, "false", "clipped"]),
        "proposed_action": st.sampled_from([None, "hold", "cool"]),
        "latency_ms": number,
        "step": st.sampled_from([None, 0.0, 1.0, 2.0]),
        "q_value": number,
        "outcome.sales": number,
        "aim": vector,
        "proposed_aim": vector,
    }
)
FLOATS = (
    "reward propensity cost.excess cost.harm state.load state.flat pi.new pi.old latency_ms step q_value outcome.sales"
)
SCHEMA = pa.schema(
    [(name, pa.float64()) for name in re.findall(r"\S+", FLOATS)]
    + [(name, pa.string()) for name in ("action", "state.mode", "shield", "proposed_action")]
    + [("irreversible", pa.bool_())]
    + [(name, pa.list_(pa.float64())) for name in ("aim", "proposed_aim")]
)
quick = functools.partial(settings, deadline=None, derandomize=True)


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def sizes(rows: list[dict[str, object]]) -> pa.Table:
    """The same rows with magnitudes: what the rounding of a sum is relative to."""
    return table([{k: abs(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows])


def assert_same(a: Summary, b: Summary, scale: Summary) -> None:
    assert (a.digest, a.layout) == (b.digest, b.layout)
    for name in ("counts", "low", "high", "keys", "weights"):
        np.testing.assert_array_equal(getattr(a.parts, name), getattr(b.parts, name), err_msg=name)
    assert np.all(np.abs(a.parts.sums - b.parts.sums) <= 1e-9 * scale.parts.sums)
    high_a, high_b = (one.parts.compensated.reshape(-1, 2, 2)[:, 0] for one in (a, b))
    np.testing.assert_allclose(high_a, high_b, rtol=1e-9, atol=0)


@every_summary
@quick(max_examples=25)
@given(rows=st.lists(row, max_size=30), pieces=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_any_split_in_any_order_gives_the_same_result(
    kind: type[Summary], rows: list[dict[str, object]], pieces: int, seed: int
) -> None:
    rng = random.Random(seed)
    parts: list[list[dict[str, object]]] = [[] for _ in range(pieces)]
    for item in rows:
        rng.choice(parts).append(item)
    for part in parts:
        rng.shuffle(part)
    summaries = [kind.of(table(part), PLAN) for part in parts]
    while len(summaries) > 1:  # a random tree of additions
        first = summaries.pop(rng.randrange(len(summaries)))
        second = summaries.pop(rng.randrange(len(summaries)))
        summaries.insert(rng.randrange(len(summaries) + 1), first + second)
    scale = kind.of(sizes(rows), Plan.from_json(PLAN.to_json()))
    assert_same(summaries[0], kind.of(table(rows), PLAN), scale)


@every_summary
@quick(max_examples=10)
@given(a=st.lists(row, max_size=10), b=st.lists(row, max_size=10))
def test_addition_commutes_to_the_last_bit(
    kind: type[Summary], a: list[dict[str, object]], b: list[dict[str, object]]
) -> None:
    one, two = kind.of(table(a), PLAN), kind.of(table(b), PLAN)
    assert one + two == two + one


@every_summary
@quick(max_examples=10)
@given(rows=st.lists(row, max_size=10))
def test_the_empty_summary_is_the_identity(kind: type[Summary], rows: list[dict[str, object]]) -> None:
    summary = kind.of(table(rows), PLAN)
    assert summary + kind() == summary
    assert kind() + summary == summary
    assert summary + kind.of(table([]), PLAN) == summary
    assert kind() + kind() == kind()


@every_summary
@quick(max_examples=10)
@given(rows=st.lists(row, max_size=10))
def test_bytes_come_back_as_the_same_summary(kind: type[Summary], rows: list[dict[str, object]]) -> None:
    summary = kind.of(table(rows), PLAN)
    assert kind.from_bytes(summary.to_bytes()) == summary
    assert kind.from_bytes(summary.to_bytes(), PLAN).to_bytes() == summary.to_bytes()
    assert kind.from_bytes(kind().to_bytes()) == kind()


@every_summary
@quick(max_examples=30)
@given(body=st.binary(max_size=200))
def test_foreign_bytes_are_refused(kind: type[Summary], body: bytes) -> None:
    with pytest.raises(ValueError, match="not a"):
        kind.from_bytes(body)


@every_summary
def test_truncated_damaged_and_newer_bytes_are_refused(kind: type[Summary]) -> None:
    rng = np.random.default_rng(3)
    good = kind.of(pa.table({"reward": rng.normal(size=50), "action": ["hold"] * 50}), PLAN).to_bytes()
    for length in range(len(good)):
        with pytest.raises(ValueError, match=r"not a|truncated"):
            kind.from_bytes(good[:length])
    for place in range(4, len(good), 7):
        damaged = bytearray(good)
        damaged[place] ^= 0x10
        with pytest.raises(ValueError, match="damaged"):
            kind.from_bytes(bytes(damaged))
    with pytest.raises(ValueError, match="upgrade Checkrein"):
        kind.from_bytes(good[:3] + bytes([FORMAT + 1]) + good[4:])
    with pytest.raises(ValueError, match="truncated or damaged"):
        kind.from_bytes(good + b"more")


@every_summary
def test_another_kind_of_summary_is_refused(kind: type[Summary]) -> None:
    for other in KINDS.values():
        if other is not kind:
            with pytest.raises(ValueError, match="another kind"):
                kind.from_bytes(other.of(table([]), PLAN).to_bytes())


@every_summary
def test_two_plans_do_not_add(kind: type[Summary]) -> None:
    other = Plan(actions=("hold",))
    ours, theirs = kind.of(table([]), PLAN), kind.of(table([]), other)
    with pytest.raises(ValueError, match="re-summarise with one plan"):
        _ = ours + theirs
    with pytest.raises(ValueError, match="re-summarise with one plan"):
        kind.from_bytes(theirs.to_bytes(), PLAN)


@every_summary
def test_its_numbers_are_frozen(kind: type[Summary]) -> None:
    for summary in (kind(), kind.of(table([]), PLAN), kind.from_bytes(kind.of(table([]), PLAN).to_bytes())):
        for summed in (summary, summary + summary):
            assert not any(array.flags.writeable for array in summed.parts)


def test_every_formula_is_tried_by_the_laws() -> None:
    assert {one.formula for one in PLAN.tracked} == set(FORMULAS)


@quick(max_examples=25)
@given(rows=st.lists(st.tuples(st.integers(0, 4), row), max_size=30))
def test_merging_bytes_equals_adding_one_by_one(rows: list[tuple[int, dict[str, object]]]) -> None:
    parts = [[item for place, item in rows if place == i] for i in range(5)]
    buckets = [BucketSummary.of(table(part), PLAN) for part in parts]
    merged = merge([bucket.to_bytes() for bucket in buckets], PLAN)
    scale = BucketSummary.of(sizes([item for _, item in rows]), PLAN)
    assert_same(merged, functools.reduce(lambda a, b: a + b, buckets), scale)
    for name in SUMMARIES:
        assert merged[name].layout == SUMMARIES[name].of(table([]), PLAN).layout
