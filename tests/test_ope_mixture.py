"""Weights over the mixture of the policies that wrote a log: right on average, and never wider than plain ones."""

from __future__ import annotations

import numpy as np
import pytest

from ope.bandit.mixture import balanced_propensity

POLICIES = np.array([[0.9, 0.08, 0.02], [0.05, 0.05, 0.9]])
CANDIDATE = np.array([0.2, 0.3, 0.5])
REWARD = np.array([1.0, 2.0, 4.0])


def ips(rows: int, rng: np.random.Generator, share: float = 0.6) -> list[float]:
    """Return the mean of weighted rewards with balanced and with plain propensities, from one log."""
    version = (rng.random(rows) > share).astype(int)
    action = (rng.random(rows)[:, None] > POLICIES.cumsum(axis=1)[version]).sum(axis=1)
    reward = REWARD[action] + rng.normal(0, 0.1, rows)
    probability = POLICIES[:, action].T
    logs = (balanced_propensity(probability, version), probability[np.arange(rows), version])
    return [float((CANDIDATE[action] / p * reward).mean()) for p in logs]


def test_balanced_weights_are_right_on_average_and_vary_less_than_plain_ones() -> None:
    rng = np.random.default_rng(7)
    found = np.array([ips(400, rng) for _ in range(400)])
    truth = float(CANDIDATE @ REWARD)
    errors = found.std(axis=0) / 20
    assert (np.abs(found.mean(axis=0) - truth) < 4 * errors).all()
    assert found[:, 0].var() < 0.5 * found[:, 1].var()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_the_second_moment_of_the_weights_is_never_larger_whatever_the_shares(share: float) -> None:
    """By Jensen's inequality, action by action: 1 / sum_j s_j p_j <= sum_j s_j / p_j."""
    shares = np.array([share, 1 - share])
    balanced = (CANDIDATE**2 * REWARD**2 / (shares @ POLICIES)).sum()
    plain = (CANDIDATE**2 * REWARD**2 * (shares @ (1 / POLICIES))).sum()
    assert balanced <= plain
    rows = 100
    version = np.repeat([0, 1], [round(share * rows), rows - round(share * rows)])
    probability = np.tile(POLICIES[:, 2], (rows, 1))
    assert balanced_propensity(probability, version) == pytest.approx(np.full(rows, shares @ POLICIES[:, 2]))


def test_one_policy_alone_has_its_own_propensities() -> None:
    assert balanced_propensity([[0.3], [0.7]], [0, 0]).tolist() == [0.3, 0.7]
    assert balanced_propensity(np.empty((0, 2)), np.empty(0, int)).tolist() == []


@pytest.mark.parametrize(
    ("probability", "version", "message"),
    [
        ([[0.5, 0.5]], [0, 1], "give \\(rows, policies\\) and \\(rows,\\)"),
        ([[0.5, 0.5]], [2], "version is 2 to 2, but there are 2 policies"),
        ([[0.5, 1.5]], [0], "in row 0: each must lie in \\[0, 1\\]"),
        ([[0.5, 0.5], [float("nan"), 0.5]], [0, 0], "in row 1: each must lie in"),
        ([[0.5, 0.5], [0.0, 1.0]], [1, 0], "policy 0 took the action of row 1, but says that it never takes it"),
    ],
)
def test_what_is_no_mixture_is_an_error_that_names_the_row(
    probability: list[list[float]], version: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        balanced_propensity(probability, version)
