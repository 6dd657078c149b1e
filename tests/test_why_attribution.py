"""A change whose reason was planted is put down to that reason, with intervals that keep their level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from ope.shift.attribution import Attribution, Attributor
from ope.shift.block_sums import PARTS
from ope.shift.rows import Rows
from ope.shift.sentences import why
from tests.moved_worlds import ACTIONS, MIXED, NAMES, WORLDS, Move, log, truth

QUICK, FULL = 8, 150


def split(seed: int, move: Move, *, known: bool = False) -> Attribution:
    before = log(seed, Move(), blocks=48, rows=60, known=known)
    after = log(seed + 10_000, move, blocks=24, rows=60, known=known)
    return Attributor.fit(before, NAMES, actions=ACTIONS).split(before, after, seed=seed)


def covered(found: list[Attribution], wanted: dict[str, float], parts: tuple[str, ...]) -> tuple[int, int]:
    hits = [one.parts[name].low <= wanted[name] <= one.parts[name].high for one in found for name in parts]
    return sum(hits), len(hits)


def assert_right(reason: str, found: list[Attribution]) -> None:
    """The planted part carries at least 90% of the change, the others' intervals hold 0 as often as they promise."""
    parts, change = [one.parts[reason].value for one in found], [one.change.value for one in found]
    assert np.mean(parts) / np.mean(change) >= 0.9
    others = tuple(name for name in PARTS if name not in {reason, "not_attributable"})
    hits, looks = covered(found, dict.fromkeys(PARTS, 0.0), others)
    assert hits >= binom.ppf(1e-3, looks, 0.93), f"{hits} of {looks} intervals hold 0"
    if reason != "not_attributable":  # rows at the rim of what was seen are left out honestly: a little of the change
        assert abs(np.mean([one.parts["not_attributable"].value for one in found])) <= 0.05 * abs(np.mean(change))


@pytest.mark.parametrize("known", [False, True], ids=["estimated", "known"])
@pytest.mark.parametrize("reason", WORLDS)
def test_a_planted_reason_carries_the_change(reason: str, known: bool) -> None:
    found = [split(seed, WORLDS[reason], known=known) for seed in range(QUICK)]
    assert_right(reason, found)


@pytest.mark.full
@pytest.mark.parametrize("reason", WORLDS)
def test_a_planted_reason_carries_the_change_over_many_seeds(reason: str) -> None:
    found = [split(seed, WORLDS[reason]) for seed in range(100, 100 + FULL)]
    assert_right(reason, found)
    inside = [name for name in PARTS if name != "not_attributable"]
    if reason != "not_attributable":
        hits, looks = covered(found, truth(WORLDS[reason]), tuple(inside))
        assert hits / looks >= 0.92, f"{hits} of {looks} intervals hold the truth"


def test_a_mixture_is_told_apart() -> None:
    found, wanted = [split(seed, MIXED) for seed in range(QUICK)], truth(MIXED)
    hits, looks = covered(found, wanted, ("state_mix", "action_mix", "environment"))
    assert hits >= binom.ppf(1e-3, looks, 0.93)
    for name in ("state_mix", "action_mix", "environment"):
        assert np.mean([one.parts[name].value for one in found]) == pytest.approx(wanted[name], abs=0.03)


def test_states_outside_half_of_the_time_leave_half_of_the_rows_to_be_explained() -> None:
    one = split(3, Move(far=0.5, pay=-0.4))
    assert one.outside == pytest.approx(0.5, abs=0.05)
    assert next(iter(one.outside_by)) == "load"
    assert one.parts["environment"].value == pytest.approx(-0.2, abs=0.05)  # of the half that is inside
    assert one.parts["not_attributable"].value < -2


def test_an_action_that_the_baseline_never_took_is_not_attributable() -> None:
    before, after = log(1, Move(), blocks=48, rows=60), log(2, Move(), blocks=24, rows=60)
    other = np.where(after.action == 0, -1, after.action)
    moved = Rows(after.states, other, after.reward - 1.0 * (other < 0), after.block)
    one = Attributor.fit(before, NAMES, actions=ACTIONS).split(before, moved, seed=1)
    assert one.outside == pytest.approx(np.mean(other < 0), abs=0.02)
    assert one.parts["environment"].value == pytest.approx(0.0, abs=0.06)
    assert one.parts["not_attributable"].value < one.change.value / 2


