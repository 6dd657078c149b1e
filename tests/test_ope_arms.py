"""Comparing two arms keeps its promises over whole streams, however often somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ope.comparing.arms import Arm, Pair, change, effect, total
from ope.comparing.blocks import dispersion
from ope.sequence import mixture_boundary

Draw = Callable[[np.random.Generator, int], Any]
WORLDS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(1.0, 1.0, n),
    "binary": lambda rng, n: (rng.random(n) < 0.3).astype(float),
    "rare": lambda rng, n: (rng.random(n) < 0.006).astype(float),
    "lognormal": lambda rng, n: rng.lognormal(0.0, 1.5, n),
    "student": lambda rng, n: rng.standard_t(3, n),
}
every_world = pytest.mark.parametrize("world", list(WORLDS))


def arm(x: Any) -> Arm:
    return Arm.of_sums(len(x), x.sum(), (x * x).sum(), x.min(), x.max()) if len(x) else Arm()


def stream(
    rng: np.random.Generator, draw: Draw, minutes: int, rows: int, share: float, gain: float = 0.0
) -> list[Pair]:
    """Minutes in which both arms acted; the number of the candidate's rows is drawn."""
    found = []
    for own in rng.binomial(rows, share, minutes).tolist():
        pair = arm(draw(rng, own) + gain), arm(draw(rng, rows - own))
        if pair[0].n and pair[1].n:
            found.append(pair)
    return found


def ever_outside(world: str, share: float, streams: int, minutes: int, rows: int) -> float:
    """Share of streams of two equal arms whose 95% sequence ever leaves 0: somebody looks early, and then often."""
    outside = 0
    for seed in range(streams):
        pairs = stream(np.random.default_rng([seed, int(1000 * share)]), WORLDS[world], minutes, rows, share)
        for look in (*range(2, 20, 3), *range(20, len(pairs) + 1, 12)):
            found = effect(pairs[:look])
            if found.low is not None and found.high is not None and not found.low <= 0 <= found.high:
                outside += 1
                break
    return outside / streams


@pytest.mark.parametrize(("world", "share"), [("normal", 0.5), ("binary", 0.01), ("rare", 0.05), ("lognormal", 0.5)])
def test_two_equal_arms_differ_in_at_most_5_percent_of_streams(world: str, share: float) -> None:
    # Over 400 streams the rates are 0 to 2.8%.
    assert ever_outside(world, share, streams=40, minutes=60, rows=100) <= 0.05


@pytest.mark.full
@pytest.mark.parametrize("share", [0.5, 0.05, 0.01])
@every_world
def test_long_streams_of_equal_arms_differ_in_at_most_5_percent(world: str, share: float) -> None:
    assert ever_outside(world, share, streams=400, minutes=240, rows=400 if share == 0.5 else 100) <= 0.05


def test_the_interval_is_what_the_formula_says() -> None:
    found = effect([(Arm(100, 1.5, 90.0, 0.0, 2.0), Arm(9_900, 1.0, 9_900.0, 0.0, 2.0))])
    rows, variance = 4 / (1 / 100 + 1 / 9_900), 90 / 100**2 + 9_900 / 9_900**2
    assert found.clock == pytest.approx(rows)
    assert found.dispersion == 1.0
    assert found.high is not None
    boundary = mixture_boundary(rows)
    assert found.high - 0.5 == pytest.approx(np.sqrt(boundary * variance / (1 - boundary / rows)))
    assert found.low == pytest.approx(1.0 - found.high)
    assert found.p_above(found.low or 0.0) == pytest.approx(0.05)


def test_a_worse_candidate_is_found_at_one_percent_of_the_traffic() -> None:
    found = effect(stream(np.random.default_rng(1), WORLDS["normal"], 600, 100, 0.01, gain=-0.5))
    assert found.high is not None
    assert found.high < 0
    assert found.p_above(0.0) == 1.0


