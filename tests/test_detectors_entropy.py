"""The diversity of actions: found when it falls out of its noise, and not because a window is quiet."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detectors import DETECTORS, Series, State
from detectors.entropy_drop import entropy_variance
from detectors.entropy_floor import normalised_entropy

DROP, FLOOR = DETECTORS["entropy_drop"].scan, DETECTORS["entropy_floor"].scan
USUAL = (0.4, 0.3, 0.2, 0.1)


def actions(counts: NDArray[np.int64], first: int = 0, past: Series | None = None, step: float = 900.0) -> Series:
    zeros = np.zeros(len(counts))
    time = np.asarray((first + np.arange(len(counts))) * step, np.float64)
    return Series(time, zeros, zeros, counts.sum(axis=1), past, counts)


def test_the_sampling_variance_is_that_of_simulated_windows() -> None:
    rng = np.random.default_rng(80)
    for shares, n, most in ((USUAL, 200, 1.2), ((0.25,) * 4, 200, 3.0), ((0.9, 0.05, 0.03, 0.02), 500, 1.2)):
        counts = rng.multinomial(n, shares, 4000)
        ratio = float(np.mean(entropy_variance(counts)) / np.var(normalised_entropy(counts)))
        assert 0.8 < ratio < most  # equal shares: the entropy cannot exceed 1, which halves what is seen of its noise


def test_a_quiet_window_is_noisier_and_not_a_collapse() -> None:
    rng = np.random.default_rng(81)
    past = actions(rng.multinomial(2000, USUAL, 400))
    quiet = actions(rng.multinomial(60, USUAL, 1500), 400, past)
    fired = sum(v.state is State.FIRE for v in DROP(quiet, min_effect="1%"))
    assert stats.binomtest(fired, 1500, 0.01, alternative="greater").pvalue > 1e-3
    # a limit of the busy windows' noise would call it one in a third of them
    spread = float(np.std(normalised_entropy(past.counts if past.counts is not None else [])))
    fallen = normalised_entropy(quiet.counts if quiet.counts is not None else [])
    assert np.mean(fallen < np.mean(normalised_entropy(np.array([USUAL]) * 10**6)) - 3 * spread) > 0.2


def test_a_policy_that_narrows_is_found_long_before_half_is_gone() -> None:
    rng = np.random.default_rng(82)
    share = np.linspace(0.4, 0.97, 200)[:, None]
    rest = np.array([[0.5, 0.33, 0.17]])
    counts = np.stack([rng.multinomial(600, p) for p in np.hstack([share, (1 - share) * rest])])
    past = actions(rng.multinomial(600, USUAL, 300))
    early = [v.state for v in DROP(actions(counts, 300, past))].index(State.FIRE)
    late = [v.state for v in FLOOR(actions(counts, 300, past))].index(State.FIRE)
    assert early < 0.6 * late
    verdict = DROP(actions(counts, 300, past))[-1]
    assert "sigma below its baseline" in verdict.reason


def test_a_fall_that_is_sure_but_small_does_not_count() -> None:
    rng = np.random.default_rng(83)
    past = actions(rng.multinomial(50_000, USUAL, 100))
    now = actions(rng.multinomial(50_000, (0.43, 0.29, 0.19, 0.09), 3), 100, past)
    assert {v.state for v in DROP(now)} == {State.OK}
    assert "does not count" in DROP(now)[0].reason
    assert {v.state for v in DROP(now, min_effect="1%")} == {State.FIRE}


def test_night_shift_with_fewer_actions_is_the_season_and_not_a_drop() -> None:
    rng = np.random.default_rng(84)
    hours = np.arange(24 * 20)
    night, day = (0.9, 0.06, 0.03, 0.01), (0.25,) * 4
    counts = np.stack([rng.multinomial(500, night if h % 24 < 8 else day) for h in hours])
    past = actions(counts[:432], 0, None, 3600.0)
    now = actions(counts[432:], 432, past, 3600.0)
    assert {v.state for v in DROP(now, season="hour_of_day")} == {State.OK}
    collapsed = counts[432:].copy()
    collapsed[30:] = rng.multinomial(500, night, len(collapsed) - 30)
    states = [v.state for v in DROP(actions(collapsed, 432, past, 3600.0), season="hour_of_day")]
    assert [s for h, s in enumerate(states) if h >= 32 and h % 24 >= 8] == [State.FIRE] * 16


def test_a_single_action_baseline_and_one_window_of_history_are_answers() -> None:
    single = actions(np.tile([300, 0, 0], (50, 1)))
    verdict = DROP(actions(np.tile([300, 0, 0], (2, 1)), 50, single))[-1]
    assert (verdict.state, verdict.low is None or math.isfinite(verdict.low)) == (State.OK, True)
    assert "no diversity to lose" in verdict.reason
    short = actions(np.tile([300, 9, 9], (1, 1)))
    verdict = DROP(actions(np.tile([300, 9, 9], (2, 1)), 50, short))[-1]
    assert verdict.reason == "Action entropy is not judged: the baseline has 1 windows with actions, 30 are needed."
