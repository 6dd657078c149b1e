"""How far a window's histogram has moved from its reference: the trigger state_drift."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from detectors.blocks import CORRELATED, Blocks
from detectors.homogeneity import p_value
from detectors.reference_histogram import Reference, reference
from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import number, rows


def js_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """Return the Jensen-Shannon divergence of two histograms in bits, between 0 and 1.

    Against Kullback-Leibler, it is finite where one histogram has an empty cell, and symmetric. Evidently's and SciPy's
    "Jensen-Shannon distance" is the square root, in nats: their 0.1 is 0.0144 bit here, and our 0.1 bit a shift
    of a normal variable by 0.78 sigma.

    Parameters
    ----------
    p, q
        Counts or shares, shape (cells,).

    References
    ----------
    Lin, J. (1991). Divergence measures based on the Shannon entropy. IEEE Transactions on Information Theory 37.

    Examples
    --------
    >>> js_divergence([1, 0], [0, 1]), js_divergence([5, 5], [1, 1])
    (1.0, 0.0)
    """
    one, two = np.asarray(p, np.float64), np.asarray(q, np.float64)
    if one.sum() <= 0 or two.sum() <= 0:
        return math.nan
    one, two = one / one.sum(), two / two.sum()
    middle = np.where(one + two > 0, (one + two) / 2, 1.0)
    terms = one * np.log2(np.where(one > 0, one / middle, 1.0)) + two * np.log2(np.where(two > 0, two / middle, 1.0))
    return float(min(1.0, max(0.0, np.sum(terms) / 2)))


def js_bias(cells: int, n: float, m: float) -> float:
    """Return the Jensen-Shannon divergence in bits that two equal distributions show by chance.

    E[JS in nats] = (B - 1)(1/n + 1/m) / 8 to first order: good for n >= 25 B, 30% low at B = 50 and n = 100.

    Parameters
    ----------
    cells
        B, cells that are not empty.
    n, m
        Effective rows of the two histograms.

    Examples
    --------
    >>> round(js_bias(20, 500, 500), 4)
    0.0137
    """
    return (cells - 1) * (1 / n + 1 / m) / (8 * math.log(2))


def scan(
    series: Series,
    *,
    threshold: float = 0.1,
    alpha: float | None = None,
    min_n: int = 25,
    pool: int = 8,
    season: str = "none",
    subject: str = "State drift",
) -> list[Verdict]:
    """Fire where the debiased Jensen-Shannon divergence from the reference is above its threshold.

    Against a p-value alone, which calls any change significant once there are rows enough, the divergence is an effect
    size; ``alpha`` asks for both. Cells come from the reference: with cells over both samples one value of 1e4 hides
    a shift of one sigma.

    Parameters
    ----------
    series
        ``counts`` of windows and baseline, shape (T, cells), with names in ``labels``; ``value`` is not read.
    threshold
        Bits; 0.1 is a shift of a normal variable by 0.78 sigma.
    alpha
        Where given, the two-sample p-value must be at most this too.
    min_n
        Effective rows for each cell of the reference below which the answer is INSUFFICIENT.
    pool
        Most windows that are taken together where one has too few effective rows; the sentence says so.
    season
        Compare with the same ``"hour_of_day"`` or ``"hour_of_week"`` of the baseline, or ``"none"``.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the debiased divergence in bits, ``high`` the threshold, ``n`` the rows compared. Effective
        rows are rows over the design effect of the baseline's ordered windows (detectors.design_effect). ``p`` is given
        with ``alpha``: by chi-square where rows are independent, by block permutation (detectors.blocks) where not.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def windows(first, shares, length, past=None):
    ...     counts = rng.multinomial(1000, shares, size=length)
    ...     time = (first + np.arange(length)) * 900.0
    ...     return Series(time, np.zeros(length), np.zeros(length), np.full(length, 1000), past, counts)
    >>> past = windows(0, [0.25] * 4, 100)
    >>> [scan(windows(100, shares, 1, past))[0].state.value for shares in ([0.25] * 4, [0.7, 0.1, 0.1, 0.1])]
    ['ok', 'fire']
    """
    past = reference(series, season, min_n)
    blocks = None if isinstance(past, str) else Blocks(series, past)
    verdicts = []
    for t in range(len(series)):
        n = max(0, int(series.n[t]))
        if n == 0 or (series.counts is not None and int(series.counts[t].sum()) == 0):
            what = "no decisions" if n == 0 else f"{rows(n)} but no histogram"
            reason = f"{subject} cannot be judged: the window has {what}."
            verdict = Verdict(State.NO_DATA, None, None, None, n, reason)
        elif isinstance(past, str) or blocks is None:
            verdict = Verdict(State.INSUFFICIENT, None, None, None, n, f"{subject} is not judged: {past}.")
        else:
            verdict = _judge(
                series,
                t,
                past,
                blocks,
                threshold=threshold,
                alpha=alpha,
                min_n=min_n,
                pool=max(1, pool),
                subject=subject,
            )
        verdicts.append(verdict)
    return verdicts


def _judge(
    series: Series,
    at: int,
    past: Reference,
    blocks: Blocks,
    *,
    threshold: float,
    alpha: float | None,
    min_n: int,
    pool: int,
    subject: str,
) -> Verdict:
    counts = np.zeros((len(series), 0), np.int64) if series.counts is None else series.counts
    needed, total, effective, length = min_n * past.cells, 0, 0.0, 0
    while length < min(pool, at + 1) and (length == 0 or effective < needed):
        length += 1
        part = counts[at + 1 - length : at + 1]
        total = int(part.sum())
        effective = past.design.effective(total, int(np.sum(part.sum(axis=1) > 0)), length)
    if effective < needed:
        pooled = f" in {length} windows" if length > 1 else ""
        reason = f"{subject} is not judged: {rows(total)}{pooled} are worth {effective:,.0f} independent ones, "
        reason += f"{needed:,} are needed ({min_n} for each of {past.cells} cells)."
        return Verdict(State.INSUFFICIENT, None, None, None, total, reason)
    shares, size = past.mixture(part, series.time[at + 1 - length : at + 1])
    if size <= 0:
        reason = f"{subject} is not judged: the baseline has too few rows at this hour, {needed:,} effective ones are "
        return Verdict(State.INSUFFICIENT, None, None, None, total, f"{reason}needed ({min_n} for each cell).")
    seen = part.sum(axis=0)
    bias = js_bias(int(np.sum((seen > 0) | (shares > 0))), effective, size)
    bits = max(0.0, js_divergence(seen, shares) - bias)
    correlated = past.design.of_run(length) > CORRELATED
    tail = (lambda group, statistic: blocks.p(length, group, statistic)) if correlated else None
    p = p_value(seen, shares, series.labels, effective, size, tail, past.odd)
    above = bits > threshold
    fires = above and (alpha is None or p <= alpha)
    chance = "p below 1e-15" if p < 1e-15 else f"p = {p:.2g}"
    parts = [
        f"{subject} {number(bits)} bit is {'above' if above else 'within'} its limit {number(threshold)} bit "
        f"(distance {math.sqrt(bits * math.log(2)):.2g} on Evidently's scale, {chance}), {rows(total)} worth "
        f"{effective:,.0f}."
    ]
    if above and not fires and alpha is not None:
        parts.append(f"Not significant: p is above {number(alpha)}.")
    if length > 1:
        parts.append(f"The last {length} windows were taken together.")
    if past.note:
        parts.append(f"{past.note[0].upper()}{past.note[1:]}.")
    state = State.FIRE if fires else State.OK
    return Verdict(state, bits, None, threshold, total, " ".join(parts), None if alpha is None else p)
