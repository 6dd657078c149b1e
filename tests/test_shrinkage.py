"""The estimators of single decisions are what their formulas say, and their constants are chosen with care."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ope import ESTIMATORS, Decisions, Judgement, TermSums, Trust, evaluate, judge
from ope import WeightSums as Sums
from ope.bandit.switched import dr_os_terms, switch_dr_terms
from tests.ope_bandit import BANDIT

TRUSTED = Judgement(Trust.TRUSTED, (), judge(Sums()).diagnostics)


def heavy(seed: int, rows: int = 2000, *, whole: bool = True) -> Decisions:
    """Return a log that sometimes hardly ever plays what the candidate plays half of the time; the value is 0.5."""
    rng = np.random.default_rng(seed)
    share = rng.beta(0.5, 0.5, rows).clip(1e-4, 1 - 1e-4)
    action = (rng.random(rows) < share).astype(np.int64)
    return Decisions(
        rng.normal(action, 1.0),
        np.where(action == 1, share, 1 - share),
        np.full(rows, 0.5),
        action,
        np.full((rows, 2), 0.5),
        np.tile([0.2, 0.9], (rows, 1)),
        np.stack([1 - share, share], axis=1) if whole else None,
    )


def by_hand(name: str, log: Decisions, at: float) -> float:
    """Return an estimate by its formula, row by row."""
    assert log.q is not None
    assert log.candidate is not None
    assert log.action is not None
    w = [pi / p for pi, p in zip(log.probability, log.propensity, strict=True)]
    r, n = log.reward.tolist(), len(log)
    bar = [sum(pi * q for pi, q in zip(*row, strict=True)) for row in zip(log.candidate, log.q, strict=True)]
    e = [r[i] - log.q[i, log.action[i]] for i in range(n)]
    direct = sum(bar) / n
    found: dict[str, float] = {
        "ips": sum(w[i] * r[i] for i in range(n)) / n,
        "snips": sum(w[i] * r[i] for i in range(n)) / sum(w),
        "clipped_ips": sum(min(w[i], at) * r[i] for i in range(n)) / n,
        "sub_gaussian_ips": sum(w[i] / (1 - at + at * w[i]) * r[i] for i in range(n)) / n,
        "dm": direct,
        "dr": direct + sum(w[i] * e[i] for i in range(n)) / n,
        "sndr": direct + sum(w[i] * e[i] for i in range(n)) / sum(w),
        "switch_dr": direct + sum(w[i] * e[i] for i in range(n) if w[i] <= at) / n,
        "dr_os": direct + sum(at * w[i] / (w[i] ** 2 + at) * e[i] for i in range(n)) / n,
    }
    return found[name]


@pytest.mark.parametrize("name", [name for name, item in ESTIMATORS.items() if item.log == "decisions"])
@pytest.mark.parametrize("at", [0.4, 1.7])
def test_every_estimator_is_its_formula(name: str, at: float) -> None:
    log, item = BANDIT.log(1, 500), ESTIMATORS[name]
    sums = TermSums.of(*item.terms(log, at if item.tune is not None else None))
    assert sums.value == pytest.approx(by_hand(name, log, at), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "at", "sibling"),
    [
        ("clipped_ips", np.inf, "ips"),
        ("sub_gaussian_ips", 0.0, "ips"),
        ("switch_dr", np.inf, "dr"),
        ("switch_dr", 0.0, "dm"),
        ("dr_os", np.inf, "dr"),
        ("dr_os", 0.0, "dm"),
    ],
)
def test_at_the_ends_of_its_constant_an_estimator_is_its_sibling(name: str, at: float, sibling: str) -> None:
    log = heavy(1)
    ours, theirs = ESTIMATORS[name].terms(log, at)[0], ESTIMATORS[sibling].terms(log, None)[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_an_estimate_says_its_constant_and_when_it_is_its_sibling() -> None:
    def said(log: Decisions, name: str) -> str:
        return " ".join(evaluate(log, [name], judgement=TRUSTED)[0].reasons)

    assert "No weight is cut (the largest is 3.11), so this is dr." in said(BANDIT.log(2, 2000), "switch_dr")
    assert "so this is ips" in said(
        replace(BANDIT.log(2, 2000), reward=np.arange(2000) % 2 + np.full(2000, 100.0)), "clipped_ips"
    )
    assert "counts for half" in said(heavy(3), "dr_os")
    assert "no weight counts for more" in said(heavy(3), "clipped_ips")
    assert "no weight counts for more than" in said(heavy(3), "sub_gaussian_ips")
    cut, whole = (evaluate(log, ["clipped_ips"], judgement=TRUSTED)[0] for log in (heavy(3), BANDIT.log(2, 2000)))
    assert (cut.trust, whole.trust) == (Trust.WEAK, Trust.TRUSTED)  # what is cut is in no interval


def test_where_weights_are_heavy_shrinking_beats_not_to_and_the_interval_still_covers() -> None:
    names = ["ips", "dr", "sndr", "switch_dr", "dr_os"]
    found = np.array(
        [
            [
                (known(e.value) - 0.5, known(e.low) < 0.5 < known(e.high))
                for e in evaluate(log, names, judgement=TRUSTED)
            ]
            for log in (heavy(100 + seed) for seed in range(400))
        ]
    )
    error = dict(zip(names, np.sqrt((found[:, :, 0] ** 2).mean(axis=0)), strict=True))
    covered = dict(zip(names, found[:, :, 1].mean(axis=0), strict=True))
    assert error["dr_os"] < error["switch_dr"] < error["sndr"] < error["dr"] < error["ips"]
    assert error["dr_os"] < error["dr"] / 2
    assert all(0.925 < covered[name] < 0.985 for name in ("switch_dr", "dr_os")), covered


def known(number: float | None) -> float:
    assert number is not None
    return number


def test_a_switch_needs_to_know_that_a_row_is_a_rare_accident() -> None:
    """One row of weight 500 was seen and 0.01 were expected; if those are not known, the row stays."""
    behaviour = np.tile([0.5, 0.5], (1000, 1))
    behaviour[:5], candidate = [0.999, 0.001], np.full((1000, 2), 0.5)
    action = np.arange(1000) % 2
    action[:5] = [1, 0, 0, 0, 0]
    rng, row = np.random.default_rng(1), np.arange(1000)
    log = Decisions(
        rng.normal(action, 0.5), behaviour[row, action], candidate[row, action], action, candidate, candidate * [0, 2]
    )
    tune = ESTIMATORS["switch_dr"].tune
    assert tune is not None
    assert log.weight[0] == 500
    assert tune(log) == np.inf
    assert 1 < tune(replace(log, behaviour=behaviour)) < 500


def test_what_a_candidate_needs_is_not_cut_however_large_its_weights_are() -> None:
    """A candidate whose only action the log plays once in 200 times: the root of n as a limit would halve its value."""
    rng = np.random.default_rng(1)
    action = (rng.random(10_000) < 0.005).astype(np.int64)
    log = Decisions(rng.normal(1.0, 0.3, 10_000), np.where(action == 1, 0.005, 0.995), action.astype(float))
    tune = ESTIMATORS["clipped_ips"].tune
    assert tune is not None
    assert tune(log) == np.inf


def test_metellis_constant_is_his_formula() -> None:
    log = BANDIT.log(3, 3000)
    tune = ESTIMATORS["sub_gaussian_ips"].tune
    assert tune is not None
    second_moment = np.mean(log.weight**2)
    assert tune(log) == pytest.approx(np.sqrt(2 * np.log(1 / 0.05) / (3 * second_moment * 3000)))


def test_a_row_at_the_threshold_is_kept_by_the_switch() -> None:
    log = Decisions(
        np.array([1.0]), np.array([0.25]), np.array([0.5]), np.array([0]), np.array([[0.5, 0.5]]), np.zeros((1, 2))
    )
    assert switch_dr_terms(log, 2.0)[0].tolist() == [2.0]
    assert switch_dr_terms(log, 1.99)[0].tolist() == [0.0]
    assert dr_os_terms(log, 4.0)[0].tolist() == [1.0]  # the root of lambda counts for half
