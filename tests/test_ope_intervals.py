"""Every kind of interval covers what it says, over every estimator of single decisions."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest

from ope import ESTIMATORS, INTERVALS, Decisions, TermSums, Trust, evaluate
from ope.bounds import Bounds, Seen, reach, span
from ope.intervals import Sample
from ope.intervals.bootstrap import GROUPS, grouped
from tests.many_logs import CLICKS, GOOD, HEAVY, RARE, SINGLE, SKEWED, World, coverage, samples

BOUNDED = [name for name in SINGLE if ESTIMATORS[name].span is not None]
WORLDS = {"good": GOOD, "skewed": SKEWED, "rare": RARE, "heavy": HEAVY, "clicks": CLICKS}
every_estimator = pytest.mark.parametrize("name", SINGLE)
every_world = pytest.mark.parametrize("world", list(WORLDS.values()), ids=list(WORLDS))


@every_estimator
def test_the_delta_interval_covers_95_percent(name: str) -> None:
    covered, _ = coverage(INTERVALS["delta"], samples(GOOD, name, 7, 1500, 300))
    assert 0.925 < covered < 0.975


@pytest.mark.parametrize("name", ["snips", "sndr"])
def test_the_bootstrap_interval_covers_95_percent(name: str) -> None:
    covered, _ = coverage(INTERVALS["bootstrap"], samples(GOOD, name, 7, 400, 120))
    assert 0.925 < covered < 0.975


@pytest.mark.full
@every_estimator
def test_the_bootstrap_interval_of_every_estimator_covers_95_percent(name: str) -> None:
    covered, _ = coverage(INTERVALS["bootstrap"], samples(GOOD, name, 8, 800, 200))
    assert 0.925 < covered < 0.975


@pytest.mark.full
@pytest.mark.parametrize("name", ["ips", "snips"])
def test_the_bootstrap_misses_less_often_than_delta_where_terms_are_skewed(name: str) -> None:
    for world in (SKEWED, HEAVY):
        resampled, _ = coverage(INTERVALS["bootstrap"], samples(world, name, 9, 800, 200))
        normal, _ = coverage(INTERVALS["delta"], samples(world, name, 9, 800, 200))
        assert resampled > normal


@every_world
@pytest.mark.parametrize("name", BOUNDED)
def test_the_bernstein_interval_covers_at_least_95_percent_even_where_no_limit_theorem_does(
    name: str, world: World
) -> None:
    for rows in (40, 400):
        covered, _ = coverage(INTERVALS["bernstein"], samples(world, name, 10, 500, rows))
        assert covered >= 0.95


def test_each_kind_costs_the_width_that_the_documents_say() -> None:
    log = GOOD.rows(11, 10_000)
    width = {kind: wide(evaluate(log, ["snips"], interval=kind)[0]) for kind in INTERVALS}
    assert width["bootstrap"] == pytest.approx(width["delta"], rel=0.1)
    assert 1.4 < width["bernstein"] / width["delta"] < 2.0
    assert 1.4 < width["sequence"] / width["delta"] <= 2.0
    assert 1.6 < width["sequence_bounded"] / width["delta"] < 2.2


@pytest.mark.parametrize("seed", range(5))
def test_the_sequence_is_at_most_twice_as_wide_as_the_normal_interval_at_10_000_binary_rewards(seed: int) -> None:
    log = GOOD.rows(100 + seed, 10_000)
    for found in evaluate(log, ["ips", "snips"]):
        assert found.anytime_low is not None
        assert found.anytime_high is not None
        assert found.anytime_high - found.anytime_low <= 2.0 * wide(found)


def wide(found: object) -> float:
    low, high = getattr(found, "low"), getattr(found, "high")  # noqa: B009
    assert isinstance(low, float)
    assert isinstance(high, float)
    return high - low


@every_world
def test_at_most_5_percent_of_400_streams_ever_leave_the_sequence(world: World) -> None:
    assert ever_outside(world, "snips", seed=12, streams=400, looks=12, bucket=100) <= 0.05


def test_without_what_rows_can_still_do_the_sequence_of_rare_rewards_would_be_left_often() -> None:
    assert ever_outside(CLICKS, "ips", seed=12, streams=100, looks=12, bucket=100, held_back=False) > 0.2


@pytest.mark.parametrize("world", [GOOD, CLICKS], ids=["good", "clicks"])
def test_the_bounded_sequence_is_right_from_the_first_rows_on(world: World) -> None:
    assert ever_outside(world, "snips", 14, streams=100, looks=8, bucket=30, kind="sequence_bounded") <= 0.05


def test_the_bounded_sequence_has_ends_while_the_other_still_waits_for_clicks() -> None:
    sample, aim = next(samples(CLICKS, "snips", 20, 1, 500))
    assert INTERVALS["sequence"](sample, 0.95) is None
    low, high = INTERVALS["sequence_bounded"](sample, 0.95) or (np.nan, np.nan)
    assert low < aim < high < 1.0


@pytest.mark.full
@pytest.mark.parametrize("world", [SKEWED, CLICKS], ids=["skewed", "clicks"])
@pytest.mark.parametrize("name", ["ips", "sndr"])
def test_longer_streams_do_not_leave_the_sequence_either(name: str, world: World) -> None:
    assert ever_outside(world, name, seed=13, streams=400, looks=50, bucket=100) <= 0.05


def ever_outside(
    world: World,
    name: str,
    seed: int,
    streams: int,
    looks: int,
    bucket: int,
    *,
    held_back: bool = True,
    kind: str = "sequence",
) -> float:
    """Return the share of streams whose sequence, looked at after every bucket, ever misses what it aims at."""
    item, log = ESTIMATORS[name], world.rows(seed, streams * looks * bucket)
    tuning = None if item.tune is None else item.tune(log)
    total, mass = item.terms(log, tuning)
    aim, missed = world.target(item, tuning), 0
    shape = (streams, looks, bucket)
    weight = log.weight.reshape(shape)
    clock = np.cumsum(weight.sum(-1), -1) ** 2 / np.cumsum((weight**2).sum(-1), -1)
    largest = np.maximum.accumulate(weight.max(-1), 1)
    lowest = np.minimum.accumulate(log.reward.reshape(shape).min(-1), 1)
    highest = np.maximum.accumulate(log.reward.reshape(shape).max(-1), 1)
    for stream in range(streams):
        sums, seen = None, Seen()
        for look in range(looks):
            rows = slice((stream * looks + look) * bucket, (stream * looks + look + 1) * bucket)
            terms = total[rows], None if mass is None else mass[rows]
            sums = TermSums.of(*terms) if sums is None else sums + TermSums.of(*terms)
            at = (stream, look)
            width = span(item, None, Bounds(lowest[at], highest[at], largest[at]), tuning)
            if width is None:
                seen.add(terms)
            far = seen.reach(sums) if width is None else reach(sums, width)
            sample = Sample(sums, clock=clock[at], span=width, reach=far if held_back else None)
            ends = INTERVALS[kind](sample, 0.95)
            if ends is not None and not ends[0] <= aim <= ends[1]:
                missed += 1
                break
    return missed / streams


def subjects(seed: int, count: int = 80, rows: int = 12) -> Decisions:
    """Rows of a subject share its level: 12 of them say little more than one."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(count), rows)
    action = rng.integers(0, 2, len(who))
    level = rng.normal(0.0, 1.0, count)[who]
    reward = 0.3 * action + level + rng.normal(0.0, 0.5, len(who))
    return Decisions(reward, np.full(len(who), 0.5), np.where(action == 1, 0.7, 0.3), cluster=who)


