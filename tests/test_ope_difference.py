"""The paired difference to the incumbent: right numbers, the same from rows and from sums, and right at every look."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ope import (
    ESTIMATORS,
    LIVE,
    Decisions,
    Trust,
    WeightSums,
    anytime_interval,
    anytime_p,
    difference,
    difference_of_weights,
    evaluate,
)
from ope.terms import TermSums


def bandit(rows: int, seed: int = 0, gain: float = 0.3, noise: float = 1.0) -> Decisions:
    """Two actions, played with probability a half each; the second earns ``gain`` more, the candidate prefers it."""
    rng = np.random.default_rng(seed)
    action = rng.integers(0, 2, rows)
    candidate = np.tile([0.25, 0.75], (rows, 1))
    q = np.tile([1.0, 1.0 + gain], (rows, 1)) + rng.normal(0, 0.1, (rows, 2))
    reward = 1.0 + gain * action + noise * rng.normal(size=rows)
    return Decisions(reward, np.full(rows, 0.5), candidate[np.arange(rows), action], action, candidate, q)


def test_the_error_is_the_one_of_the_paired_terms() -> None:
    log = bandit(500)
    found = difference(log, "ips")
    pairs = log.weight * log.reward - log.reward
    assert found.value == pytest.approx(pairs.mean(), rel=1e-12)
    assert found.stderr == pytest.approx(pairs.std(ddof=1) / math.sqrt(500), rel=1e-9)
    assert found.incumbent == pytest.approx(log.reward.mean())


def test_pairing_takes_out_what_both_share() -> None:
    log = bandit(2000, noise=0.1)
    [alone] = evaluate(log, ["snips"])
    found = difference(log, "snips")
    apart = math.hypot(alone.stderr or 0.0, log.reward.std() / math.sqrt(2000))
    assert found.value == pytest.approx((alone.value or 0.0) - log.reward.mean(), rel=1e-9)
    assert found.stderr is not None
    assert found.stderr < 0.75 * apart


@pytest.mark.parametrize("name", [name for name, item in ESTIMATORS.items() if item.log == "decisions"])
def test_every_estimator_of_decisions_tells_a_difference_that_covers_the_truth(name: str) -> None:
    found = difference(bandit(4000, seed=3), name)
    assert found.value is not None
    assert found.stderr is not None
    assert abs(found.value - 0.25 * 0.3) < 4 * found.stderr + 0.02  # dm is as wrong as its model
    assert found.trust in (Trust.TRUSTED, Trust.WEAK)


@pytest.mark.parametrize("name", LIVE)
def test_stored_sums_say_what_the_rows_say(name: str) -> None:
    whole = bandit(3000, seed=5)
    log = Decisions(whole.reward, whole.propensity, whole.probability)
    parts = [WeightSums.from_rows(log.weight[i::3], log.reward[i::3]) for i in range(3)]
    from_rows, from_sums = difference(log, name), difference_of_weights(name, parts[0] + parts[1] + parts[2])
    for field in ("value", "stderr", "low", "high", "incumbent", "n", "ess"):
        assert getattr(from_sums, field) == pytest.approx(getattr(from_rows, field), rel=1e-9), field
    assert (from_sums.trust, from_sums.reasons) == (from_rows.trust, from_rows.reasons)


@pytest.mark.parametrize("name", LIVE)
def test_without_the_range_of_rewards_the_sequence_is_no_wider(name: str) -> None:
    log = bandit(3000, seed=6)
    sums = WeightSums.from_rows(log.weight, log.reward)
    free = difference_of_weights(name, sums)
    held = difference_of_weights(name, sums, rewards=(log.reward.min(), log.reward.max()))
    assert free.value == held.value
    assert held.anytime_low is not None
    assert free.anytime_low is not None
    assert held.anytime_low <= free.anytime_low


def test_a_shift_of_all_rewards_changes_the_difference_by_snips_not_at_all() -> None:
    log = bandit(1000, seed=7)
    near, far = (
        difference_of_weights("snips", WeightSums.from_rows(log.weight, log.reward + by)) for by in (0.0, 100.0)
    )
    assert far.value == pytest.approx(near.value, rel=1e-8)
    assert far.stderr == pytest.approx(near.stderr, rel=1e-6)


def test_rows_of_one_subject_count_once() -> None:
    log = bandit(800, seed=8)
    twice = Decisions(
        np.repeat(log.reward, 2),
        np.full(1600, 0.5),
        np.repeat(log.probability, 2),
        cluster=np.repeat(np.arange(800), 2),
    )
    one, two = difference(log, "snips"), difference(twice, "snips")
    assert two.value == pytest.approx(one.value, rel=1e-12)
    assert two.stderr == pytest.approx(one.stderr, rel=1e-9)


@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_p_is_at_most_alpha_exactly_when_the_sequence_lies_above_the_margin(name: str, margin: float) -> None:
    above = []
    for seed in range(60):
        log = bandit(1500, seed=seed, gain=0.2)
        found = difference_of_weights(name, WeightSums.from_rows(log.weight, log.reward), margin)
        assert found.anytime_low is not None
        assert found.anytime_p is not None
        assert (found.anytime_p <= 0.05) == (found.anytime_low > -margin) == found.shown
        above.append(found.shown)
    assert 0 < sum(above) < 60 or margin


@pytest.mark.parametrize("columns", [1, 2])
def test_p_of_the_sequences_end_is_alpha(columns: int) -> None:
    rng = np.random.default_rng(columns)
    mass = rng.uniform(0.5, 1.5, (900, 2))
    mass[:, 1] = 1.0
    total = (mass * rng.normal(0.3, 1.0, (900, 2)))[:, :columns]
    sums = TermSums.of(total, None if columns == 1 else mass)
    low, high = anytime_interval(sums, 700.0) or (math.nan, math.nan)
    assert anytime_p(sums, 700.0, low) == pytest.approx(0.05, rel=1e-6)
    assert anytime_p(sums, 700.0, high) == 1.0


def ever_above(streams: int, looks: int, step: int, seed: int) -> tuple[float, float]:
    """Return the share of streams in which a candidate that is worth the same ever seems better.

    By the sequence, and by the interval for one look.
    """
    rng = np.random.default_rng(seed)
    always, once = np.zeros(streams, bool), np.zeros(streams, bool)
    for stream in range(streams):
        action = rng.random(looks * step) < 0.5
        reward = (rng.random(looks * step) < 0.3).astype(float)  # of which no action makes more
        weight, sums = np.where(action, 1.6, 0.4), WeightSums()
        for begin in range(0, looks * step, step):
            sums += WeightSums.from_rows(weight[begin : begin + step], reward[begin : begin + step])
            found = difference_of_weights("snips", sums, rewards=(0.0, 1.0))
            always[stream] |= found.shown
            once[stream] |= found.low is not None and found.low > 0
    return float(always.mean()), float(once.mean())


def test_who_looks_all_the_time_is_rarely_wrong_with_the_sequence_and_often_without() -> None:
    always, once = ever_above(100, 20, 100, 1)
    assert always <= 0.025 + 4 * math.sqrt(0.025 * 0.975 / 100)
    assert once > always


@pytest.mark.full
def test_who_looks_all_the_time_is_rarely_wrong_in_many_streams() -> None:
    assert ever_above(1000, 50, 100, 2)[0] <= 0.025 + 4 * math.sqrt(0.025 * 0.975 / 1000)


def test_a_candidate_that_decides_alike_differs_by_nothing() -> None:
    reward = np.random.default_rng(0).normal(size=200)
    found = difference_of_weights("snips", WeightSums.from_rows(np.ones(200), reward))
    assert (found.value, found.anytime_low, found.anytime_p, found.shown) == (0.0, 0.0, 1.0, False)
    assert found.reasons == ("The candidate decides as the policy that acted in every row, so there is no difference.",)
    assert difference_of_weights("snips", WeightSums.from_rows(np.ones(200), reward), margin=0.1).shown


def test_a_refused_difference_has_no_number_and_is_never_shown() -> None:
    rng = np.random.default_rng(1)
    few = difference_of_weights("snips", WeightSums.from_rows(rng.exponential(size=10), rng.normal(9.0, 1.0, 10)))
    none = difference_of_weights("ips", WeightSums())
    for found in (few, none):
        assert found.trust is Trust.REFUSED
        assert (found.value, found.low, found.anytime_low, found.anytime_p, found.shown) == (None,) * 4 + (False,)
    assert few.sentence("v6").startswith("Not compared with v6: ")
    assert "effective rows of 10" in few.sentence("v6")


def test_the_sentence_says_against_whom_by_how_much_and_how_sure() -> None:
    sums = WeightSums.from_rows(*(lambda log: (log.weight, log.reward))(bandit(4000, seed=9, noise=0.2)))
    assert difference_of_weights("snips", sums).sentence("v6").startswith("Better than v6: 95% lower bound 0.0")
    wide = WeightSums.from_rows(*(lambda log: (log.weight, log.reward))(bandit(400, seed=9, gain=0.0)))
    told = difference_of_weights("snips", wide, margin=0.01, level=0.99).sentence("v6")
    assert told.startswith("Not shown: no worse than v6 by more than 0.01 (1.")
    assert told.endswith(" at every look.")
    assert "99% lower bound -0." in told


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"margin": -0.1}, "margin is -0.1, but must be a finite number of at least 0"),
        ({"margin": math.inf}, "margin is inf"),
        ({"level": 95.0}, "level is 95.0, but must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_asked_is_an_error_that_names_it(more: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        difference(bandit(100), "snips", **more)  # type: ignore[arg-type]


def test_estimators_that_cannot_be_told_are_named() -> None:
    log = bandit(100)
    with pytest.raises(ValueError, match="no estimator is called 'nips'; available: ips, "):
        difference(log, "nips")
    with pytest.raises(ValueError, match="'dr' cannot be told from weight sums; those that can: ips, snips"):
        difference_of_weights("dr", WeightSums())
    with pytest.raises(ValueError, match="dr needs columns that this log lacks; those that can be told: ips, snips"):
        difference(Decisions(log.reward, log.propensity, log.probability), "dr")
