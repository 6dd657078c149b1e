"""Laws of the estimators of trajectories, in a world of three states whose answer is known."""

from __future__ import annotations

import tracemalloc
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ope import ESTIMATORS, Decisions, Estimate, Trust, applicable, evaluate
from ope.terms import TermSums
from ope.trajectory.episodes import Episodes
from ope.trajectory.sequential_blend import least_error
from tests.episode_worlds import BEHAVIOUR, CANDIDATE, SMALL, WRONG_Q

GAMMA = 0.9
NAMES = [name for name, item in ESTIMATORS.items() if item.log == "episodes"]
WEIGHTED = [name for name in NAMES if ESTIMATORS[name].at_most is Trust.TRUSTED]
UNBIASED = ["tis", "pdis", "dr_seq"]
TRUTH = SMALL.value(CANDIDATE, GAMMA)
log_of = partial(SMALL.log, BEHAVIOUR, CANDIDATE, gamma=GAMMA, q=WRONG_Q)


def known(number: float | None) -> float:
    assert number is not None, "the estimate was refused"
    return number


def by_name(log: Episodes, names: list[str] | None = None, **options: Any) -> dict[str, Estimate]:
    return {estimate.estimator: estimate for estimate in evaluate(log, names, **options)}


def in_loops(log: Episodes) -> dict[str, float]:
    """Return every estimate by its definition, step by step."""
    n, horizon = len(log), log.horizon
    weight, ended = np.ones((n, horizon + 1)), np.zeros((n, horizon), dtype=bool)
    reward, taken, value = np.zeros((n, horizon)), np.zeros((n, horizon)), np.zeros((n, horizon + 1))
    assert log.q is not None
    assert log.candidate is not None
    assert log.action is not None
    for i in range(n):
        for t in range(horizon):
            row = log.begin[i] + t
            ended[i, t] = t >= log.length[i]
            weight[i, t + 1] = weight[i, t]
            if not ended[i, t]:
                weight[i, t + 1] *= log.probability[row] / log.propensity[row]
                reward[i, t], taken[i, t] = log.reward[row], log.q[row, log.action[row]]
                value[i, t] = sum(p * q for p, q in zip(log.candidate[row], log.q[row], strict=True))
    returns = [sum(log.gamma**t * reward[i, t] for t in range(horizon)) for i in range(n)]
    w, before = weight[:, 1:], weight[:, :-1]
    share, share_before = w / w.mean(axis=0), before / before.mean(axis=0)
    discount = log.gamma ** np.arange(horizon)
    return {
        "tis": float(np.mean(w[:, -1] * returns)),
        "wis": float(np.sum(w[:, -1] * returns) / np.sum(w[:, -1])),
        "pdis": float((discount * (w * reward).mean(axis=0)).sum()),
        "wpdis": float((discount * (share * reward).mean(axis=0)).sum()),
        "dm_fqe": float(value[:, 0].mean()),
        "dr_seq": float((discount * (w * (reward - taken) + before * value[:, :-1]).mean(axis=0)).sum()),
        "wdr": float((discount * (share * (reward - taken) + share_before * value[:, :-1]).mean(axis=0)).sum()),
    }


def test_every_estimate_is_what_its_definition_says() -> None:
    log = log_of(60, 1)
    assert set(log.length) == {1, 2, 3, 4}
    found, wanted, share = by_name(log), in_loops(log), least_error(log)
    wanted["magic"] = (1 - share) * wanted["dm_fqe"] + share * wanted["wdr"]
    assert set(found) == set(wanted) == set(NAMES)
    for name, estimate in found.items():
        constant = share if name == "magic" else None
        sums = [TermSums.of(*ESTIMATORS[name].terms(piece, constant)) for piece in log.blocks(cells=8)]  # two at a time
        assert sum(sums[1:], sums[0]).value == pytest.approx(wanted[name], rel=1e-12), name
        assert estimate.value is None or estimate.value == pytest.approx(wanted[name], rel=1e-12)


def test_episodes_of_one_step_give_the_estimates_of_single_decisions() -> None:
    whole = log_of(3000, 2)
    first = whole.begin[:-1]
    assert whole.action is not None
    assert whole.candidate is not None
    assert whole.q is not None
    columns = (whole.reward[first], whole.propensity[first], whole.probability[first])
    tables: dict[str, Any] = {name: getattr(whole, name)[first] for name in ("action", "candidate", "q")}
    bandit = {e.estimator: e for e in evaluate(Decisions(*columns, **tables))}
    single = by_name(Episodes.of(np.arange(3000), np.zeros(3000, int), *columns, **tables))
    twins = {
        "tis": "ips",
        "pdis": "ips",
        "wis": "snips",
        "wpdis": "snips",
        "dm_fqe": "dm",
        "dr_seq": "dr",
        "wdr": "sndr",
    }
    assert set(twins) == {*NAMES} - {"magic"}
    for name, twin in twins.items():
        for number in ("value", "stderr", "low", "high", "n", "ess"):
            wanted = pytest.approx(getattr(bandit[twin], number), rel=1e-12)
            assert getattr(single[name], number) == wanted, (name, number)


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    """Return values and standard errors of 1,500 logs of 400 episodes."""
    whole = log_of(600_000, 3)
    logs = [whole.piece(begin, begin + 400) for begin in range(0, 600_000, 400)]
    sums = {name: [TermSums.of(*ESTIMATORS[name].terms(log, None)) for log in logs] for name in WEIGHTED}
    return {name: np.array([(one.value, one.stderr) for one in many]) for name, many in sums.items()}