def test_a_step_that_no_line_follows_is_not_put_down_to_the_environment() -> None:
    """Without the residual on like rows of the baseline, a fifth of this change went to the environment."""

    def steps(seed: int, shift: float, blocks: int) -> Rows:
        made = log(seed, Move(shift=shift), blocks=blocks, rows=60)
        reward = made.reward - 0.5 * np.sin(3 * made.states[:, 0]) + (made.states[:, 0] > 0.7) * (made.states[:, 1] > 0)
        return Rows(made.states, made.action, reward, made.block)

    found = []
    for seed in range(2 * QUICK):
        before, after = steps(seed, 0.0, 48), steps(seed + 500, -1.2, 24)
        found.append(Attributor.fit(before, NAMES, actions=ACTIONS).split(before, after, seed=seed))
    assert np.mean([one.parts["environment"].value for one in found]) == pytest.approx(0.0, abs=0.025)


def test_the_parts_sum_to_the_change_and_the_same_seed_gives_the_same_bits() -> None:
    one, again = split(5, MIXED), split(5, MIXED)
    assert sum(part.value for part in one.parts.values()) == pytest.approx(one.change.value, abs=1e-12)
    assert one.to_dict() == again.to_dict()
    assert one.after - one.before == pytest.approx(one.change.value, abs=1e-12)


def test_the_feature_that_moved_is_named_first() -> None:
    one = split(1, WORLDS["state_mix"])
    assert next(iter(one.features)) == "load"
    assert one.features["load"].value == pytest.approx(one.parts["state_mix"].value, rel=0.25)
    assert not one.features["noise"].clear


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (WORLDS["state_mix"], "It came mostly from other states"),
        (WORLDS["action_mix"], "It came mostly from other actions in the same states"),
        (WORLDS["environment"], "It came mostly from the environment"),
        (WORLDS["not_attributable"], "cannot be attributed: 100% of the decisions are outside"),
        (Move(), "has not clearly moved"),
    ],
)
def test_the_sentence_names_the_reason(move: Move, said: str) -> None:
    told = why(split(2, move), sequential=True)
    assert said in told
    assert ("may have caused" in told) == (move == WORLDS["state_mix"])
    assert ("mostly in load." in told) == (move == WORLDS["state_mix"])


def test_what_cannot_be_split_says_why() -> None:
    before = log(1, Move(), blocks=48, rows=60)
    fitted = Attributor.fit(before, NAMES, actions=ACTIONS)
    with pytest.raises(ValueError, match="the window has 30 rows with a reward in 1 blocks"):
        fitted.split(before, log(1, Move(), blocks=1, rows=30), seed=1)
    with pytest.raises(ValueError, match="all rows of the baseline are in one block of time"):
        Attributor.fit(log(1, Move(), blocks=1, rows=600), NAMES, actions=ACTIONS)
    broken = Rows(np.full((600, 3), np.nan), before.action[:600], before.reward[:600], before.block[:600])
    with pytest.raises(ValueError, match="not finite: leave those rows out"):
        fitted.split(before, broken, seed=1)


def test_a_constant_reward_and_a_constant_feature_are_no_fault() -> None:
    n, rng = 1200, np.random.default_rng(1)
    states = np.column_stack([np.full(n, 3.0), rng.normal(size=n)])
    rows = Rows(states, np.zeros(n, np.int64), np.ones(n), np.arange(n) // 40)
    one = Attributor.fit(rows, ["same", "other"], actions=1).split(rows, rows, seed=1)
    assert one.change.value == 0.0
    assert not one.change.clear
    elsewhere = Rows(states + np.array([1.0, 0.0]), rows.action, rows.reward - 1.0, rows.block)
    moved = Attributor.fit(rows, ["same", "other"], actions=1).split(rows, elsewhere, seed=1)
    assert moved.outside == 1.0
    assert moved.parts["not_attributable"].value == pytest.approx(-1.0)
