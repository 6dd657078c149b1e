"""Which disagreements are queued: the same ones in any order, with the probabilities that the items carry."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.review.draws import draws, identity
from monitor.review.sampling import PLANTED, Entry, Sample, candidates, merged

PER_DAY, LARGEST = 6, 2


def entries(seed: int, n: int, *, alike: bool = False) -> list[Entry]:
    drawn = np.random.default_rng(seed)
    sizes = np.ones(n) if alike else 1.0 + drawn.pareto(1.5, n)
    draw, tie = 1.0 - drawn.random((2, n))
    numbers = zip(sizes.tolist(), draw.tolist(), tie.tolist(), strict=True)
    return [Entry(f"{i}", *one, planted=i % 11 == 10) for i, one in enumerate(numbers)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 60), st.data())
def test_any_order_batching_and_repetition_gives_the_same_sample(seed: int, n: int, data: st.DataObject) -> None:
    every = entries(seed, n, alike=seed % 3 == 0)
    whole = merged(Sample(), every, PER_DAY, LARGEST)
    shuffled = data.draw(st.permutations(every))
    sample = Sample()
    while shuffled:
        size = data.draw(st.integers(1, 20))
        batch, shuffled = shuffled[:size], shuffled[size:]
        sample = merged(sample, batch, PER_DAY, LARGEST)
        sample = merged(sample, data.draw(st.sampled_from([batch, []])), PER_DAY, LARGEST) if len(every) < 7 else sample
    assert sample == whole
    assert len(whole.largest) + len(whole.sampled) == min(PER_DAY, sum(not one.planted for one in every))
    assert len(whole.planted) == min(PLANTED, sum(one.planted for one in every))
    assert all(0.0 < inclusion <= 1.0 for _stratum, inclusion in whole.inclusion().values())


@pytest.mark.parametrize("alike", [False, True])
def test_a_batch_needs_only_its_candidates(alike: bool) -> None:
    every = [one for one in entries(3, 500, alike=alike) if not one.planted]
    numbers = [np.array([getattr(one, name) for one in every]) for name in ("size", "draw", "tie")]
    kept = candidates(numbers[0], numbers[1], numbers[2], PER_DAY, LARGEST)
    assert len(kept) <= PER_DAY + 1 + LARGEST
    few = merged(Sample(), [every[i] for i in kept], PER_DAY, LARGEST)
    assert few == merged(Sample(), every, PER_DAY, LARGEST)


@pytest.mark.parametrize("alike", [False, True])
def test_sums_weighted_by_the_inverse_inclusion_have_no_bias(alike: bool) -> None:
    """Horvitz and Thompson's estimate over many draws: of the number of items, and of those with a property."""
    fixed = np.random.default_rng(11)
    n, worlds = 40, 4000
    sizes = np.ones(n) if alike else 1.0 + fixed.pareto(1.5, n)
    exploit = fixed.random(n) < 0.3
    drawn = np.random.default_rng(12)
    estimates = np.zeros((worlds, 2))
    for world in range(worlds):
        draw, tie = 1.0 - drawn.random((2, n))
        pool = [Entry(f"{i:02}", float(sizes[i]), float(draw[i]), float(tie[i])) for i in range(n)]
        for name, (_stratum, inclusion) in merged(Sample(), pool, PER_DAY, LARGEST).inclusion().items():
            estimates[world] += np.array([1.0, exploit[int(name)]]) / inclusion
    error = estimates.std(axis=0) / np.sqrt(worlds)
    assert np.all(np.abs(estimates.mean(axis=0) - [n, exploit.sum()]) < 4 * error)


def test_larger_ones_are_in_more_often_and_the_largest_always() -> None:
    drawn = np.random.default_rng(1)
    times = np.zeros(30)
    for _ in range(500):
        draw, tie = 1.0 - drawn.random((2, 30))
        pool = [Entry(f"{i:02}", 1.0 + i / 5, float(draw[i]), float(tie[i])) for i in range(30)]
        for name in merged(Sample(), pool, PER_DAY, LARGEST).inclusion():
            times[int(name)] += 1
    assert times[28:].tolist() == [500.0, 500.0]
    assert times[:10].sum() < times[18:28].sum()


def test_draws_are_uniform_independent_and_of_the_id_alone() -> None:
    ids = pa.array([f"host3-{i:06}" for i in range(20_000)])
    draw, tie = draws(ids, "p/v2")
    assert (draw > 0.0).all()
    assert (draw <= 1.0).all()
    for numbers in (draw, tie):
        counts = np.histogram(numbers, 50, (0.0, 1.0))[0]
        assert ((counts - 400.0) ** 2 / 400.0).sum() < 90.0  # chi-squared with 49 degrees: 85 is one in a thousand
    assert abs(np.corrcoef(draw, tie)[0, 1]) < 0.03
    assert abs(np.corrcoef(draw[1:], draw[:-1])[0, 1]) < 0.03
    middle = draws(ids.slice(500, 7), "p/v2")[0]
    assert middle.tolist() == draw[500:507].tolist()
    chunked = pa.chunked_array([ids.slice(0, 3), ids.slice(3, 5)])
    assert draws(chunked, "p/v2")[0].tolist() == draw[:8].tolist()
    assert draws(ids.slice(0, 1), "p/v3")[0][0] != draw[0]


@pytest.mark.parametrize("texts", [[], [""], ["", "a", ""], ["é" * 100, "x" * 300], ["ab", "ba"]])
def test_any_text_has_a_draw(texts: list[str]) -> None:
    found = draws(pa.array(texts, pa.string()), "p/v2")[0]
    assert len(found) == len(texts)
    assert len(set(found.tolist())) == len(set(texts))


def test_the_draw_of_an_id_never_changes() -> None:
    """Another release that drew otherwise would queue other decisions of the same day."""
    assert draws(pa.array(["d1", "c1763716800"]), "cooling/v8")[0].round(12).tolist() == [
        0.079723268286,
        0.674317282423,
    ]
    assert identity("cooling", "v8", "d1", 487_000) == "9ed92f8e8a98342a"
