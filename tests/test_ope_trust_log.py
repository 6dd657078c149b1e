"""What a whole log shows that its sums do not: tails, propensities of one action, support, disagreement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import genpareto

from ope import Decisions, Estimate, Evidence, Thresholds, Trust, disagreement, evaluate, judge, judge_log
from ope.trajectory.episodes import Episodes
from ope.verdict.pareto import KEPT, Tail, pareto_k
from ope.verdict.propensities import Cells, furthest

ROWS = 6000


def log(seed: int = 0, rows: int = ROWS) -> Decisions:
    """Three actions in states of two features, the first of which moves the behaviour; everything is in order."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(rows, 2))
    b = np.exp(np.outer(state[:, 0], [0.6, 0.0, -0.6]))
    b /= b.sum(axis=1, keepdims=True)
    candidate = np.tile([0.5, 0.3, 0.2], (rows, 1))
    action = (rng.random(rows)[:, None] > np.cumsum(b, axis=1)).sum(axis=1)
    reward = rng.normal(action, 1.0)
    at = np.arange(rows)
    return Decisions(
        reward, b[at, action], candidate[at, action], action, candidate,
        q=np.tile([0.0, 1.0, 2.0], (rows, 1)), behaviour=b, state=state,
    )  # fmt: skip


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.3, 0.7, 1.2])
def test_the_shape_of_a_pareto_tail_is_found(k: float) -> None:
    found = [pareto_k(genpareto.rvs(k, size=5000, random_state=seed), 5000) for seed in range(40)]
    values = np.array([value for value in found if value is not None])
    assert len(values) == 40
    assert abs(values.mean() - k) < 0.08 + 4 * values.std() / np.sqrt(40)  # shrunk to 1/2 by ten rows of 212


@pytest.mark.parametrize("weights", [np.full(5000, 2.0), np.repeat([0.0, 25.0], [4800, 200]), np.ones(20)])
def test_weights_of_few_values_have_no_tail(weights: np.ndarray) -> None:
    assert pareto_k(weights, len(weights)) is None


@pytest.mark.parametrize("parts", [2, 7, 60])
def test_the_tail_of_the_parts_is_the_tail_of_the_whole(parts: int) -> None:
    weights = np.random.default_rng(1).pareto(1.2, 30_000)
    merged = Tail()
    for piece in np.array_split(weights, parts)[::-1]:
        merged = merged + Tail().add(piece)
    assert merged.n == len(weights)
    np.testing.assert_array_equal(np.sort(merged.top), np.sort(weights)[-KEPT:])


def test_a_log_in_order_is_trusted_and_all_is_known_of_it() -> None:
    found = judge_log(log())
    assert (found.verdict, found.reasons) == (Trust.TRUSTED, ())
    named = found.diagnostics.to_dict()
    first = ["ess", "ess_ratio", "max_weight", "max_weight_share", "mean_weight", "mean_weight_ci", "unsupported_mass"]
    assert list(named)[:7] == first
    assert named["variance_rows"] > 200
    assert named["pareto_k"] < 0.5


def test_pieces_of_any_size_say_the_same() -> None:
    whole, pieces = Evidence.of(log()), Evidence()
    for piece in log().blocks(500):
        pieces.add(piece)
    assert (pieces.tail.shape, pieces.reward_range) == (whole.tail.shape, whole.reward_range)
    assert pieces.variance_rows == pytest.approx(whole.variance_rows, rel=0.2)  # it is centred on the first piece
    for one, other in ((pieces.by_action, whole.by_action), (pieces.by_choice, whole.by_choice)):
        assert one is not None
        assert other is not None
        for name in ("n", "expected", "total", "squares", "top"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9)


def test_evaluate_judges_with_what_the_log_has() -> None:
    good = log()
    halved = replace(good, propensity=np.where(good.action == 2, good.propensity / 2, good.propensity))
    found = evaluate(halved, ["snips", "dm", "dr"])
    assert [item.trust for item in found] == [Trust.REFUSED] * 3
    assert "action 2 has wrong propensities" in found[0].reasons[0]


def test_the_action_with_wrong_propensities_is_named_as_the_caller_names_it() -> None:
    good = log()
    halved = replace(good, propensity=np.where(good.action == 1, good.propensity / 2, good.propensity))
    evidence = Evidence.of(halved, actions=("hold", "cool", "heat"), features=("inlet", "load"))
    found = judge(evidence.weights, evidence=evidence)
    assert found.verdict is Trust.REFUSED
    assert found.reasons[0].startswith("The log is refused: action cool has wrong propensities. Its sum of 1/p is")
    assert "too small" in found.reasons[0]
    assert found.diagnostics.propensity_action == "cool"
    assert found.diagnostics.propensity_ratio == pytest.approx(2.0, abs=0.2)


def test_right_propensities_of_many_actions_are_rarely_objected_to() -> None:
    rng, objected = np.random.default_rng(3), 0
    for _ in range(200):
        p = rng.dirichlet(np.full(30, 2.0))
        action = rng.choice(30, 2000, p=p)
        found = furthest(Cells.of(action, 1 / p[action], np.full(30, 2000.0)), below=True)
        objected += found is not None and found.size > Thresholds().propensity_weak
    assert objected <= 200 * 0.01 + 4 * np.sqrt(200 * 0.01)  # the intervals of one log hold together in 99% of logs