def test_a_fixed_interval_would_be_left_by_many_streams() -> None:
    """The siblings' normal interval, looked at every minute: why a sequence is needed."""
    outside = 0
    for seed in range(30):
        pairs = stream(np.random.default_rng([seed, 500]), WORLDS["normal"], 40, 50, 0.5)
        for look in range(2, 41):
            one, other = total(pairs[:look])
            error = np.sqrt(one.spread / one.n**2 + other.spread / other.n**2)
            if abs(one.mean - other.mean) > 1.96 * error:
                outside += 1
                break
    assert outside / 30 > 0.2


def test_the_sums_of_parts_are_the_sums_of_the_whole() -> None:
    x = np.random.default_rng(2).normal(1e6, 1.0, 300)
    whole, parts = arm(x), Arm()
    for piece in np.array_split(x, 7):
        spread = float(((piece - piece.mean()) ** 2).sum())
        parts += Arm(len(piece), float(piece.mean()), spread, float(piece.min()), float(piece.max()))
    assert parts.n == whole.n
    assert parts.mean == pytest.approx(x.mean())
    assert parts.spread == pytest.approx(((x - x.mean()) ** 2).sum(), rel=1e-6)


def test_a_large_mean_beside_a_small_spread_costs_no_digits() -> None:
    def centred(shift: float) -> list[Pair]:
        rng = np.random.default_rng(3)
        return [(Arm(50, shift + rng.normal(0, 0.1), 50.0), Arm(50, shift, 50.0)) for _ in range(40)]

    near, far = effect(centred(0.0)), effect(centred(1e9))
    assert far.value == pytest.approx(near.value, abs=1e-4)
    assert far.high == pytest.approx(near.high, abs=1e-4)


def test_rows_that_come_in_clusters_widen_the_interval() -> None:
    """Every minute has its own level in each arm: forty rows say little more than one."""
    rng = np.random.default_rng(4)
    pairs = [
        (arm(rng.normal(0, 1) + rng.normal(0, 1, 20)), arm(rng.normal(0, 1) + rng.normal(0, 1, 20))) for _ in range(200)
    ]
    found = effect(pairs)
    assert found.dispersion > 8
    assert effect(pairs, at_least=50.0).dispersion == 50.0


def test_what_hits_both_arms_in_the_same_minutes_does_not() -> None:
    rng = np.random.default_rng(5)
    waves = np.sin(np.arange(400) / 30)
    pairs = [(arm(wave + rng.normal(0, 0.3, 10)), arm(wave + rng.normal(0, 0.3, 10))) for wave in waves]
    assert effect(pairs).dispersion == 1.0


@pytest.mark.parametrize("pairs", [[], [(Arm(), arm(np.ones(5)))], [(arm(np.array([np.nan])), arm(np.ones(5)))]])
def test_nothing_measured_is_no_effect(pairs: list[Pair]) -> None:
    found = effect(pairs)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.p_above(0.0) == 1.0


def test_rewards_that_do_not_differ_at_all_have_no_interval() -> None:
    found = effect([(arm(np.zeros(100)), arm(np.zeros(100)))] * 5)
    assert (found.value, found.low) == (0.0, None)


def test_a_fading_effect_is_seen_as_a_change() -> None:
    rng = np.random.default_rng(6)
    first = effect(stream(rng, WORLDS["normal"], 100, 100, 0.5, gain=0.8))
    last = effect(stream(rng, WORLDS["normal"], 100, 100, 0.5, gain=0.1))
    moved = change(first, last, 0.95)
    assert moved is not None
    assert moved[2] < 0
    assert change(first, effect([]), 0.95) is None
    with pytest.raises(ValueError, match=r"below 0\.99"):
        change(first, last, 0.99)


def test_the_p_value_of_a_harm_is_rarely_small_where_there_is_none() -> None:
    small = 0
    for seed in range(60):
        pairs = stream(np.random.default_rng([seed, 7]), WORLDS["rare"], 60, 100, 0.1)
        small += min(effect(pairs[:look]).p_above(0.0005) for look in range(2, len(pairs) + 1, 12)) <= 0.05
    assert small / 60 <= 0.05


def test_few_stretches_are_no_dispersion() -> None:
    assert dispersion(np.array([5.0, -5.0]), 1.0) == 1.0
    assert dispersion(np.ones(100), 0.0) == 1.0
