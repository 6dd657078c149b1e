"""Greenberg and Mannor's test over episodes: its level, and its power where steps are correlated and unalike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from detectors import DETECTORS, Series, State
from detectors.profiles import Profile, shrunk_covariance

SCAN = DETECTORS["episodic"].scan
STEPS = 10
NOISE = np.linspace(0.3, 3.0, STEPS)
ROOT = np.linalg.cholesky(0.9 ** np.abs(np.subtract.outer(range(STEPS), range(STEPS))) * np.outer(NOISE, NOISE))


def episodes(rng: np.random.Generator, length: int, drop: Any = 0.0) -> Any:
    return 1.0 - np.asarray(drop) + rng.normal(size=(length, STEPS)) @ ROOT.T


def series(rewards: Any, first: int = 0, past: Series | None = None, n: int = 1) -> Series:
    zeros = np.zeros(len(rewards))
    time, rows = np.asarray((first + np.arange(len(rewards))) * 60.0, np.float64), np.full(len(rewards), n)
    return Series(time, zeros, zeros, rows, past, vectors=rewards)


def trial(runs: int, reference: int, group: int, drop: Any, worst: int = 3) -> Any:
    """The p-values of both tests, together, and of the plain mean of the returns."""
    rng, found = np.random.default_rng(90), []
    for _ in range(runs):
        past = episodes(rng, reference)
        now = episodes(rng, group, drop)
        uniform, partial = Profile.of(past, np.ones(reference)).p_values(now, np.ones(group), worst)
        plain = stats.ttest_ind(now.sum(axis=1), past.sum(axis=1), alternative="less").pvalue
        found.append((uniform, partial, min(1.0, 2 * min(uniform, partial)), plain))
    return np.array(found)


def test_false_alarms_are_at_the_level() -> None:
    p = trial(80, 200, 10, 0.0)
    for level in (0.05, 0.2):
        assert stats.binomtest(int(np.sum(p[:, 2] <= level)), 80, 1.2 * level, alternative="greater").pvalue > 1e-3
        assert stats.binomtest(int(np.sum(p[:, 0] <= level)), 80, 1.2 * level, alternative="greater").pvalue > 1e-3


def test_it_needs_far_fewer_episodes_than_the_plain_mean() -> None:
    p = trial(40, 200, 20, 0.25)
    assert np.mean(p[:, 2] <= 0.01) > 0.85
    assert np.mean(p[:, 3] <= 0.01) < 0.3


def test_some_steps_that_fall_are_seen_by_the_partial_test_before_the_uniform_one() -> None:
    drop = np.zeros(STEPS)
    drop[6:9] = 2.5
    p = trial(40, 200, 20, drop)
    assert np.mean(p[:, 1] <= 0.01) > np.mean(p[:, 0] <= 0.01) + 0.2


def test_a_block_of_episodes_a_window_is_the_same_test() -> None:
    rng = np.random.default_rng(91)
    past = series(episodes(rng, 1200).reshape(300, 4, STEPS).mean(axis=1), n=4)
    healthy = series(episodes(rng, 160).reshape(40, 4, STEPS).mean(axis=1), 300, past, 4)
    fallen = series(episodes(rng, 160, 0.4).reshape(40, 4, STEPS).mean(axis=1), 300, past, 4)
    assert State.FIRE not in {v.state for v in SCAN(healthy)}
    verdict = SCAN(fallen)[-1]
    assert (verdict.state, verdict.n) == (State.FIRE, 80)
    assert "80 episodes" in verdict.reason


def test_the_fall_is_told_where_the_noisy_steps_happen_to_be_high() -> None:
    rng = np.random.default_rng(92)
    past = series(1.0 + rng.normal(0, [0.1, 5.0], (200, 2)))
    now = series(0.8 + rng.normal([0.0, 3.0], [0.1, 5.0], (20, 2)), 200, past)
    verdict = SCAN(now, share=0.5, alpha=0.01)[-1]
    assert verdict.state is State.FIRE
    assert SCAN(now, share=0.5, alpha=0.01, min_effect="90%")[-1].state is State.OK


@pytest.mark.parametrize(
    ("vectors", "past", "words"),
    [
        (None, np.ones((200, 2)), "no reward for each step"),
        (np.full((12, 2), np.nan), np.ones((200, 2)), "no reward for each step"),
        (np.full((12, 2), np.inf), np.ones((200, 2)), "no reward for each step"),
        (np.ones((12, 2)), None, "no reference episodes"),
        (np.ones((12, 2)), np.ones((200, 3)), "differ from the 3 steps"),
        (np.ones((12, 2)), np.ones((20, 2)), "20 windows with whole episodes, 30 are needed"),
        (np.ones((12, 20)), np.ones((50, 20)), "60 are needed for 20 steps"),
        (np.ones((1, 2)), np.ones((200, 2)), "not judged on 1 episodes"),
    ],
)
def test_what_cannot_be_judged_says_why(vectors: Any, past: Any, words: str) -> None:
    length = 12 if vectors is None else len(vectors)
    base = None if past is None else series(past)
    zeros = np.zeros(length)
    time = np.asarray((10_000 + np.arange(length)) * 60.0, np.float64)
    found = SCAN(Series(time, zeros, zeros, np.ones(length, np.int64), base, vectors=vectors))[-1]
    assert found.state in {State.NO_DATA, State.INSUFFICIENT}
    assert words in found.reason


def test_steps_that_always_pay_the_same_are_no_trouble() -> None:
    rng = np.random.default_rng(93)
    constant = np.hstack([np.ones((230, 1)), rng.normal(1, 0.1, (230, 1))])
    verdicts = SCAN(series(constant[200:], 200, series(constant[:200])))
    assert {v.state for v in verdicts[9:]} == {State.OK}
    assert np.all(np.isfinite(shrunk_covariance(np.zeros((5, 2)), np.ones(5))))


def test_a_level_that_the_bootstrap_cannot_tell_is_refused() -> None:
    past = np.ones((200, 2))
    with pytest.raises(ValueError, match="the least that the bootstrap can tell"):
        SCAN(series(past, 200, series(past)), alpha=1e-6)


def test_a_series_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="vectors must have one length"):
        Series(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1, np.int64), vectors=np.ones((2, 2)))
