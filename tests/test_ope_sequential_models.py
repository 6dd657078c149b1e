"""Fitted Q evaluation: right where the answer is known, cross-fitted by episode, refused where it diverges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ope import Estimate, Trust, evaluate
from ope.trajectory.episodes import Episodes
from ope.trajectory.fitted_q import fit_q
from ope.trajectory.fitted_q_steps import DivergedError
from ope.trajectory.sequential_blend import least_error
from tests.episode_worlds import BEHAVIOUR, CANDIDATE, SMALL, WRONG_Q

GAMMA = 0.9
TRUTH = SMALL.value(CANDIDATE, GAMMA)
tables = pytest.mark.parametrize("model", ["tabular", "linear"])


def known(number: float | None) -> float:
    assert number is not None, "the estimate was refused"
    return number


def with_step(log: Episodes) -> Episodes:
    """Tell the model the step, too: an episode is over after four, so what follows depends on it."""
    step = np.arange(len(log.reward)) - np.repeat(log.begin[:-1], log.length)
    assert log.state is not None
    return replace(log, state=np.column_stack([log.state, step]))


def estimates(log: Episodes, *names: str) -> list[Estimate]:
    return evaluate(log, list(names))


@tables
def test_a_model_of_enough_episodes_finds_the_true_value(model: str) -> None:
    log = fit_q(with_step(SMALL.log(BEHAVIOUR, CANDIDATE, 20_000, 1, GAMMA)), model)
    direct, robust, plain = estimates(log, "dm_fqe", "dr_seq", "pdis")
    error = known(robust.stderr)
    assert abs(known(direct.value) - TRUTH) < 4 * error
    assert abs(known(robust.value) - TRUTH) < 4 * error
    assert error < 0.8 * known(plain.stderr)  # which is what the model is for


@pytest.mark.full  # for torch, which takes seconds to load
def test_a_small_network_is_near_it_and_is_the_same_for_the_same_seed() -> None:
    log = with_step(SMALL.log(BEHAVIOUR, CANDIDATE, 200, 2, GAMMA))
    fitted = fit_q(log, "mlp", folds=2, seed=3)
    direct, robust = estimates(fitted, "dm_fqe", "dr_seq")
    assert abs(known(direct.value) - TRUTH) < 0.3
    assert abs(known(robust.value) - TRUTH) < 4 * known(robust.stderr)
    again = fit_q(log, "mlp", folds=2, seed=3).q
    assert again is not None
    assert fitted.q is not None
    np.testing.assert_array_equal(fitted.q, again)


@tables
def test_no_episode_is_predicted_by_a_model_that_has_seen_it(model: str) -> None:
    log = with_step(SMALL.log(BEHAVIOUR, CANDIDATE, 200, 4, GAMMA))
    before = fit_q(log, model, seed=5).q
    assert before is not None
    for episode in (0, 57, 199):
        rows = np.arange(log.begin[episode], log.begin[episode + 1])
        reward = log.reward.copy()
        reward[rows] += 100.0
        after = fit_q(replace(log, reward=reward), model, seed=5).q
        assert after is not None
        np.testing.assert_allclose(after[rows], before[rows], rtol=1e-9, atol=1e-9)
        assert np.abs(after - before).max() > 0.5  # while others are


def rare_states(episodes: int, seed: int) -> Episodes:
    """Return episodes of two steps, each in a state that is hardly ever seen again; action 1 pays 1."""
    rng, rows = np.random.default_rng(seed), 2 * episodes
    action = (rng.random(rows) < 0.5).astype(int)
    candidate: NDArray[np.float64] = np.tile([0.3, 0.7], (rows, 1))
    return Episodes.of(
        np.repeat(np.arange(episodes), 2), np.tile([0, 1], episodes), action + rng.normal(0, 0.2, rows),
        np.full(rows, 0.5), candidate[np.arange(rows), action], action=action, candidate=candidate,
        state=rng.integers(0, 2 * rows, rows)[:, None].astype(float),
    )  # fmt: skip


def test_a_model_that_has_seen_the_episodes_hands_over_its_bias_and_a_cross_fitted_one_does_not() -> None:
    log = rare_states(1500, 6)
    for name in ("dr_seq", "wdr"):
        (crossed,) = estimates(fit_q(log, "tabular"), name)
        (seen,) = estimates(fit_q(log, "tabular", folds=1), name)
        assert abs(known(crossed.value) - 1.4) < 4 * known(crossed.stderr)
        assert known(seen.value) < 1.4 - 6 * known(seen.stderr)


def test_magic_is_near_a_good_model_and_leaves_a_wrong_one_as_the_log_grows() -> None:
    good = fit_q(with_step(SMALL.log(BEHAVIOUR, CANDIDATE, 300, 9, GAMMA)), "tabular")
    wrong = [SMALL.log(BEHAVIOUR, CANDIDATE, n, 9, GAMMA, q=WRONG_Q) for n in (50, 500, 5000)]
    assert least_error(good) < 0.5
    few, more, many = (least_error(log) for log in wrong)
    assert few < more < many
    assert many > 0.98
    magic, robust = estimates(wrong[2], "magic", "wdr")
    assert magic.trust is Trust.WEAK
    assert magic.reasons[0] == "The interval of magic leaves out the error of the model's share."
    assert known(magic.value) == pytest.approx(known(robust.value), abs=0.5 * known(robust.stderr))


def test_values_that_grow_without_end_are_refused() -> None:
    # The candidate plays action 1 in states three times as far out, where the log never does: each sweep multiplies
    # what the lines guess there. A table only has means of what was seen, and stays.
    rng, n = np.random.default_rng(7), 300
    first = rng.normal(size=n)
    action = np.column_stack([rng.integers(0, 2, n), np.zeros(n, int)]).ravel()
    log = Episodes.of(
        np.repeat(np.arange(n), 2), np.tile([0, 1], n), np.repeat(first, 2), np.full(2 * n, 0.5),
        action.astype(float), action=action, candidate=np.tile([0.0, 1.0], (2 * n, 1)),
        state=np.column_stack([first, 3 * first]).reshape(-1, 1),
    )  # fmt: skip
    with pytest.raises(DivergedError, match="fitted Q evaluation diverges: a value beyond 10 times"):
        fit_q(log, "linear")
    q = fit_q(log, "tabular").q
    assert q is not None
    assert np.abs(q).max() <= 2 * np.abs(first).max()


def test_what_cannot_be_fitted_is_an_error_that_says_what_to_do() -> None:
    log = SMALL.log(BEHAVIOUR, CANDIDATE, 20, 8, GAMMA)
    with pytest.raises(ValueError, match="no model is called 'forest'; available: tabular, linear, mlp"):
        fit_q(log, "forest")
    with pytest.raises(ValueError, match="20 episodes cannot be cut into 30 parts"):
        fit_q(log, folds=30)
    with pytest.raises(ValueError, match="needs each step's state, action and the candidate's probabilities"):
        fit_q(replace(log, state=None))
    with pytest.raises(ValueError, match="a feature that is not a finite number"):
        fit_q(replace(log, state=np.full((len(log.reward), 1), np.nan)))
