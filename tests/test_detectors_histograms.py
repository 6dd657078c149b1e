"""Guarantees of the detectors of distributions and volume, tried by simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, stats

from detectors import DETECTORS, Series, State
from detectors.design_effect import design_effect
from detectors.entropy_floor import normalised_entropy
from detectors.homogeneity import p_value
from detectors.jensen_shannon import js_bias, js_divergence

Array = NDArray[np.float64]
HONEST = 1e-4  # p-value of a binomial test below which a theorem counts as broken


def autoregressive(rng: np.random.Generator, phi: float, shape: tuple[int, ...]) -> Array:
    """Stationary AR(1) of variance 1 along the last axis."""
    noise = rng.normal(size=shape)
    noise[..., 0] /= math.sqrt(1 - phi * phi)
    return np.asarray(signal.lfilter([math.sqrt(1 - phi * phi)], [1, -phi], noise, axis=-1))


def series(values: Any, n: Any, baseline: Series | None = None, first: int = 0, counts: Any = None) -> Series:
    value = np.asarray(values, np.float64)
    length = len(value)
    time = np.asarray((first + np.arange(length)) * 900.0, np.float64)
    return Series(time, value, np.full(length, np.nan), np.broadcast_to(n, length), baseline, counts)


def broken(fired: int, total: int, probability: float, side: str) -> bool:
    return bool(stats.binomtest(fired, total, probability, alternative=side).pvalue < HONEST)


def test_the_bias_of_the_divergence_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(31)
    for cells, n, m in ((20, 500, 2000), (10, 1000, 1000)):
        shares = np.full(cells, 1 / cells)
        one, two = rng.multinomial(n, shares, 1500), rng.multinomial(m, shares, 1500)
        found = np.array([js_divergence(p, q) for p, q in zip(one, two, strict=True)])
        bias = js_bias(cells, n, m)
        assert abs(found.mean() / bias - 1) < 0.06
        assert abs((found - bias).mean()) < 0.06 * bias
    # 30% low where there are few rows a cell, which is why 25 are demanded
    shares = np.full(50, 1 / 50)
    scarce = [js_divergence(rng.multinomial(100, shares), rng.multinomial(100_000, shares)) for _ in range(400)]
    assert 0.65 < js_bias(50, 100, 100_000) / np.mean(scarce) < 1.0


def test_the_divergence_that_a_verdict_shows_is_debiased() -> None:
    rng = np.random.default_rng(40)
    shares = np.full(20, 1 / 20)
    past = series(np.zeros(300), 600, counts=rng.multinomial(600, shares, 300))
    now = series(np.zeros(400), 600, past, 300, rng.multinomial(600, shares, 400))
    shown = [v.statistic for v in DETECTORS["jensen_shannon"].scan(now) if v.statistic is not None]
    assert len(shown) > 300
    assert np.mean(shown) < 0.3 * js_bias(20, 600, 180_000)


def test_a_tenth_of_a_bit_is_a_shift_of_three_quarters_of_a_sigma() -> None:
    edges = stats.norm.ppf(np.linspace(0, 1, 2001))
    moved = np.diff(stats.norm.cdf(edges - 0.78))
    assert js_divergence(np.full(2000, 1 / 2000), moved) == pytest.approx(0.1, abs=0.003)
    slight = np.diff(stats.norm.cdf(edges - 0.28))
    assert math.sqrt(js_divergence(np.full(2000, 1 / 2000), slight) * math.log(2)) == pytest.approx(0.1, abs=0.004)


def test_one_outlier_moves_the_divergence_by_less_than_a_ten_thousandth_of_a_bit() -> None:
    rng = np.random.default_rng(32)
    reference, now = rng.normal(size=50_000), rng.normal(1.0, 1.0, 10_000)
    edges = np.quantile(reference, np.linspace(0, 1, 21))
    edges[0], edges[-1] = reference.min(), reference.max()

    def histogram(x: Array, cuts: Array) -> Array:
        place = np.searchsorted(cuts, x, side="right")
        return np.bincount(np.where(x == cuts[-1], len(cuts) - 1, place), minlength=len(cuts) + 1).astype(float)

    with_outlier = np.append(now[1:], 1e4)
    base = histogram(reference, edges)
    plain, moved = (js_divergence(histogram(x, edges), base) for x in (now, with_outlier))
    assert abs(plain - moved) <= 1e-4
    # with equal widths over both samples the same value hides the shift of one sigma
    wide = np.linspace(reference.min(), 1e4, 21)
    hidden = js_divergence(histogram(with_outlier, wide), histogram(reference, wide))
    assert math.sqrt(hidden) < 0.02 < math.sqrt(plain)


@pytest.mark.parametrize(("n", "m"), [(500, 500), (600, 20_000)])
def test_the_two_sample_p_value_is_calibrated(n: int, m: int) -> None:
    rng = np.random.default_rng(33)
    shares = np.array([*[0.0499] * 20, 0.001, 0.001])
    labels = [*(f"bin{i}" for i in range(20)), "under", "over"]
    runs = 1500
    p = np.array(
        [p_value(rng.multinomial(n, shares), rng.multinomial(m, shares) / m, labels, n, m) for _ in range(runs)]
    )
    for level in (0.05, 0.01):
        assert not broken(int(np.sum(p <= level)), runs, 1.3 * level, "greater")
        assert not broken(int(np.sum(p <= level)), runs, 0.7 * level, "less")
    assert not broken(int(np.sum(p <= 0.001)), runs, 0.002, "greater")
    one_sample = [
        stats.chisquare(rng.multinomial(n, shares[:20] / shares[:20].sum()), f).pvalue
        for f in (np.maximum(rng.multinomial(n, shares[:20] / shares[:20].sum()), 1) for _ in range(400))
        if f.sum() == n
    ]
    assert np.mean(np.array(one_sample) <= 0.05) > 0.25


def test_missing_and_unseen_levels_are_tested_apart_and_exactly() -> None:
    labels = ["red", "blue", "missing", "unseen"]
    reference = [0.5, 0.499, 0.001, 0.0]
    assert p_value([500, 499, 1, 0], reference, labels, 1000, 50_000) > 0.1
    assert p_value([490, 490, 20, 0], reference, labels, 1000, 50_000) < 1e-6
    assert p_value([498, 496, 0, 6], reference, labels, 1000, 50_000) < 1e-6


def correlated_histograms(
    rng: np.random.Generator, phi: float, length: int, rows: int, edges: Array
) -> NDArray[np.int64]:
    states = np.searchsorted(edges, autoregressive(rng, phi, (length * rows,))).reshape(length, rows)
    return np.stack([np.bincount(row, minlength=len(edges) + 1) for row in states])


def test_autocorrelated_states_pool_windows_or_refuse_instead_of_calling_drift() -> None:
    rng = np.random.default_rng(34)
    edges, rows = stats.norm.ppf(np.arange(1, 8) / 8), 500
    counts = correlated_histograms(rng, 0.99, 700, rows, edges)
    past = series(np.zeros(500), rows, counts=counts[:500])
    now = series(np.zeros(200), rows, past, 500, counts[500:])
    naive = np.mean(
        [js_divergence(c, counts[:500].sum(axis=0)) - js_bias(8, rows, 250_000) > 0.1 for c in counts[500:]]
    )
    assert naive > 0.15
    design = design_effect(past.time, counts[:500], counts[:500].sum(axis=0) / 250_000.0)
    assert design.of_run(1) > 20
    verdicts = DETECTORS["jensen_shannon"].scan(now, threshold=0.1, pool=60, min_n=25)
    judged = [v for v in verdicts if v.state in {State.OK, State.FIRE}]
    assert sum(v.state is State.FIRE for v in judged) <= 0.02 * len(now)
    alone = DETECTORS["jensen_shannon"].scan(now, threshold=0.1, pool=1)
    assert {v.state for v in alone} == {State.INSUFFICIENT}
    assert "independent ones" in alone[0].reason


def test_windows_that_are_too_small_alone_are_taken_together_and_say_so() -> None:
    rng = np.random.default_rng(35)
    past = series(np.zeros(300), 60, counts=rng.multinomial(60, [0.25] * 4, 300))
    moved = rng.multinomial(60, [0.7, 0.1, 0.1, 0.1], 6)
    verdicts = DETECTORS["jensen_shannon"].scan(series(np.zeros(6), 60, past, 300, moved))
    assert [v.state for v in verdicts] == [State.INSUFFICIENT, *[State.FIRE] * 5]
    assert "The last 2 windows were taken together." in verdicts[-1].reason
    assert verdicts[-1].n == 120


def test_every_night_is_not_a_drift_against_the_same_hours() -> None:
    rng = np.random.default_rng(36)
    time = np.arange(31 * 24)
    day, night = [0.4, 0.3, 0.2, 0.1], [0.05, 0.15, 0.2, 0.6]
    counts = np.stack([rng.multinomial(1500, night if t % 24 < 8 else day) for t in time])
    zeros, hours = np.zeros(len(time)), np.asarray(time * 3600.0, np.float64)
    n = np.full(len(time), 1500)
    past = Series(hours[:600], zeros[:600], zeros[:600], n[:600], None, counts[:600])
    now = Series(hours[600:], zeros[600:], zeros[600:], n[600:], past, counts[600:])
    scan = DETECTORS["jensen_shannon"].scan
    flat = sum(v.state is State.FIRE for v in scan(now, threshold=0.02, pool=1))
    seasonal = [v.state for v in scan(now, threshold=0.02, pool=1, season="hour_of_day")]
    assert flat > 30 or State.INSUFFICIENT in {v.state for v in scan(now, threshold=0.02, pool=1)}
    assert set(seasonal) == {State.OK}


def test_a_quiet_night_is_not_silence_and_a_quiet_day_is() -> None:
    rng = np.random.default_rng(37)
    hours = np.arange(30 * 24)
    usual = np.where(hours % 24 < 6, 1.0, 400.0)
    n = rng.poisson(usual)
    zeros = np.zeros(len(hours))
    time = np.asarray(hours * 3600.0, np.float64)
    past = Series(time[:696], n[:696].astype(float), zeros[:696], n[:696])
    today = n[696:].copy()
    scan = DETECTORS["silence"].scan

    def states(volume: NDArray[np.int64]) -> list[State]:
        now = Series(time[696:], volume.astype(float), zeros[696:], volume, past)
        return [v.state for v in scan(now, season="hour_of_day")]

    assert State.FIRE not in states(today)
    lost = today.copy()
    lost[12:] = rng.poisson(0.04 * 400, 12)
    assert State.FIRE not in states(lost)[:12]
    assert set(states(lost)[14:]) == {State.FIRE}


def test_a_collapsed_policy_fires_and_a_constant_baseline_has_nothing_to_lose() -> None:
    rng = np.random.default_rng(38)
    varied = series(np.zeros(50), 400, counts=rng.multinomial(400, [0.25] * 4, 50))
    single = series(np.zeros(50), 400, counts=np.tile([400, 0, 0, 0], (50, 1)))
    scan = DETECTORS["entropy_floor"].scan
    collapsed = np.tile([395, 3, 1, 1], (3, 1))
    assert scan(series(np.zeros(3), 400, varied, 50, collapsed))[-1].state is State.FIRE
    verdict = scan(series(np.zeros(3), 400, single, 50, collapsed))[-1]
    assert verdict.state is State.OK
    assert "no diversity to lose" in verdict.reason


def test_the_miller_madow_entropy_is_nearly_unbiased_where_the_plain_one_is_not() -> None:
    rng = np.random.default_rng(39)
    counts = rng.multinomial(30, [0.4, 0.3, 0.2, 0.1], 4000)
    truth = stats.entropy([0.4, 0.3, 0.2, 0.1]) / math.log(4)
    plain = np.mean([stats.entropy(c) for c in counts]) / math.log(4)
    corrected = np.mean(normalised_entropy(counts))
    assert abs(corrected - truth) < 0.4 * abs(plain - truth)