def test_an_action_that_could_often_not_be_taken_is_fine_with_and_without_the_mask() -> None:
    rng = np.random.default_rng(4)
    could = rng.random(ROWS) < 0.5
    b = np.where(could[:, None], [0.5, 0.5], [1.0, 0.0])
    action = (rng.random(ROWS) > b[:, 0]).astype(np.int64)
    candidate = np.where(could[:, None], [0.4, 0.6], [1.0, 0.0])
    at = np.arange(ROWS)
    plain = Decisions(rng.normal(size=ROWS), b[at, action], candidate[at, action], action, candidate)
    assert judge_log(plain).verdict is Trust.TRUSTED
    masked = replace(plain, eligible=b > 0)
    assert judge_log(masked).verdict is Trust.TRUSTED
    large = replace(masked, propensity=np.where(action == 1, 0.7, plain.propensity))
    reason = judge_log(large).reasons[0]
    assert "action 1" in reason
    assert "too large" in reason


def test_an_action_so_rare_that_it_was_never_taken_has_no_wrong_propensities() -> None:
    good = log()
    assert good.behaviour is not None
    rare = np.append(good.behaviour * (1 - 1e-6), np.full((ROWS, 1), 1e-6), axis=1)
    wider = [np.append(table, np.zeros((ROWS, 1)), axis=1) for table in (good.candidate, good.q) if table is not None]
    found = judge_log(replace(good, behaviour=rare, candidate=wider[0], q=wider[1]))
    assert found.verdict is Trust.TRUSTED


def test_propensities_that_ignore_the_state_are_found_by_the_part_of_it() -> None:
    good = log()
    assert good.action is not None
    marginal = (np.bincount(good.action) / ROWS)[good.action]
    blind = replace(good, propensity=marginal, behaviour=None, candidate=None, q=None, probability=marginal)
    without = judge_log(replace(blind, state=None))
    assert without.verdict is Trust.TRUSTED  # every weight is 1 and every action's sum is right
    evidence = Evidence.of(blind, features=("inlet", "load"))
    found = judge(evidence.weights, evidence=evidence)
    assert found.verdict is Trust.REFUSED
    assert "do not fit the states: where inlet is" in found.reasons[0]


def test_a_missing_state_is_a_part_of_its_own() -> None:
    good = log()
    assert good.state is not None
    holes = good.state.copy()
    holes[::3] = np.nan
    assert judge_log(replace(good, state=holes)).verdict is Trust.TRUSTED
    assert judge_log(replace(good, state=np.full((ROWS, 2), np.nan))).verdict is Trust.TRUSTED