@pytest.mark.parametrize("kind", ["delta", "bootstrap"])
def test_rows_that_belong_together_count_as_one_unit(kind: str) -> None:
    by_subject, by_row = list[bool](), list[bool]()
    for seed in range(250):
        log = subjects(seed)
        apart = Decisions(log.reward, log.propensity, log.probability)
        for held, part, name in ((by_subject, log, kind), (by_row, apart, "delta")):
            [found] = evaluate(part, ["snips"], interval=name)
            assert found.low is not None
            assert found.high is not None
            held.append(found.low <= 0.21 <= found.high)
    assert 0.925 < np.mean(by_subject) < 0.975
    assert np.mean(by_row) < 0.7  # what it would cost to forget it


def test_a_bootstrap_draws_rows_of_a_large_log_in_groups_that_lose_nothing() -> None:
    log = GOOD.rows(14, 50_000)
    weight, total = log.weight, log.weight * log.reward
    sample = Sample(TermSums.of(total, weight), partial(iter, [(total, weight)]))
    units = grouped(sample, np.random.default_rng(0))
    assert units.shape == (GROUPS, 2)
    np.testing.assert_allclose(units.sum(axis=0), sample.sums.first, rtol=1e-12)
    low, high = INTERVALS["bootstrap"](sample, 0.95) or (0.0, 0.0)
    normal_low, normal_high = INTERVALS["delta"](sample, 0.95) or (0.0, 0.0)
    assert high - low == pytest.approx(normal_high - normal_low, rel=0.1)


