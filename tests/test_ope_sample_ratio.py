"""The sample-ratio check holds its level over whole streams and stages, and finds a broken assignment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ope.comparing.sample_ratio import Stage, log_evidence, ratio_p


def stage(rng: np.random.Generator, share: float, plan: float, looks: int = 500, rows: int = 100) -> Stage:
    own = rng.binomial(rows, share, looks).astype(float)
    return Stage(np.stack([own, rows - own], axis=1), (plan, 1 - plan))


def rejected(share: float, plan: float, streams: int, alpha: float, **kind: Any) -> float:
    return float(
        np.mean([ratio_p([stage(np.random.default_rng([s, 9]), share, plan, **kind)]) <= alpha for s in range(streams)])
    )


@pytest.mark.parametrize("plan", [0.5, 0.05, 0.01])
def test_a_correct_assignment_is_rejected_in_at_most_alpha_of_streams(plan: float) -> None:
    assert rejected(plan, plan, streams=200, alpha=0.05) <= 0.05


@pytest.mark.full
@pytest.mark.parametrize("plan", [0.5, 0.05, 0.01])
def test_a_correct_assignment_is_not_rejected_over_a_million_rows(plan: float) -> None:
    assert rejected(plan, plan, streams=2000, alpha=0.05, looks=1000, rows=1000) <= 0.05


def test_a_chi_squared_test_at_every_look_would_reject_most() -> None:
    often = 0
    for seed in range(100):
        seen = np.cumsum(stage(np.random.default_rng([seed, 9]), 0.5, 0.5).counts, axis=0)
        rows = seen.sum(axis=1)
        often += bool((stats.chi2.sf((seen[:, 0] - rows / 2) ** 2 / (rows / 4), 1) < 0.05).any())
    assert often > 40


@pytest.mark.parametrize(("share", "plan", "rows"), [(0.51, 0.5, 150_000), (0.012, 0.01, 150_000), (0.6, 0.5, 3_000)])
def test_an_imbalance_is_found_in_reasonable_time(share: float, plan: float, rows: int) -> None:
    assert rejected(share, plan, streams=40, alpha=0.001, looks=rows // 100) >= 0.9


def test_a_small_arm_that_gets_nothing_is_found() -> None:
    assert ratio_p([stage(np.random.default_rng(0), 0.0, 0.01, looks=40)]) < 0.001


def test_stages_with_other_shares_are_one_stream() -> None:
    rng = np.random.default_rng(1)
    right = [stage(rng, share, share) for share in (0.01, 0.05, 0.25, 0.5)]
    assert ratio_p(right) > 0.05
    assert ratio_p([*right, stage(rng, 0.4, 0.5)]) < 0.001
    assert ratio_p([stage(rng, 0.05, 0.01), *right]) < 0.001  # what was found stays found


def test_an_arm_that_stops_for_an_hour_of_ten_is_found() -> None:
    rng = np.random.default_rng(8)
    parts = [stage(rng, share, 0.05, looks=minutes).counts for share, minutes in ((0.05, 300), (0.0, 60), (0.05, 240))]
    assert ratio_p([Stage(np.concatenate(parts), (0.05, 0.95))]) < 0.001


def test_pooled_shares_of_two_stages_would_be_called_broken() -> None:
    rng = np.random.default_rng(2)
    first, second = stage(rng, 0.01, 0.01), stage(rng, 0.5, 0.5)
    pooled = Stage(np.concatenate([np.asarray(first.counts), np.asarray(second.counts)]), (0.5, 0.5))
    assert ratio_p([first, second]) > 0.05
    assert ratio_p([pooled]) < 0.001


def test_subjects_with_many_decisions_do_not_look_like_a_broken_assignment() -> None:
    """Each subject makes 50 decisions within some minutes, all under one arm."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng([seed, 3])
        own = rng.random(1000) < 0.5
        at = np.minimum(np.arange(1000)[:, None] // 5 + rng.integers(0, 5, (1000, 50)), 199)
        counts = np.zeros((200, 2))
        np.add.at(counts, (at.ravel(), np.repeat(own, 50).astype(np.int64)), 1)
        found.append(ratio_p([Stage(counts, (0.5, 0.5))]))
    assert np.mean(np.array(found) < 0.01) <= 0.05  # 1.5% of 200 such streams


def test_three_arms_are_tested_together() -> None:
    rng = np.random.default_rng(4)
    counts = rng.multinomial(100, [0.3, 0.3, 0.4], 600).astype(float)
    assert ratio_p([Stage(counts, (0.3, 0.3, 0.4))]) > 0.05
    assert ratio_p([Stage(counts, (1, 1, 1))]) < 0.001


def test_the_evidence_of_one_row_is_worth_nothing_on_average() -> None:
    """The martingale: over both outcomes, weighted by the plan, the evidence is 1."""
    for plan in (0.5, 0.01):
        one, other = (
            math.exp(log_evidence(Stage(np.array([row]), (plan, 1 - plan)))[0]) for row in ([1.0, 0.0], [0.0, 1.0])
        )
        assert plan * one + (1 - plan) * other == pytest.approx(1.0)


def test_no_rows_are_no_evidence() -> None:
    assert ratio_p([]) == 1.0
    assert ratio_p([Stage(np.zeros((0, 2)), (0.5, 0.5))]) == 1.0
    assert ratio_p([Stage(np.zeros((3, 2)), (0.5, 0.5))]) == 1.0


@pytest.mark.parametrize(
    ("counts", "shares", "why"),
    [
        ([[1.0, 2.0]], (1.0,), "one column an arm"),
        ([[1.0, -2.0]], (0.5, 0.5), "below 0"),
        ([[1.0, math.nan]], (0.5, 0.5), "not a number"),
        ([[1.0, 2.0]], (0.0, 1.0), "above 0"),
    ],
)
def test_what_cannot_be_a_stage_is_refused(counts: Any, shares: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Stage(np.array(counts), shares)
