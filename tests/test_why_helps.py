"""Will going back help? The comparison with its interval, and the one sentence, on worlds where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from ope import Trust
from ope.shift.attribution import Attributor
from ope.shift.comparison import Comparison, Weighted, by_model, compare
from ope.shift.rows import Rows
from ope.shift.sentences import help_of
from tests.moved_worlds import ACTIONS, NAMES, Move, log, pays, policy

QUICK = 20
BEFORE = Move()
WORSE = Move(tilt=-2.5)  # what the new version does: rarely the action that pays best


def own(rows: Rows) -> Weighted:
    return Weighted(rows.reward, np.ones(len(rows)), rows.block)


def weighted(rows: Rows, tilt: float) -> Weighted:
    """Return rows of a version weighted to the policy without a tilt."""
    taken = np.arange(len(rows)), rows.action
    return Weighted(rows.reward, policy(rows.states)[taken] / policy(rows.states, tilt)[taken], rows.block)


def gap(move: Move) -> float:
    """Return what the policy without a tilt earns more in today's states."""
    states = np.random.default_rng(0).normal(size=(200_000, 3)) + np.array([move.shift, 0.0, 0.0])
    more = policy(states) - policy(states, move.tilt)
    columns = [more[:, a] * pays(states, np.full(len(states), a)) for a in range(ACTIONS)]
    return float(np.sum(columns, axis=0).mean())


def concurrent(seed: int, move: Move) -> Comparison:
    then = log(seed, BEFORE, blocks=48, rows=40)
    now = log(seed + 1000, move, blocks=24, rows=60)
    same = log(seed + 2000, replace(move, tilt=0.0), blocks=24, rows=30)
    return compare("concurrent", own(same), own(now), own(then), seed=seed)


def off_policy(seed: int, move: Move) -> Comparison:
    then = log(seed, BEFORE, blocks=48, rows=40)
    now = log(seed + 1000, move, blocks=24, rows=60)
    return compare("off_policy", weighted(now, move.tilt), own(now), own(then), seed=seed)


def modelled(seed: int, move: Move) -> Comparison:
    then = log(seed, BEFORE, blocks=48, rows=60)
    now = log(seed + 1000, move, blocks=24, rows=60)
    fitted = Attributor.fit(then, NAMES, actions=ACTIONS)
    return by_model(fitted, now, policy(now.states), then, seed=seed)


METHODS = {"concurrent": concurrent, "off_policy": off_policy, "model": modelled}


@pytest.mark.parametrize("method", METHODS)
def test_the_difference_holds_the_truth_as_often_as_it_promises(method: str) -> None:
    move = replace(WORSE, shift=-0.5, pay=-0.3)
    found = [METHODS[method](seed, move) for seed in range(QUICK)]
    wanted = gap(move)
    assert wanted > 0.2
    hits = sum(one.difference is not None and one.difference.low <= wanted <= one.difference.high for one in found)
    assert hits >= binom.ppf(1e-3, QUICK, 0.93)
    assert all(one.change is not None and one.change.high < 0 for one in found)  # and it fell itself
    assert {one.trust for one in found} <= {Trust.TRUSTED, Trust.WEAK}


@pytest.mark.parametrize("method", METHODS)
def test_a_worse_version_is_worth_going_back_from(method: str) -> None:
    told = help_of("v6", "v7", [METHODS[method](1, WORSE)])
    assert told.startswith("v6 is expected to earn +0.")
    assert "more per decision than v7" in told
    assert "falls too" not in told


@pytest.mark.parametrize("method", METHODS)
def test_where_the_world_changed_going_back_is_no_cure(method: str) -> None:
    move = Move(pay=-0.4)
    before, after = log(3, BEFORE, blocks=48, rows=60), log(1003, move, blocks=24, rows=60)
    found = Attributor.fit(before, NAMES, actions=ACTIONS).split(before, after, seed=1)
    told = help_of("v6", "v7", [METHODS[method](3, move)], found=found, fallback="safe")
    assert told.startswith("v6 falls too (-0.")
    assert "the environment changed; consider the fallback safe." in told


def test_shocks_that_hit_both_versions_cancel() -> None:
    rng = np.random.default_rng(4)
    block = np.repeat(np.arange(24), 60)
    shock = rng.normal(0, 1.0, 24)[block]
    first = Weighted(0.1 + shock + rng.normal(0, 0.2, len(block)), np.ones(len(block)), block)
    second = Weighted(shock + rng.normal(0, 0.2, len(block)), np.ones(len(block)), block)
    found = compare("concurrent", first, second, None, seed=1).difference
    assert found is not None
    assert found.high - found.low < 0.1  # the shocks alone have a standard error of 0.2
    assert found.clear


def test_a_version_that_plays_what_was_never_played_is_refused_with_the_reason() -> None:
    now = log(1, Move(), blocks=24, rows=60)
    never = Weighted(now.reward, np.where(now.action == 2, 0.02, 0.0), now.block)
    found = compare("off_policy", never, own(now), None, seed=1)
    assert found.trust is Trust.REFUSED
    assert found.difference is None
    told = help_of("v6", "v7", [found])
    assert told.startswith("Whether v6 would earn more cannot be said: ")
    assert "effective" in told or "mean weight" in told


def test_the_model_is_refused_where_the_baseline_has_not_been() -> None:
    then = log(1, BEFORE, blocks=48, rows=60)
    now = log(2, Move(far=0.6), blocks=24, rows=60)
    found = by_model(Attributor.fit(then, NAMES, actions=ACTIONS), now, policy(now.states), then, seed=1)
    assert found.trust is Trust.REFUSED
    assert "outside what the baseline saw" in found.reasons[0]


def test_a_better_version_is_not_left() -> None:
    told = help_of("v6", "v7", [concurrent(5, Move(tilt=2.0))])
    assert told.startswith("v6 is expected to earn less: -0.")


def test_a_difference_that_may_be_nothing_is_not_promised() -> None:
    told = help_of("v6", "v7", [concurrent(6, BEFORE)])
    assert told.startswith("Whether v6 would earn more cannot be said: ")
    assert "per decision against v7" in told


def test_too_few_rows_are_refused() -> None:
    now = log(1, BEFORE, blocks=24, rows=60)
    few = Weighted(now.reward[:30], np.ones(30), now.block[:30])
    found = compare("concurrent", few, own(now), None, seed=1)
    assert found.reasons == ("30 rows in 1 shared blocks of time, 50 in 4 are needed",)
