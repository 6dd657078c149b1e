"""Run lengths and delays of the rules that roll back on reward, against their targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from detectors import DETECTORS, State
from detectors.autoregression import autoregression
from detectors.shiryaev_roberts import LARGEST, follow, ratios, threshold
from tests.simulated import HONEST, Array, Slow, autoregressive, series

K = 4.0  # sigma of frozen_sigma at its share of one false alarm in 10,000 windows
SHARE = 1 / (1 / 10_000 - stats.norm.sf(K))  # run length left to shiryaev_roberts: 14,600


def learned(rng: np.random.Generator, phi: float, windows: int, baselines: int, times: int) -> Slow:
    past = autoregressive(rng, phi, (baselines, windows))
    fits = [autoregression(row - row.mean(), np.arange(windows) * 900.0) for row in past]
    return Slow.learned(fits, past.mean(axis=1).tolist(), times)


def run_lengths(rng: np.random.Generator, rule: Slow, steps: int, target: float, times: int, phi: float) -> Array:
    """Run length by baseline, in units of the target."""
    _first, count = rule.alarms(rng, steps, target, phi=phi)
    return np.asarray(times * steps / np.maximum(count.reshape(-1, times).sum(axis=1), 0.5) / target)


def test_the_simulated_rule_is_the_scan() -> None:
    rng = np.random.default_rng(40)
    past, now = autoregressive(rng, 0.5, (400,)), autoregressive(rng, 0.5, (300,)) - 0.2
    base = series(past, 500)
    verdicts = DETECTORS["shiryaev_roberts"].scan(series(now, 500, base, 400), run_length=500.0)
    fit = autoregression(past - past.mean(), base.time)
    drop, tied = past.mean() - fit.below - now, np.r_[0.0, np.full(299, fit.correlation)]
    long = math.sqrt(fit.spread * (1 + fit.correlation) / (1 - fit.correlation))
    new = drop - tied * np.r_[0.0, drop[:-1]]
    evidence, path = np.zeros(9), []
    for one in ratios(new, long * (1 - tied), fit.spread * (1 - tied**2)):
        evidence = follow(evidence, one, 18 * threshold(500.0))
        path.append(float(evidence.mean()))
    np.testing.assert_allclose([v.statistic or 0.0 for v in verdicts], np.array(path))
    assert [v.state is State.FIRE for v in verdicts] == [value >= threshold(500.0) for value in path]


def test_the_likelihood_ratios_have_mean_one_and_less_where_one_window_may_only_count_so_much() -> None:
    rng = np.random.default_rng(41)
    ratio = ratios(rng.normal(size=400_000), np.ones(400_000), np.ones(400_000))
    mean, error = ratio.mean(axis=0), ratio.std(axis=0) / math.sqrt(len(ratio))
    assert np.all(mean <= 1 + 4 * error)
    assert np.all(np.abs(mean[:6] - 1) < 4 * error[:6])
    assert ratios(np.array([50.0]), np.ones(1), np.ones(1)).max() == pytest.approx(math.exp(2 * LARGEST - 2))


def test_a_known_baseline_meets_its_run_length() -> None:
    _first, count = Slow.known(400).alarms(np.random.default_rng(42), 5_000, 1_000.0)
    assert 0.85 <= 400 * 5_000 / count.sum() / 1_000 <= 1.15 + 0.1  # at 1,000 the start counts; at 10,000 it does not


@pytest.mark.full
def test_a_known_baseline_meets_a_run_length_of_10_000_within_15_percent() -> None:
    _first, count = Slow.known(1000).alarms(np.random.default_rng(43), 40_000, 10_000.0)
    assert 0.85 <= 1000 * 40_000 / count.sum() / 10_000 <= 1.15


def test_the_rollback_rules_of_the_reward_together_meet_their_delays_at_a_run_length_of_10_000() -> None:
    rng = np.random.default_rng(44)
    _first, count = Slow.known(300).alarms(rng, 15_000, SHARE, k=K)
    expected = 300 * 15_000 / 10_000
    assert stats.poisson.cdf(count.sum(), 0.85 * expected) > HONEST
    assert stats.poisson.sf(count.sum() - 1, expected / 0.85) > HONEST
    for fall, target, longest in ((0.25, 200, 4000), (1.0, 20, 400), (3.0, 5, 60)):
        first, _ = Slow.known(800).alarms(rng, longest, SHARE, fall=fall, k=K, again=False)
        delay, error = float(np.mean(first)), float(np.std(first)) / math.sqrt(len(first))
        print(f"fall of {fall} sigma: found after {delay:.1f} windows (+- {error:.1f}), target {target}")
        assert delay <= target


@pytest.mark.full
def test_their_run_length_together_lies_within_15_percent_of_10_000() -> None:
    _first, count = Slow.known(1000).alarms(np.random.default_rng(45), 40_000, SHARE, k=K)
    assert 0.85 <= 1000 * 40_000 / count.sum() / 10_000 <= 1.15


def test_a_decline_of_one_sigma_in_720_hours_is_found_within_360_with_few_false_alarms() -> None:
    rng = np.random.default_rng(46)
    run_length = 3000 / 0.05
    first, _ = Slow.known(600).alarms(rng, 3000, run_length, again=False)
    false = int(np.sum(first <= 3000))
    ramp = np.arange(1, 721) / 720
    found, _ = Slow.known(600).alarms(rng, 360, run_length, fall=ramp[:360], again=False)
    month, _ = learned(rng, 0.0, 2160, 300, 1).alarms(rng, 720, run_length, fall=ramp, again=False)
    print(f"false alarms in 3,000 h: {false / 600:.1%}; found within 360 h: {np.mean(found <= 360):.1%}")
    print(f"baseline of 2,160 h: {np.mean(month <= 360):.1%} within 360 h, 95% within {np.quantile(month, 0.95):.0f} h")
    assert stats.binomtest(false, 600, 0.05, alternative="greater").pvalue > HONEST
    assert np.mean(found <= 360) >= 0.95


def test_a_baseline_one_standard_error_high_cuts_the_run_length_and_its_lower_limit_keeps_it() -> None:
    rng = np.random.default_rng(47)
    runs, steps, error = 150, 15_000, 1 / math.sqrt(720)
    high = Slow(np.full(runs, error), np.ones(runs), np.zeros(runs))
    limited = Slow(high.limit - stats.norm.ppf(0.9) * error, high.variance, high.correlation)
    cut, kept = (runs * steps / max(rule.alarms(rng, steps, 10_000.0)[1].sum(), 1) for rule in (high, limited))
    print(f"run length of 10,000 against a mean that is one error high: {cut:.0f}; against its limit: {kept:.0f}")
    assert cut < 4_000
    assert kept >= 10_000


@pytest.mark.parametrize(("phi", "windows"), [(0.0, 300), (0.0, 720), (0.6, 720), (0.9, 720)])
def test_an_estimated_baseline_keeps_the_run_length(phi: float, windows: int) -> None:
    rng = np.random.default_rng(48)
    rule = learned(rng, phi, windows, 40, 10)
    found = run_lengths(rng, rule, 2_500, 1_000.0, 10, phi)
    print(f"phi {phi}, {windows} windows: 10th percentile over baselines {np.quantile(found, 0.1):.2f} of the target")
    assert 1 / np.mean(1 / found) >= 0.85
    assert np.quantile(found, 0.1) >= 0.5


@pytest.mark.full
@pytest.mark.parametrize(("phi", "windows"), [(0.0, 300), (0.0, 720), (0.6, 720), (0.9, 2160)])
def test_nine_baselines_in_ten_keep_a_run_length_of_10_000(phi: float, windows: int) -> None:
    rng = np.random.default_rng(49)
    rule = learned(rng, phi, windows, 100, 25)
    found = run_lengths(rng, rule, 12_000, 10_000.0, 25, phi)
    print(f"phi {phi}, {windows} windows: 10th percentile over baselines {np.quantile(found, 0.1):.2f} of the target")
    assert 1 / np.mean(1 / found) >= 1.0
    assert np.quantile(found, 0.1) >= 0.7


def test_a_baseline_that_knows_too_little_is_refused() -> None:
    rng = np.random.default_rng(50)
    past = autoregressive(rng, 0.97, (150,))
    verdict = DETECTORS["shiryaev_roberts"].scan(series([0.0], 500, series(past, 500), 150))[0]
    assert verdict.state is State.INSUFFICIENT
    assert "independent ones, 10 are needed" in verdict.reason


def test_a_fall_within_the_effect_never_fires_and_one_wild_window_does_not() -> None:
    rng = np.random.default_rng(51)
    base = series(rng.normal(1, 0.01, 2000), 500)
    scan = DETECTORS["shiryaev_roberts"].scan
    within = scan(series(rng.normal(0.985, 0.01, 2000), 500, base, 2000), min_effect="2%")
    beyond = scan(series(rng.normal(0.975, 0.01, 100), 500, base, 2000), min_effect="2%")
    assert {v.state for v in within} == {State.OK}
    assert beyond[-1].state is State.FIRE
    wild = rng.normal(1, 0.01, 50)
    wild[20] = -40.0
    assert {v.state for v in scan(series(wild, 500, base, 2000))} == {State.OK}


def test_after_the_reward_came_back_the_alert_clears() -> None:
    rng = np.random.default_rng(52)
    base = series(rng.normal(0, 1, 2000), 500)
    now = np.concatenate([rng.normal(-2, 1, 500), rng.normal(0, 1, 300)])
    states = [v.state for v in DETECTORS["shiryaev_roberts"].scan(series(now, 500, base, 2000))]
    assert states[499] is State.FIRE
    assert states[-1] is State.OK


@pytest.mark.parametrize("name", ["frozen_sigma", "shiryaev_roberts", "e_detector"])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_constant_baseline_is_judged(name: str, level: float) -> None:
    base = series(np.full(400, level), 500)
    same, lower = (DETECTORS[name].scan(series(np.full(20, at), 500, base, 400)) for at in (level, level - 0.25))
    assert {v.state for v in same} == {State.OK}
    if name != "e_detector":  # it knows no spread inside windows here, and 0 has nothing below
        assert lower[-1].state is State.FIRE