@pytest.mark.parametrize("name", WEIGHTED)
def test_the_mean_of_many_estimates_is_the_true_value(name: str, found: dict[str, np.ndarray]) -> None:
    values = found[name][:, 0]
    bias = 0.0 if name in UNBIASED else 1.0 / 400  # of ratios, of order 1/n
    assert abs(values.mean() - TRUTH) < 4 * values.std() / np.sqrt(len(values)) + bias


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_95_percent_interval_covers_the_truth_in_95_percent_of_logs(name: str, found: dict[str, np.ndarray]) -> None:
    value, stderr = found[name].T
    assert 0.925 < np.mean(np.abs(value - TRUTH) < 1.96 * stderr) < 0.975


def test_a_model_and_each_decisions_own_weight_make_intervals_narrower(found: dict[str, np.ndarray]) -> None:
    width = {name: many[:, 1].mean() for name, many in found.items()}
    assert width["pdis"] < width["tis"]
    assert width["wpdis"] < width["wis"]
    assert width["wdr"] < width["wpdis"]
    assert width["dr_seq"] < width["pdis"]


def test_the_anytime_interval_is_right_where_the_interval_of_one_look_is_not() -> None:
    whole, missed = log_of(40_000, 10), 0
    for begin in range(0, 40_000, 400):
        for estimate in evaluate(whole.piece(begin, begin + 400), WEIGHTED):
            assert known(estimate.anytime_low) < TRUTH < known(estimate.anytime_high)
            missed += not known(estimate.low) < TRUTH < known(estimate.high)
    assert missed > 10  # of 600


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 12))
def test_any_split_in_any_order_gives_the_same_sums(seed: int, parts: int) -> None:
    log, rng = log_of(300, 4), np.random.default_rng(seed)
    ends = [0, *np.sort(rng.integers(0, 301, parts - 1)).tolist(), 300]
    order = rng.permutation(parts)
    for name in NAMES:
        item = ESTIMATORS[name]
        pieces = [log.piece(ends[i], ends[i + 1]) for i in order if ends[i] < ends[i + 1]]
        sums = [TermSums.of(*item.terms(piece, None)) for piece in pieces]
        merged, whole = sum(sums[1:], sums[0]), TermSums.of(*item.terms(log, None))
        np.testing.assert_allclose(merged.first, whole.first, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(merged.second, whole.second, rtol=1e-9, atol=1e-9)
        assert merged.stderr == pytest.approx(whole.stderr, rel=1e-9)


def test_rows_may_come_in_any_order_and_steps_may_start_with_any_number() -> None:
    rows, rng = SMALL.rows(BEHAVIOUR, 500, 5), np.random.default_rng(5)
    state, action, order = rows["state"], rows["action"], rng.permutation(len(rows["state"]))
    columns = [rows["reward"], BEHAVIOUR[state, action], CANDIDATE[state, action]]
    plain = Episodes.of(rows["episode"], rows["step"], *columns, gamma=GAMMA)
    names = np.char.add("patient ", rows["episode"].astype(str))
    mixed = Episodes.of(names[order], rows["step"][order] + 7, *[column[order] for column in columns], gamma=GAMMA)
    for one, other in zip(evaluate(plain), evaluate(mixed), strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-12)
        assert one.stderr == pytest.approx(other.stderr, rel=1e-9)


@pytest.mark.parametrize(
    ("episode", "step", "message"),
    [
        (["a", "a", "a"], [0, 1, 3], "episode 'a' has no step 2, but a step 3"),
        (["a", "b", "a"], [1, 1, 1], "episode 'a' has step 1 more than once"),
        (["a", "b", "c"], [0, 0, 4], "episode 'c' starts with step 4, most with step 0"),
        ([7, 7, 8], [0, 2, 0], "episode 7 has no step 1"),
        (["a", "a", "a"], [0.0, 0.5, 1.0], "step is not a whole number"),
        (["a", "a"], [0, 1, 2], "two columns of one length"),
    ],
)
def test_steps_that_are_missing_or_repeated_are_errors_that_name_them(
    episode: list[Any], step: list[Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Episodes.of(episode, step, np.ones(3), np.full(3, 0.5), np.full(3, 0.5))


@pytest.mark.parametrize(
    ("column", "number", "message"),
    [
        ("propensity", 0.0, r"propensity is not in \(0, 1\] in episode 'b', step 2"),
        ("propensity", np.nan, r"propensity is not in \(0, 1\] in episode 'b', step 2"),
        ("probability", 1.2, r"the candidate's probability is not in \[0, 1\] in episode 'b', step 2"),
        ("probability", np.nan, r"the candidate's probability is not in \[0, 1\] in episode 'b', step 2"),
        ("reward", np.nan, "reward is not a finite number in episode 'b', step 2"),
        ("reward", np.inf, "reward is not a finite number in episode 'b', step 2"),
        ("action", 5, "action is none of the 2 actions in episode 'b', step 2"),
        ("q", np.nan, "q is not a finite number in episode 'b', step 2"),
    ],
)
def test_a_number_that_cannot_be_used_is_an_error_that_names_episode_and_step(
    column: str, number: float, message: str
) -> None:
    columns: dict[str, Any] = {name: np.full(5, 0.5) for name in ("reward", "propensity", "probability")}
    columns |= {"action": np.zeros(5, int), "candidate": np.full((5, 2), 0.5), "q": np.ones((5, 2))}
    columns[column][4] = number
    log = Episodes.of(["a", "a", "a", "b", "b"], [1, 2, 3, 1, 2], **columns)
    with pytest.raises(ValueError, match=message):
        evaluate(log)


def test_shapes_that_do_not_fit_are_errors_that_name_the_column() -> None:
    good: dict[str, Any] = {name: np.full(2, 0.5) for name in ("reward", "propensity", "probability")}
    for bad, message in (
        ({"reward": np.ones(3)}, "reward has 3 rows, episode has 2"),
        ({"gamma": 1.5}, "gamma is 1.5"),
        ({"candidate": np.ones((2, 2))}, "action is missing"),
        ({"action": [0, 1], "candidate": np.ones((2, 2)), "q": np.ones((2, 3))}, r"candidate and q have shapes"),
        ({"state": np.ones(2)}, "state has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            Episodes.of(["a", "a"], [0, 1], **(good | bad))


def test_estimators_go_with_the_log_that_they_are_for() -> None:
    log = log_of(50, 6)
    assert applicable(log) == NAMES
    with pytest.raises(ValueError, match="snips is of single decisions, and these are episodes"):
        evaluate(log, ["snips"])
    with pytest.raises(ValueError, match="pdis needs episodes"):
        evaluate(Decisions(log.reward, log.propensity, log.probability), ["pdis"])
    plain = Episodes.of(["a", "b"], [0, 0], [1.0, 2.0], [0.5, 0.5], [0.5, 0.5])
    assert applicable(plain) == ["tis", "wis", "pdis", "wpdis"]


def test_no_episode_at_all_is_refused_with_the_reason() -> None:
    for estimate in evaluate(Episodes.of([], np.empty(0, int), [], [], [])):
        assert estimate.trust is Trust.REFUSED
        assert "0 usable" in estimate.reasons[0]


def test_one_very_long_episode_does_not_make_the_others_long() -> None:
    length = np.append(np.full(20_000, 3), 100_000)
    rng = np.random.default_rng(7)
    total = int(length.sum())
    step = np.arange(total) - np.repeat(np.cumsum(length) - length, length)
    reward = np.where(step < 3, rng.normal(size=total), 0.0)
    log = Episodes.of(np.repeat(np.arange(20_001), length), step, reward, np.full(total, 0.5), np.full(total, 0.5))
    assert applicable(log) == ["tis", "wis", "pdis"]
    with pytest.raises(ValueError, match=r"wpdis has a ratio for each step and takes episodes of at most 1000 steps"):
        evaluate(log, ["wpdis"])
    tracemalloc.start()
    found = by_name(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # padded at once it would be 16 GB
    assert found["pdis"].value == pytest.approx(reward.sum() / 20_001, rel=1e-9)


def test_a_heavy_tail_that_long_episodes_hide_is_told_by_the_mean_weight() -> None:
    # A rare action, ten times likelier under the candidate, in 100 steps: weights look alike wherever it was not seen.
    rng, n, most = np.random.default_rng(8), 2000, 100
    rare = rng.random(n * most) < 5e-6
    propensity, probability = np.where(rare, 5e-6, 1 - 5e-6), np.where(rare, 6e-4, 1 - 6e-4)
    reward = rng.normal(0.1, 0.1, n * most) + 20.0 * rare
    log = Episodes.of(np.repeat(np.arange(n), most), np.tile(np.arange(most), n), reward, propensity, probability)
    truth = most * (0.1 + 20.0 * 6e-4)
    for estimate in evaluate(log):
        assert estimate.ess > 0.99 * n  # looks fine
        assert known(estimate.high) < truth  # and is wrong
        assert estimate.trust is Trust.WEAK
        assert "The mean weight is 0.94" in estimate.reasons[0]


def test_weights_beyond_what_a_number_holds_are_refused_and_no_error() -> None:
    rng, n, most = np.random.default_rng(9), 50, 2000
    likely = rng.random(n * most) < 0.45
    propensity, probability = np.where(likely, 0.9, 0.1), np.where(likely, 0.1, 0.9)
    log = Episodes.of(
        np.repeat(np.arange(n), most), np.tile(np.arange(most), n), rng.normal(size=n * most), propensity, probability
    )
    assert log.trajectory_weight.max() == 1e50  # a weight of 9^1000 has 954 digits
    for estimate in evaluate(log):
        assert estimate.trust is Trust.REFUSED
        assert estimate.value is None
