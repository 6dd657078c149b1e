"""Every estimator of trajectories on ICU-Sepsis, whose value is known exactly: 716 states, 25 actions, 9 steps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ope import ESTIMATORS, TermSums, Trust, evaluate
from ope.trajectory.fitted_q import fit_q
from tests.sepsis import sepsis

Floats = NDArray[np.float64]


def tempered(policy: Floats, power: float) -> Floats:
    """Return the policy with its choices more, or less, pronounced."""
    raised = np.where(policy > 0, policy, 0.0) ** power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def best(policy: Floats) -> Floats:
    """Return the best policy among actions that the given one takes, by value iteration."""
    world, _ = sepsis()
    reward, value = world.transition @ world.arrival, np.zeros(len(policy))
    for _ in range(60):
        q = np.where(policy > 0, reward + world.transition @ np.where(world.ends, 0.0, value), -1.0)
        value = q.max(axis=1)
    return np.asarray(np.eye(policy.shape[1])[q.argmax(axis=1)])


def test_near_the_clinicians_every_estimate_is_within_4_standard_errors_of_the_exact_value() -> None:
    world, clinicians = sepsis()
    candidate = tempered(clinicians, 1.3)
    truth = world.value(candidate, 1.0)
    assert truth == pytest.approx(0.782, abs=0.001)
    log = fit_q(world.log(clinicians, candidate, 2000, 1, 1.0), "tabular")
    error = {}
    for estimate in evaluate(log):
        name = estimate.estimator
        assert estimate.value is not None, name
        assert estimate.stderr is not None, name
        if name in ("dm_fqe", "magic"):  # whose standard error is not of the model
            assert estimate.trust is Trust.WEAK
            assert abs(estimate.value - truth) < 0.03
            continue
        error[name] = estimate.stderr
        assert abs(estimate.value - truth) < 4 * estimate.stderr, name
    assert error["wdr"] < error["wpdis"] < error["pdis"]


def test_the_best_policy_is_too_far_from_the_log_and_refused_however_narrow_its_interval() -> None:
    world, clinicians = sepsis()
    candidate = 0.95 * best(clinicians) + 0.05 * clinicians
    log = fit_q(world.log(clinicians, candidate, 1000, 2, 1.0), "tabular")
    for estimate in evaluate(log):
        assert estimate.trust is Trust.REFUSED
        assert estimate.value is None
        assert any("effective" in reason for reason in estimate.reasons)


@pytest.mark.full
@pytest.mark.parametrize("name", ["pdis", "wpdis", "dr_seq", "wdr"])
def test_over_many_logs_the_mean_is_the_exact_value(name: str) -> None:
    world, clinicians = sepsis()
    candidate = tempered(clinicians, 1.3)
    truth, values = world.value(candidate, 1.0), []
    for seed in range(40):
        log = world.log(clinicians, candidate, 1000, seed, 1.0)
        log = fit_q(log, "tabular") if ESTIMATORS[name].model else log
        sums = TermSums.of(*ESTIMATORS[name].terms(log, None))  # also where it would be refused: no choice of logs
        assert sums.value is not None
        values.append(sums.value)
    bias = 2.0 / 1000 if name in ("wpdis", "wdr") else 0.0
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / np.sqrt(len(values)) + bias