def test_a_period_in_the_log_does_not_become_a_group_of_the_bootstrap() -> None:
    reward = np.tile(np.repeat([0.0, 1.0], GROUPS // 2), 8)  # a row's place in 4,096 tells its reward
    sample = Sample(TermSums.of(reward), lambda: ((part, None) for part in np.split(reward, 8)))
    units = grouped(sample, np.random.default_rng(0))
    assert (units[:, 1] == 8).all()
    assert units[:, 0].std() == pytest.approx(np.sqrt(8) * 0.5, rel=0.1)  # by place it would be 4


def test_the_ends_of_the_bernstein_interval_are_where_its_inequality_is_met() -> None:
    sample, _ = next(samples(HEAVY, "snips", 22, 1, 400))
    assert sample.pieces is not None
    assert sample.span is not None
    total, mass = next(sample.pieces())
    assert mass is not None
    for end in INTERVALS["bernstein"](sample, 0.9) or ():
        x, log = total - end * mass, np.log(4 / 0.1)
        allowed = np.sqrt(2 * x.var(ddof=1) * log / 400) + 7 * sample.span * log / (3 * 399)
        assert abs(x.mean()) == pytest.approx(allowed)


def test_a_bootstrap_sums_masses_anew_in_every_replicate() -> None:
    rng = np.random.default_rng(15)
    weight = rng.exponential(size=2000)
    total = weight * rng.normal(10.0, 0.1, size=2000)  # nearly all of it is the weight's own spread
    sample = Sample(TermSums.of(total, weight), partial(iter, [(total, weight)]))
    low, high = INTERVALS["bootstrap"](sample, 0.95) or (0.0, 0.0)
    frozen = 2 * 1.96 * total.std() / weight.mean() / np.sqrt(2000)
    assert (high - low) < 0.05 * frozen


def test_the_same_seed_draws_the_same_interval_and_another_one_another() -> None:
    log = GOOD.rows(16, 500)
    first, same, other = (evaluate(log, ["snips"], interval="bootstrap", seed=seed)[0] for seed in (1, 1, 2))
    assert (first.low, first.high) == (same.low, same.high)
    assert first.low != other.low


def test_an_interval_without_rewards_in_most_replicates_is_still_finite() -> None:
    reward = np.zeros(400)
    reward[:2] = 1.0
    sample = Sample(TermSums.of(reward), partial(iter, [(reward, None)]))
    low, high = INTERVALS["bootstrap"](sample, 0.95) or (np.nan, np.nan)
    assert -0.01 < low < 0.005 < high < 0.1


def test_kinds_that_need_a_range_refuse_estimators_whose_terms_have_no_known_range() -> None:
    log = GOOD.rows(17, 500)
    for kind in ("bernstein", "sequence_bounded"):
        message = f"interval {kind!r} needs the range of an estimator's terms, .* snips, clipped forms.: name these"
        with pytest.raises(ValueError, match=message):
            evaluate(log, ["dr"], interval=kind)
    assert {"ips", "snips"} <= set(BOUNDED)


def test_bounds_that_are_known_beforehand_are_used_and_checked() -> None:
    log = GOOD.rows(18, 500)
    seen, wider = (evaluate(log, ["ips"], interval="bernstein", bounds=b)[0] for b in (None, Bounds(0.0, 1.0, 10.0)))
    assert wide(wider) > wide(seen)
    with pytest.raises(ValueError, match=r"reward is 1 in row \d+, outside its bounds 0 to 0.5: widen them"):
        evaluate(log, ["ips"], bounds=Bounds(0.0, 0.5, 10.0))
    with pytest.raises(ValueError, match=re.escape("the largest weight is 2, above its bound 1.5: raise it")):
        evaluate(log, ["ips"], bounds=Bounds(0.0, 1.0, 1.5))
    with pytest.raises(ValueError, match="low at most high"):
        Bounds(1.0, 0.0, 2.0)


@pytest.mark.parametrize("kind", ["bernstein", "sequence", "sequence_bounded"])
def test_an_interval_without_an_end_is_none_and_no_number(kind: str) -> None:
    weight = np.array([0.01] * 40 + [4.0] * 2)
    reward = np.array([0.0, 1.0] * 21)
    sums = TermSums.of(weight * reward, weight)
    clock = float(weight.sum() ** 2 / (weight**2).sum())
    assert INTERVALS[kind](Sample(sums, clock=clock, span=4.0), 0.95) is None


def test_a_bootstrap_of_stored_sums_is_an_error_that_says_what_to_choose() -> None:
    with pytest.raises(ValueError, match="sums are stored only: choose 'delta'"):
        INTERVALS["bootstrap"](Sample(TermSums.of(np.array([1.0, 2.0]))), 0.95)


@pytest.mark.parametrize("kind", INTERVALS)
def test_every_kind_says_which_it_is_and_keeps_the_verdict(kind: str) -> None:
    [found] = evaluate(GOOD.rows(19, 2000), ["snips"], interval=kind)
    assert found.interval == kind
    assert found.trust is Trust.TRUSTED
    assert found.low is not None
    assert found.value is not None
    assert found.low < found.value


@pytest.mark.parametrize("kind", ["delta", "bernstein", "sequence", "sequence_bounded"])
def test_a_constant_on_all_rewards_moves_an_interval_and_does_not_bend_it(kind: str) -> None:
    rng, most = np.random.default_rng(0), 7e5
    weight, reward = rng.choice([0.4, 1.0, 2.5], 300_000, p=[0.5, 0.3, 0.2]), rng.normal(size=300_000)
    plain, moved = (TermSums.of(weight * (reward + by), weight) for by in (0.0, most))
    low, high = INTERVALS[kind](Sample(plain, clock=2e5, span=25.0), 0.95) or (0.0, 0.0)
    ends = INTERVALS[kind](Sample(moved, clock=2e5, span=25.0), 0.95)
    assert ends is not None
    assert np.allclose(np.array(ends) - most, [low, high], atol=0.02 * (high - low))