def test_a_propensity_that_contradicts_the_logged_distribution_is_weak() -> None:
    good = log()
    off = np.where(np.arange(ROWS) < ROWS // 20, good.propensity * 0.9, good.propensity)
    found = judge_log(replace(good, propensity=off))
    assert found.verdict is Trust.WEAK
    assert "In 5.0% of the rows the propensity is not" in found.reasons[0]


def unsupported(mass: float, seed: int = 5) -> Decisions:
    """Actions 0 and 1 are played by the log, 2 is not, and the candidate gives it ``mass``."""
    rng = np.random.default_rng(seed)
    action = rng.integers(0, 2, ROWS)
    candidate = np.tile([(1 - mass) / 2, (1 - mass) / 2, mass], (ROWS, 1))
    reward = (rng.random(ROWS) < 0.3 + 0.2 * action).astype(float)
    behaviour = np.tile([0.5, 0.5, 0.0], (ROWS, 1))
    at = np.arange(ROWS)
    return Decisions(reward, np.full(ROWS, 0.5), candidate[at, action], action, candidate, behaviour=behaviour)


def test_without_support_there_are_bounds_and_not_a_number() -> None:
    found = judge_log(unsupported(0.2))
    assert found.verdict is Trust.REFUSED
    assert found.diagnostics.unsupported_mass == pytest.approx(0.2)
    assert found.diagnostics.bounds is not None
    low, high = found.diagnostics.bounds
    assert low < 0.4 * 0.8 < 0.4 * 0.8 + 0.2 < high < low + 0.25  # whatever the third action earns, and little more
    assert f"lies between {low:.4g} and {high:.4g}" in found.reasons[0]
    assert len(found.reasons) == 1  # the mean weight of 0.8 is explained


def test_the_bounds_are_refused_when_they_are_wider_than_the_margin_of_the_decision() -> None:
    verdicts = [
        judge_log(unsupported(0.03), thresholds=Thresholds(margin=margin)).verdict for margin in (0.02, 0.1, 0.5, None)
    ]
    assert verdicts == [Trust.REFUSED, Trust.WEAK, Trust.TRUSTED, Trust.WEAK]


def test_episodes_add_up_what_has_no_support_in_their_steps() -> None:
    one = unsupported(0.02)
    episodes = Episodes.of(
        np.repeat(np.arange(ROWS // 10), 10), np.tile(np.arange(10), ROWS // 10), one.reward, one.propensity,
        one.probability, action=one.action, candidate=one.candidate, behaviour=one.behaviour,
    )  # fmt: skip
    mass = Evidence.of(episodes).unsupported_mass
    assert mass == pytest.approx(1 - 0.98**10)
    assert Evidence.of(replace(episodes, behaviour=None)).unsupported_mass == pytest.approx(mass)


def test_few_rows_that_carry_everything_refuse_models_too() -> None:
    rng = np.random.default_rng(6)
    behaviour = np.tile([0.999, 0.001], (ROWS, 1))
    action = (rng.random(ROWS) < 0.001).astype(np.int64)
    candidate = np.tile([0.001, 0.999], (ROWS, 1))
    at = np.arange(ROWS)
    one = Decisions(
        rng.normal(size=ROWS), behaviour[at, action], candidate[at, action], action, candidate,
        q=np.zeros((ROWS, 2)), behaviour=behaviour,
    )  # fmt: skip
    assert {item.estimator: item.value for item in evaluate(one, ["ips", "dm", "dr"])} == dict.fromkeys(
        ["ips", "dm", "dr"]
    )


def test_rewards_with_a_heavy_tail_are_weak_though_every_weight_is_1() -> None:
    rng = np.random.default_rng(7)
    heavy = Decisions(rng.pareto(1.3, ROWS), np.full(ROWS, 0.5), np.full(ROWS, 0.5))
    found = judge_log(heavy)
    assert found.diagnostics.ess_ratio == 1.0
    assert found.verdict is not Trust.TRUSTED
    assert "The variance comes from" in found.reasons[0]


def test_a_tail_without_a_mean_is_refused_where_few_rows_carry_the_estimate() -> None:
    weight = np.random.default_rng(8).pareto(0.7, 20_000)
    p = np.minimum(1 / (1 + weight), 1.0)
    found = judge_log(Decisions(np.random.default_rng(9).normal(size=20_000), p, np.full(20_000, 0.3)))
    assert any("Pareto k of 1." in reason for reason in found.reasons)
    assert found.verdict is Trust.REFUSED


def an(estimator: str, value: float, stderr: float = 0.01) -> Estimate:
    ends = (value - 0.02, value + 0.02)
    return Estimate(estimator, value, stderr, *ends, 0.95, "delta", *ends, ROWS, 900.0, Trust.TRUSTED, ())


def test_estimators_that_should_agree_and_do_not_are_all_weak() -> None:
    found = disagreement([an("ips", 0.5), an("dr", 0.58), an("snips", 0.51)])
    assert [item.trust for item in found] == [Trust.WEAK, Trust.WEAK, Trust.WEAK]
    assert "ips is 0.5 and dr 0.58, 5.7 joint standard errors apart" in found[0].reasons[0]
    assert disagreement([an("ips", 0.5), an("dr", 0.53)])[0].trust is Trust.TRUSTED


def test_a_model_that_is_off_says_nothing_against_the_weights() -> None:
    found = disagreement([an("snips", 0.5), an("dm", 0.7), an("dr", 0.51, 0.005)])
    assert [item.trust for item in found] == [Trust.TRUSTED, Trust.WEAK, Trust.TRUSTED]
    assert "dm is 0.7 and dr 0.51" in found[1].reasons[0]


def test_a_refused_estimate_takes_no_part_in_a_disagreement() -> None:
    refused = replace(an("ips", 0.1), value=None, stderr=None, trust=Trust.REFUSED)
    assert disagreement([refused, an("dr", 0.5)]) == [refused, an("dr", 0.5)]


def test_sums_alone_are_judged_without_what_only_rows_can_say() -> None:
    found = judge(Evidence.of(log()).weights).diagnostics
    assert (found.bounds, found.pareto_k, found.variance_rows, found.propensity_action) == (None,) * 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"behaviour": np.ones((ROWS, 2))}, r"behaviour have shapes"),
        ({"state": np.ones((5, 2))}, r"state has shape \(5, 2\)"),
        ({"eligible": np.ones(ROWS, bool)}, r"eligible has shape"),
    ],
)
def test_columns_of_another_shape_are_errors_that_name_them(columns: dict[str, Any], message: str) -> None:
    good = log()
    with pytest.raises(ValueError, match=message):
        replace(good, **columns)


def test_a_log_without_rows_and_one_row_are_refused() -> None:
    good = log()
    for rows in (0, 1):
        found = judge_log(good.piece(0, rows))
        assert found.verdict is Trust.REFUSED
        assert "usable rows" in found.reasons[-1]


@pytest.mark.parametrize("size", [1e-100, 1e-60, 1e60, 1e100])
def test_rows_that_make_the_variance_are_counted_in_whatever_unit_rewards_are(size: float) -> None:
    rng = np.random.default_rng(3)
    reward, p = rng.standard_t(2.1, 30_000), np.full(30_000, 0.5)
    plain = Evidence.of(Decisions(reward, p, p)).variance_rows
    assert plain is not None
    assert Evidence.of(Decisions(reward * size, p, p)).variance_rows == pytest.approx(plain, rel=1e-9)
