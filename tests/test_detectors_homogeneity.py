"""Calibration of the drift p-values: independent rows, correlated rows, odd cells, and all features together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, stats

from detectors import DETECTORS, Series, State
from detectors import blocks as blocks_module
from detectors.blocks import weighted_chi_square_tail
from detectors.homogeneity import p_value
from monitor.judging.discoveries import discoveries

SCAN = DETECTORS["jensen_shannon"].scan
LABELS = (*(f"bin{i}" for i in range(20)), "under", "over", "missing")
SHARES = np.array([*[0.0495] * 20, 0.001, 0.001, 0.008])


def rejected(rng: np.random.Generator, n: int, m: int, runs: int) -> int:
    """How often two samples of one distribution, tails and missing values included, differ at 0.001."""
    pairs = zip(rng.multinomial(n, SHARES, runs), rng.multinomial(m, SHARES, runs), strict=True)
    return sum(p_value(one, two / m, LABELS, n, m) <= 0.001 for one, two in pairs)


def test_rejection_at_one_in_a_thousand_is_between_half_and_twice_that() -> None:
    found, runs = rejected(np.random.default_rng(110), 500, 20_000, 12_000), 12_000
    assert stats.binomtest(found, runs, 0.002, alternative="greater").pvalue > 1e-3
    assert stats.binomtest(found, runs, 0.0005, alternative="less").pvalue > 1e-3


@pytest.mark.full
@pytest.mark.parametrize(("n", "m"), [(500, 500), (500, 20_000), (5000, 50_000)])
def test_rejection_at_one_in_a_thousand_in_full(n: int, m: int) -> None:
    runs = 120_000
    assert 0.0005 <= rejected(np.random.default_rng(111), n, m, runs) / runs <= 0.002


def test_reference_cells_of_equal_mass_from_its_own_sample_keep_the_level() -> None:
    # the reference's shares are equal by construction; what varies is the true mass of its cells
    rng, n, m, runs = np.random.default_rng(112), 600, 2000, 6000
    masses = rng.gamma([1.0, *[m / 20] * 20, 1.0], size=(runs, 22))
    masses /= masses.sum(axis=1, keepdims=True)
    reference = np.array([*[0.05] * 20, 0.0, 0.0, 0.0])
    found = 0
    for mass in masses:
        window = rng.multinomial(n, [*mass[1:-1], mass[0], mass[-1], 0.0])
        found += p_value(window, reference, LABELS, n, m) <= 0.01
    assert stats.binomtest(found, runs, 0.014, alternative="greater").pvalue > 1e-3
    assert stats.binomtest(found, runs, 0.006, alternative="less").pvalue > 1e-3


def test_the_tail_of_a_quadratic_form_is_right_where_one_weight_dominates() -> None:
    rng = np.random.default_rng(113)
    weights = np.array([10.0, 3.0, *[0.5] * 12])
    drawn = np.sort(rng.chisquare(1, (400_000, len(weights))) @ weights)
    for level in (0.1, 0.01, 0.001):
        at = float(drawn[-int(level * len(drawn))])
        assert weighted_chi_square_tail(weights, at) == pytest.approx(level, rel=0.15)
    at = float(drawn[-400])
    scale = np.sum(weights**2) / np.sum(weights)  # Satterthwaite, which has two moments only
    assert stats.chi2.sf(at / scale, np.sum(weights) / scale) < 0.0005
    assert weighted_chi_square_tail([1.0, 0.0, 0.0], 10.828) == pytest.approx(0.001, rel=0.1)
    assert (weighted_chi_square_tail([0.0], 1.0), weighted_chi_square_tail([0.0], 0.0)) == (0.0, 1.0)


def autoregressive(rng: np.random.Generator, phi: float, length: int) -> NDArray[np.float64]:
    drawn = rng.normal(size=length)
    drawn[0] /= math.sqrt(1 - phi * phi)
    return np.asarray(signal.lfilter([math.sqrt(1 - phi * phi)], [1, -phi], drawn))


def correlated(rng: np.random.Generator, phi: float, rows: int, past: int, now: int, shift: float = 0.0) -> Series:
    """Histograms of states that follow each other; from half of the judged windows on moved by ``shift``."""
    edges = stats.norm.ppf(np.arange(1, 8) / 8)
    states = autoregressive(rng, phi, (past + now) * rows)
    states[-(now // 2) * rows :] += shift
    cells = np.searchsorted(edges, states).reshape(-1, rows)
    counts = np.stack([np.bincount(row, minlength=8) for row in cells])
    time = np.asarray(np.arange(past + now) * 900.0, np.float64)
    zeros, n = np.zeros(past + now), np.full(past + now, rows)
    base = Series(time[:past], zeros[:past], zeros[:past], n[:past], None, counts[:past])
    return Series(time[past:], zeros[past:], zeros[past:], n[past:], base, counts[past:])


def levels(series: Series) -> Any:
    return np.array([v.p for v in SCAN(series, threshold=0.0, alpha=0.5) if v.p is not None])


def test_block_permutation_keeps_the_level_where_chi_square_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(114)
    worlds = [correlated(rng, 0.9, 2000, 600, 300) for _ in range(5)]
    p = np.concatenate([levels(world) for world in worlds])
    assert len(p) == 1500
    assert stats.binomtest(int(np.sum(p <= 0.01)), len(p), 0.015, alternative="greater").pvalue > 1e-3
    assert stats.binomtest(int(np.sum(p <= 0.05)), len(p), 0.035, alternative="less").pvalue > 1e-3
    monkeypatch.setattr("detectors.jensen_shannon.CORRELATED", math.inf)  # chi-square on effective rows alone
    naive = np.concatenate([levels(world) for world in worlds])
    assert np.mean(naive <= 0.01) > 0.03


@pytest.mark.full
@pytest.mark.parametrize(("phi", "past"), [(0.5, 700), (0.9, 700), (0.9, 2880), (0.97, 2880)])
def test_block_permutation_at_one_in_a_thousand_in_full(phi: float, past: int) -> None:
    rng = np.random.default_rng(115)
    p = np.concatenate([levels(correlated(rng, phi, 2000, past, 1000)) for _ in range(20)])
    assert 0.0005 <= np.mean(p <= 0.001) <= 0.002


def test_a_shift_of_correlated_states_is_still_found() -> None:
    series = correlated(np.random.default_rng(116), 0.9, 2000, 600, 40, shift=0.5)
    states = [v.state for v in SCAN(series, threshold=0.01, alpha=0.001)]
    assert states[20:].count(State.FIRE) >= 17
    assert State.FIRE not in states[:20]


def test_too_few_blocks_leave_the_answer_to_chi_square() -> None:
    series = correlated(np.random.default_rng(117), 0.5, 4000, 34, 3)
    past = blocks_module.Blocks(series, _reference(series))
    assert past.p(2, np.arange(8), 3.0) is None
    assert all(v.p is not None for v in SCAN(series, alpha=0.01))


def _reference(series: Series) -> Any:
    from detectors.reference_histogram import reference

    return reference(series, "none", 25)


def test_values_that_go_missing_in_bursts_are_no_drift() -> None:
    rng = np.random.default_rng(118)
    rate = np.where(rng.random(900) < 0.05, 0.2, 0.002)  # one window in twenty loses a fifth
    counts = np.stack([[*rng.multinomial(1000, [(1 - r) / 4] * 4 + [r])] for r in rate])
    labels, n, zeros = (*(f"bin{i}" for i in range(4)), "missing"), np.full(900, 1000), np.zeros(900)
    time = np.asarray(np.arange(900) * 900.0, np.float64)
    base = Series(time[:600], zeros[:600], zeros[:600], n[:600], None, counts[:600], labels)
    now = Series(time[600:], zeros[600:], zeros[600:], n[600:], base, counts[600:], labels)
    p = np.array([math.nan if v.p is None else v.p for v in SCAN(now, threshold=0.0, alpha=0.5, pool=1, min_n=5)])
    assert np.mean(p <= 0.001) < 0.06  # the bursts themselves at most
    assert np.mean(p[rate[600:] < 0.1] <= 0.01) < 0.02
    as_one = [p_value(c, counts[:600].mean(axis=0) / 1000, labels, 1000, 600_000) for c in counts[600:]]
    assert np.mean(np.array(as_one)[rate[600:] > 0.1] <= 1e-9) == 1.0  # sure, if rows were independent


def test_all_features_together_hold_the_level_that_each_of_them_holds_alone() -> None:
    rng = np.random.default_rng(119)
    nothing = rng.random((4000, 20))
    alone = int(np.sum((nothing <= 0.01).any(axis=1)))
    together = sum(bool(discoveries(p, 0.01).any()) for p in nothing)
    assert alone > 600  # twenty features are twenty chances
    assert stats.binomtest(together, 4000, 0.01, alternative="greater").pvalue > 1e-3
    moved = nothing.copy()
    moved[:, :10] *= 1e-2
    found = [discoveries(p, 0.01) for p in moved]
    bonferroni = np.mean(moved[:, :10] <= 0.01 / 20)
    assert np.mean([f[:10].mean() for f in found]) > 2 * bonferroni
    false = [f[10:].sum() / max(1, f.sum()) for f in found]
    assert np.mean(false) <= 0.01
    assert discoveries([0.0004], 0.001, tests=20).tolist() == [False]
    assert discoveries([], 0.001).tolist() == []
