"""Two peaks where the baseline had one: a dip test of the reward distribution."""

from __future__ import annotations

import math

import numpy as np

from detectors.design_effect import design_effect
from detectors.dip_statistic import dip_of_cells
from detectors.long_run_variance import MIN_WINDOWS
from detectors.series import Counts, Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, rows

# Quantiles of sqrt(n) x dip of n independent uniform rows, n large, from 120,000 histograms of 400 cells; with fewer
# cells or rows it is smaller, so that p is on the safe side. tests/test_detectors_dip.py reproduces them (full).
_LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
_QUANTILES = (0.3506, 0.4279, 0.4758, 0.5183, 0.5692, 0.6045, 0.6344, 0.6772, 0.7053, 0.7394, 0.7699, 0.7919)
_TAIL = 5  # the level 0.01, from which the slope of the tail is taken


def dip_p_value(statistic: float, n: float) -> float:
    """Return the probability of so large a dip in n independent rows of a uniform distribution.

    Of all distributions with a single mode the uniform one has the largest dips, so that p is an upper bound for the
    others: for anything with a peak the test is far below its level.

    Parameters
    ----------
    statistic
        The dip.
    n
        Independent rows.

    Returns
    -------
    float
        Between 0 and 1; below 0.0001, where the table ends, its tail goes on.

    References
    ----------
    Hartigan, J. A. and Hartigan, P. M. (1985). The dip test of unimodality. Annals of Statistics 13, 70-84.

    Examples
    --------
    >>> dip_p_value(0.005, 1000), round(dip_p_value(0.0223, 1000), 4)
    (1.0, 0.001)
    """
    scaled = statistic * math.sqrt(max(n, 0.0))
    if scaled < _QUANTILES[0]:
        return 1.0
    # ln p falls with the square of the statistic, like the tail of any supremum of a Brownian bridge
    squares, logs = np.square(_QUANTILES), np.log(_LEVELS)
    steep = (logs[-1] - logs[_TAIL]) / (squares[-1] - squares[_TAIL])
    beyond = max(0.0, scaled**2 - float(squares[-1])) * float(steep)
    return math.exp(float(np.interp(scaled**2, squares, logs)) + beyond)


def cell_edges(labels: tuple[str, ...], cells: int) -> tuple[Floats, list[int]]:
    """Return the edges of the cells that have a place on the axis, and which they are.

    Parameters
    ----------
    labels
        ``"0..0.5"`` for a cell from 0 to 0.5, in order; other names ("under", "over", "missing") have no place. Where
        no cell is named so, all are taken to be equally wide.
    cells
        Cells in the histogram.

    Examples
    --------
    >>> cell_edges(("under", "0..0.5", "0.5..2", "over"), 4)
    (array([0. , 0.5, 2. ]), [1, 2])
    """
    placed: list[int] = []
    edges: list[float] = []
    for i, name in enumerate(labels):
        low, dots, high = name.partition("..")
        try:
            bounds = (float(low), float(high)) if dots else None
        except ValueError:
            bounds = None
        if bounds is not None:
            placed.append(i)
            edges.extend(bounds if not edges else bounds[1:])
    if not placed:
        return np.arange(cells + 1.0), list(range(cells))
    return np.array(edges), placed


def scan(
    series: Series,
    *,
    threshold: float = 0.02,
    alpha: float = 0.001,
    min_n: int = 200,
    subject: str = "The distribution of the reward",
) -> list[Verdict]:
    """Fire where a window has more than one mode, surely and clearly, and its baseline had only one.

    Against ``jensen_shannon``, which any change of shape moves: two modes mean two populations, such as a segment that
    fails while the mean hardly moves. It describes; it is no reason to roll back.

    Parameters
    ----------
    series
        ``counts`` of ordered cells, shape (T, cells), with their bounds in ``labels`` (see ``cell_edges``).
    threshold
        Least dip: with rows enough the smallest bump is significant. Two equal halves with a gap as wide as each have a
        dip of 0.125, two points one of 0.25, which is the most.
    alpha
        The dip's p-value must be at most this.
    min_n
        Effective rows below which a window is INSUFFICIENT.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the dip, ``high`` its limit. Rows are spread over their cells (jitter), as discrete rewards
        have atoms, which no continuous distribution with one mode has; rewards with more levels than the histogram
        has cells are told by the baseline, whose dip is then as large, and the answer is OK and says so.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def windows(first, shares, length, past=None):
    ...     counts, zeros = rng.multinomial(800, shares, length), np.zeros(length)
    ...     return Series((first + np.arange(length)) * 900.0, zeros, zeros, np.full(length, 800), past, counts)
    >>> past = windows(0, [0.1, 0.2, 0.4, 0.2, 0.1], 100)
    >>> [scan(windows(100, s, 1, past))[0].state.value for s in ([0.1, 0.2, 0.4, 0.2, 0.1], [0.4, 0.1, 0.0, 0.1, 0.4])]
    ['ok', 'fire']
    """
    counts = np.zeros((len(series), 0), np.int64) if series.counts is None else series.counts
    edges, placed = cell_edges(series.labels, counts.shape[1])
    base = series.baseline
    known = base is not None and base.counts is not None and base.counts.shape[1:] == counts.shape[1:]
    past = base.counts[:, placed] if base is not None and base.counts is not None and known else None
    usual, before = _baseline(base.time if base is not None else np.zeros(0), past, edges)
    verdicts = []
    for t in range(len(series)):
        seen, n = counts[t, placed] if counts.shape[1] else np.zeros(0), int(series.n[t])
        total = int(seen.sum())
        if n <= 0 or total == 0 or len(placed) < 2:
            what = "no decisions" if n <= 0 else f"{rows(n)} but no histogram of two cells"
            reason = f"{subject} cannot be judged: the window has {what}."
            verdicts.append(Verdict(State.NO_DATA, None, None, None, max(0, n), reason))
            continue
        if series.held and series.held[t]:
            reason = f"{subject} is not judged: {series.held[t]}."
            verdicts.append(Verdict(State.INSUFFICIENT, None, None, None, total, reason))
            continue
        worth = total / usual
        if worth < min_n:
            reason = (
                f"{subject} is not judged: {rows(total)} are worth {worth:,.0f} independent ones, {min_n:,} are needed."
            )
            verdicts.append(Verdict(State.INSUFFICIENT, None, None, None, total, reason))
            continue
        found = dip_of_cells(edges, seen)
        p = dip_p_value(found, worth)
        several, new = found > threshold and p <= alpha, before <= max(threshold, found / 2)
        text = f"{subject} has {'more than one mode' if several else 'one mode'}: dip {number(found)}, "
        text += f"limit {number(threshold)}, p = {p:.2g}, {rows(total)}."
        if several and not new:
            text += f" So had the baseline (dip {number(before)}): that is no news."
        if past is None:
            text += " There is no baseline to compare with."
        state = State.FIRE if several and new else State.OK
        verdicts.append(Verdict(state, found, None, threshold, total, text, p))
    return verdicts


def _baseline(time: Floats, past: Counts | None, edges: Floats) -> tuple[float, float]:
    """Return the design effect of a window's rows, and the dip of the baseline as a whole; 1 and 0 without one."""
    if past is None or int(past.sum()) == 0 or past.shape[1] < 2:
        return 1.0, 0.0
    whole = past.sum(axis=0)
    effect = 1.0
    if int(np.sum(past.sum(axis=1) > 0)) >= MIN_WINDOWS:
        effect = design_effect(time, past, whole / whole.sum()).of_run(1)
    return effect, dip_of_cells(edges, whole)
