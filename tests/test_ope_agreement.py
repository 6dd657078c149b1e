"""The points of the Open Bandit Pipeline and SCOPE-RL, to 1e-9, and where their numbers are other ones, why.

tests/reference/*.json hold what they say about made logs (scripts/reference_values.sh); the logs are made anew here.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.peers.ope_data import (
    BANDITS,
    BANDWIDTH,
    GAMMA,
    GROUP,
    TRAJECTORIES,
    Bandit,
    bandit,
    continuous,
    fingerprint,
    trajectories,
)
from ope import (
    ESTIMATORS,
    Decisions,
    Diagnostics,
    Judgement,
    TermSums,
    Trust,
    by_group,
    evaluate,
    from_densities,
    kernel_density,
)
from ope.trajectory.episodes import Episodes

REFERENCE = Path(__file__).parent / "reference"
FILES = {"bandits": list(BANDITS), "episodes": list(TRAJECTORIES)}
EVERY_LOG = [(kind, shape) for kind, shapes in FILES.items() for shape in shapes]
every_log = pytest.mark.parametrize(("kind", "shape"), EVERY_LOG, ids=[f"{k}-{s}" for k, s in EVERY_LOG])
every_bandit = pytest.mark.parametrize("shape", BANDITS)
NORMAL = float(stats.norm.ppf(0.975))
OF_GROUPS = " of groups"  # the Pipeline calls them marginalised
ADDED = 1e-10  # what SCOPE-RL adds to every mean weight before it divides by it


@cache
def reference(kind: str, shape: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REFERENCE / f"{kind}.json").read_text("utf-8"))["logs"][shape]
    return found


@cache
def log_of(kind: str, shape: str) -> Decisions | Episodes:
    if kind == "bandits":
        made = bandit(shape)
        return Decisions(
            made.reward, made.behaviour[made.executed], made.candidate[made.executed], made.action, made.candidate,
            q=made.q, behaviour=made.behaviour,
        )  # fmt: skip
    rows = trajectories(shape)
    shuffled = np.random.default_rng(1).permutation(len(rows.reward))  # Episodes takes rows in any order
    columns = {name: getattr(rows, name)[shuffled] for name in ("action", "candidate", "q", "behaviour")}
    return Episodes.of(
        rows.episode[shuffled], rows.step[shuffled], rows.reward[shuffled], rows.behaviour[rows.executed][shuffled],
        rows.candidate[rows.executed][shuffled], gamma=GAMMA, **columns,
    )  # fmt: skip


def point(log: Decisions | Episodes, name: str, constant: float | None) -> float:
    """Return the value before anybody judges whether it may be quoted."""
    if name.endswith(OF_GROUPS):
        assert isinstance(log, Decisions)
        return point(by_group(log, GROUP), name.removesuffix(OF_GROUPS), constant)
    parts = [TermSums.of(*ESTIMATORS[name].terms(piece, constant)) for piece in log.blocks()]
    value = sum(parts[1:], parts[0]).value
    assert value is not None
    return value


def trusting() -> Judgement:
    return Judgement(Trust.TRUSTED, (), Diagnostics(0.0, 0.0, 0.0, 0.0, None, None, None))


@every_log
def test_the_log_is_the_one_that_the_peers_were_asked_about(kind: str, shape: str) -> None:
    made = bandit(shape) if kind == "bandits" else trajectories(shape)
    assert fingerprint(made) == pytest.approx(reference(kind, shape)["sums"], rel=1e-12)


@every_log
def test_points_are_those_of_the_peers(kind: str, shape: str) -> None:
    log = log_of(kind, shape)
    theirs = reference(kind, shape)["values"]
    ours = {(item["estimator"], item["lambda"]): point(log, item["estimator"], item["lambda"]) for item in theirs}
    assert ours == pytest.approx({(item["estimator"], item["lambda"]): item["value"] for item in theirs}, rel=1e-9)


@every_log
def test_an_estimate_that_is_trusted_quotes_that_point(kind: str, shape: str) -> None:
    found = {item.estimator: item.value for item in evaluate(log_of(kind, shape), judgement=trusting())}
    theirs = {
        item["estimator"]: item["value"]
        for item in reference(kind, shape)["values"]
        if item["lambda"] is None and not item["estimator"].endswith(OF_GROUPS)
    }
    assert {name: found[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)


def test_points_of_continuous_actions_are_those_of_the_pipeline() -> None:
    made, theirs = continuous(), reference("continuous", "deterministic")
    assert fingerprint(made) == pytest.approx(theirs["sums"], rel=1e-12)
    for item in theirs["values"]:
        near = kernel_density(made.action, made.target, BANDWIDTH, item["kernel"])
        log = from_densities(made.reward, made.density, near)
        assert point(log, item["estimator"], None) == pytest.approx(item["value"], rel=1e-9)


def test_every_estimator_was_compared() -> None:
    asked = {item["estimator"] for kind, shape in EVERY_LOG for item in reference(kind, shape)["values"]}
    assert set(ESTIMATORS) - asked == {"magic"}  # which neither of them has


# Where a peer's number is another one.


def test_scope_rl_adds_something_to_every_mean_weight() -> None:
    """It shows from the tenth digit on, and in the ninth where a step's mean weight is a tenth."""
    rows = trajectories("large_weights")
    weight = np.cumprod(rows.padded((rows.candidate / rows.behaviour)[rows.executed], 1.0), axis=1)
    step = GAMMA ** np.arange(weight.shape[1])
    rewards = (weight * rows.padded(rows.reward, 0.0)).mean(axis=0) * step
    (theirs,) = (
        item["value"] for item in reference("episodes", "large_weights")["values"] if item["estimator"] == "wpdis"
    )
    assert (rewards / (weight.mean(axis=0) + ADDED)).sum() == pytest.approx(theirs, rel=1e-14)
    assert point(log_of("episodes", "large_weights"), "wpdis", None) == pytest.approx(
        (rewards / weight.mean(axis=0)).sum(), rel=1e-14
    )


