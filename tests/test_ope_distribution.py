"""Quantiles, the worst part and the distribution function of a candidate's reward, and how sure they are."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from ope import Decisions, Judgement, Trust, WeightSums, judge
from ope.comparing.distribution import Distribution, Part, distribution


def log(seed: int, rows: int = 200, candidate: float = 0.8) -> Decisions:
    """Action 1 earns 1 more; the log plays it half of the time."""
    rng = np.random.default_rng(seed)
    action = rng.random(rows) < 0.5
    reward = rng.normal(size=rows) + action
    return Decisions(reward, np.full(rows, 0.5), np.where(action, candidate, 1 - candidate))


def truth(x: float) -> float:
    return float(0.2 * stats.norm.cdf(x) + 0.8 * stats.norm.cdf(x - 1))


def quantile(p: float) -> float:
    return float(optimize.brentq(lambda x: truth(x) - p, -9, 9))


def cvar(alpha: float) -> float:
    def density(x: float) -> float:
        return float(x * (0.2 * stats.norm.pdf(x) + 0.8 * stats.norm.pdf(x - 1)))

    return float(integrate.quad(density, -12, quantile(alpha))[0] / alpha)


def ends(part: Part) -> tuple[float, float, float]:
    assert part.value is not None
    assert part.low is not None
    assert part.high is not None
    return part.low, part.value, part.high


def holds(part: Part, value: float) -> bool:
    low, _, high = ends(part)
    return low <= value <= high


def covered(seeds: range, rows: int) -> dict[str, float]:
    """Return the share of logs in which each interval, and the band, hold the truth."""
    true_quantiles, true_cvar = [quantile(p) for p in (0.1, 0.5, 0.9)], cvar(0.1)
    held: dict[str, list[bool]] = {"0.1": [], "0.5": [], "0.9": [], "cvar": [], "band": []}
    for seed in seeds:
        found = distribution(log(seed, rows), (0.1, 0.5, 0.9), (0.1,), seed=seed)
        for part, value in zip(found.quantiles, true_quantiles, strict=True):
            held[str(part.at)].append(holds(part, value))
        held["cvar"].append(holds(found.cvar[0], true_cvar))
        function = np.array([truth(x) for x in found.reward])
        held["band"].append(bool(((found.low <= function) & (function <= found.high)).all()))
    return {name: float(np.mean(each)) for name, each in held.items()}


def test_intervals_and_band_hold_the_truth_about_as_often_as_they_say() -> None:
    assert all(share >= 0.87 for share in covered(range(80), 150).values())  # 95% less 3.3 standard errors of 80 logs


@pytest.mark.full
def test_intervals_and_band_hold_the_truth_in_95_percent_of_logs() -> None:
    found = covered(range(1000, 1400), 300)
    assert all(0.92 <= share <= 0.98 for share in found.values()), found


def test_with_equal_weights_they_are_those_of_the_log_itself() -> None:
    reward = np.random.default_rng(1).exponential(size=1000)
    found = distribution(Decisions(reward, np.full(1000, 0.5), np.full(1000, 0.5)), (0.25, 0.5), (0.1,))
    ordered = np.sort(reward)
    assert [part.value for part in found.quantiles] == [ordered[249], ordered[499]]
    assert found.cvar[0].value == pytest.approx(ordered[:100].mean())
    np.testing.assert_allclose(found.function, np.arange(1, 1001) / 1000)
    np.testing.assert_array_equal(found.reward, ordered)


def test_the_worst_part_shows_what_the_mean_does_not() -> None:
    rng = np.random.default_rng(2)
    action = rng.random(8000) < 0.5
    risky = np.where(rng.random(8000) < 0.05, -19.0, 3.0)  # a mean of 1.9 too
    reward = np.where(action, risky, 1.9) + rng.normal(0.0, 0.1, 8000)
    calm, bold = (distribution(Decisions(reward, np.full(8000, 0.5), np.where(action, p, 1 - p))) for p in (0.02, 0.98))
    assert ends(bold.cvar[0])[2] < ends(calm.cvar[0])[0] - 10


def test_the_whole_reward_is_the_self_normalised_mean() -> None:
    data = log(3, 2000)
    mean = (data.weight * data.reward).sum() / data.weight.sum()
    assert distribution(data, (0.5,), (1.0,)).cvar[0].value == pytest.approx(mean)


def test_a_reward_of_few_values_has_a_function_of_few_steps() -> None:
    rng = np.random.default_rng(4)
    reward = rng.integers(0, 3, 3000).astype(float)
    found = distribution(Decisions(reward, np.full(3000, 0.5), rng.uniform(0.3, 0.7, 3000)))
    assert found.reward.tolist() == [0.0, 1.0, 2.0]
    assert found.function[-1] == pytest.approx(1.0)
    assert [part.value for part in found.quantiles] == [0.0, 1.0, 2.0]
    assert ends(found.quantiles[1])[::2] == (1.0, 1.0)  # a third of the mass is above, a third below


def test_a_long_log_keeps_a_bounded_function_and_exact_quantiles() -> None:
    data = log(5, 60_000)
    found = distribution(data, (0.5, 0.99))
    assert 990 <= len(found.reward) <= 1000
    order = np.argsort(data.reward)
    mass = np.cumsum(data.weight[order])
    for part in found.quantiles:
        assert part.value == data.reward[order][np.searchsorted(mass, part.at * mass[-1])]
    assert 0.003 < float((found.high - found.function).max()) < 0.012  # 1.36 / sqrt(44,000 effective rows) is 0.0065


def test_rows_of_one_subject_count_as_one_unit() -> None:
    rng = np.random.default_rng(6)
    who = np.repeat(np.arange(100), 20)
    reward = rng.normal(size=100)[who] + rng.normal(0.0, 0.1, 2000)
    chance = np.where(rng.random(2000) < 0.5, 0.6, 0.4)
    together = distribution(Decisions(reward, np.full(2000, 0.5), chance, cluster=who), (0.5,), (0.2,))
    apart = distribution(Decisions(reward, np.full(2000, 0.5), chance), (0.5,), (0.2,))

    def widths(found: Distribution) -> list[float]:
        parts = [ends(part) for part in (*found.quantiles, *found.cvar)]
        return [high - low for low, _, high in parts] + [float((found.high - found.function).max())]

    assert all(wide > 2 * narrow for wide, narrow in zip(widths(together), widths(apart), strict=True))


def test_it_is_never_trusted_more_than_the_candidate() -> None:
    data = log(7, 3000)
    weak, refused = (
        Judgement(verdict, ("Because.",), judge_of(data).diagnostics) for verdict in (Trust.WEAK, Trust.REFUSED)
    )
    assert distribution(data).trust is Trust.TRUSTED
    assert distribution(data, judgement=weak).trust is Trust.WEAK
    found = distribution(data, judgement=refused)
    assert found.trust is Trust.REFUSED
    assert found.reasons == ("Because.",)
    assert [(part.value, part.low, part.high) for part in (*found.quantiles, *found.cvar)] == [(None, None, None)] * 4
    assert len(found.function) == len(found.reward) == len(found.low) == len(found.high) == 0


def judge_of(data: Decisions) -> Judgement:
    return judge(WeightSums.from_rows(data.weight, data.reward))


def test_a_level_beyond_which_hardly_a_row_lies_has_no_number() -> None:
    found = distribution(log(8, 300), (0.01, 0.5), (0.02, 0.5))
    assert [part.value is None for part in (*found.quantiles, *found.cvar)] == [True, False, True, False]
    assert found.reasons[-1].startswith("0.01, 0.02: fewer than 10 of 2")


def test_it_is_plain_data_and_the_same_for_the_same_seed() -> None:
    data = log(9, 500)
    first, second, other = (distribution(data, seed=seed) for seed in (1, 1, 2))
    assert json.loads(json.dumps(first.to_dict())) == first.to_dict() == second.to_dict()
    assert first.cvar[0].low != other.cvar[0].low


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: distribution(data, (0.0,)), "quantile is 0.0, but must lie between 0 and 1"),
        (lambda data: distribution(data, (0.5, 95)), "quantile is 95"),
        (lambda data: distribution(data, alpha=(1.5,)), "alpha is 1.5"),
        (lambda data: distribution(data, level=95), "level is 95"),
        (
            lambda data: distribution(Decisions(data.reward, data.propensity * 0, data.probability)),
            "propensity is 0 in row 0",
        ),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(call: Callable[[Decisions], Distribution], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(log(10))


@pytest.mark.parametrize("reward", [np.empty(0), np.array([1.0]), np.full(500, 2.0)])
def test_too_few_rows_or_equal_rewards_are_refused(reward: np.ndarray) -> None:
    half = np.full(len(reward), 0.5)
    found = distribution(Decisions(reward, half, half))
    assert found.trust is Trust.REFUSED
    assert found.quantiles[0].value is None