def test_alive_episodes_alone_are_another_estimate() -> None:
    """Ours carries ended episodes on, and so does SCOPE-RL when it is given weight 1 and reward 0 after their end.

    A mean over the episodes that are still running is the value of going on, twice as much here: it forgets how many
    got there.
    """
    rows = trajectories("ended_early")
    weight = np.cumprod(rows.padded((rows.candidate / rows.behaviour)[rows.executed], 1.0), axis=1)
    running = weight * rows.padded(np.ones(len(rows.step)), 0.0)
    earned = (weight * rows.padded(rows.reward, 0.0)).sum(axis=0) * GAMMA ** np.arange(weight.shape[1])
    carried = point(log_of("episodes", "ended_early"), "wpdis", None)
    assert carried == pytest.approx((earned / weight.sum(axis=0)).sum(), rel=1e-12)
    assert (earned / running.sum(axis=0)).sum() > 1.9 * carried


def half_width(terms: Any) -> float:
    return NORMAL * float(np.std(terms)) / math.sqrt(len(terms))


@every_bandit
def test_the_pipelines_bootstrap_freezes_the_normaliser(shape: str) -> None:
    """It draws again from w r / mean(w) as if the mean of w were a constant; 20,000 draws, ends to 1% or so.

    The normaliser's own randomness is left out: that of a wholly different quantity. Adding a constant to all rewards
    changes its width, which no self-normalised estimate's error depends on.
    """
    made: Bandit = bandit(shape)
    w = (made.candidate / made.behaviour)[made.executed]
    executed, model = made.q[made.executed], (made.candidate * made.q).sum(axis=1)
    frozen = {
        "snips": half_width(w * made.reward / w.mean()),
        "sndr": half_width(model + w * (made.reward - executed) / w.mean()),
    }
    theirs = {name: (high - low) / 2 for name, (low, high) in reference("bandits", shape)["intervals"].items()}
    heavy = shape == "large_weights"  # the bootstrap of a mean that four rows carry is far from normal
    assert theirs == pytest.approx(frozen, rel=0.4 if heavy else 0.03)


def test_ours_do_not_depend_on_a_constant_that_is_added_to_the_rewards() -> None:
    log = log_of("bandits", "overlap")
    assert isinstance(log, Decisions)
    assert log.q is not None
    moved = Decisions(log.reward + 10, log.propensity, log.probability, log.action, log.candidate, q=log.q + 10)
    for name in ("snips", "sndr"):
        (one,), (other,) = (evaluate(item, [name], judgement=trusting()) for item in (log, moved))
        assert one.stderr == pytest.approx(other.stderr, rel=1e-6)


@pytest.mark.parametrize("shape", TRAJECTORIES)
def test_scope_rls_hoeffding_interval_grows_with_n_and_its_t_interval_is_a_90_percent_one(shape: str) -> None:
    rows = trajectories(shape)
    weight = np.cumprod(rows.padded((rows.candidate / rows.behaviour)[rows.executed], 1.0), axis=1)
    value = (weight * rows.padded(rows.reward, 0.0)) @ GAMMA ** np.arange(weight.shape[1])
    n = len(value)
    theirs = {name: (high - low) / 2 for name, (low, high) in reference("episodes", shape)["intervals"].items()}
    t = {level: float(stats.t.ppf(level, n - 1)) * value.std(ddof=1) / math.sqrt(n) for level in (0.95, 0.975)}
    assert theirs["hoeffding"] == pytest.approx(value.max() * math.sqrt(math.log(40) / 2 * n), rel=1e-9)
    assert theirs["ttest"] == pytest.approx(t[0.95], rel=1e-9)
    assert theirs["ttest"] < 0.85 * t[0.975]
