"""How many times too fast a budget of violations is being used, over a long and a short span."""

from __future__ import annotations

import math

import numpy as np

from detectors.design_effect import DesignEffect
from detectors.exact_rate import design_of, exact_bounds, not_a_rate
from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import number, percent, rows, unreadable

SHORT = 12
"""The short span is this part of the long one, as in the SRE workbook."""


def scan(
    series: Series,
    *,
    budget: float = 0.001,
    threshold: float = 6.0,
    lookback: int = 24,
    alpha: float = 0.001,
    min_n: int = 30,
    subject: str = "Violation rate",
) -> list[Verdict]:
    """Fire where the budget burns ``threshold`` times too fast over the long span and still does over the short one.

    A burn rate of 1 uses the budget up exactly when its period ends, 6 in a sixth of it. Against ``budget_estimate``,
    whose single windows jump: the long span says that it matters, the short one that it is not over yet, so the warning
    ends soon after its cause. Against ``budget_bound``, which asks whether the budget is broken at all and never
    forgets: this one says how urgent it is. At low traffic one violation is a burn rate of ten; the long span must
    therefore also be above the budget by an exact binomial test.

    Parameters
    ----------
    series
        ``value`` is the share of rows of each window that violate, between 0 and 1. A baseline of 30 windows tells how
        many independent rows correlated ones are worth; without it rows count as independent.
    budget
        Allowed rate.
    threshold
        Burn rate from which it fires. With 15-minute windows 24 of them (6 hours) at 6 use 5% of a 30-day budget.
    lookback
        Windows of the long span; the short one is a twelfth of it, at least one window.
    alpha
        Level of the exact test.
    min_n
        Rows that the long span must have.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the smaller of the two burn rates, ``high`` is ``threshold``.

    Raises
    ------
    ValueError
        If ``budget`` is not a rate below 1, or ``lookback`` or ``threshold`` is below 1.

    References
    ----------
    Beyer, B. et al. (2018). The Site Reliability Workbook, chapter 5: alerting on SLOs.

    Examples
    --------
    >>> rates = np.repeat([0.001, 0.02, 0.001], [40, 10, 10])
    >>> verdicts = scan(Series(np.arange(60) * 900.0, rates, np.zeros(60), np.full(60, 2000)))
    >>> [t for t, v in enumerate(verdicts) if v.state.value == "fire"]
    [46, 47, 48, 49, 50]
    >>> verdicts[49].reason
    'Violation rate 2% burns its budget 0.1% 8.9 times too fast over 24 windows and 20 over the last 2 (limit 6), 48,000 decisions.'
    """  # noqa: E501
    if not 0 <= budget < 1:
        raise ValueError(f"budget = {budget} must be a rate below 1")
    if lookback < 1 or not threshold >= 1:
        raise ValueError(f"lookback = {lookback} and threshold = {threshold} must be at least 1")
    allowed, short = max(budget, 1e-9), math.ceil(lookback / SHORT)
    answers = [not_a_rate(series, t, subject) or unreadable(series, t, 1, subject) for t in range(len(series))]
    read = np.array([answer is None for answer in answers], dtype=bool)
    n = np.where(read, series.n, 0).astype(np.float64)
    hits = np.where(read, series.value, 0.0) * n
    design = design_of(series.baseline)
    for t in np.flatnonzero(read).tolist():
        answers[t] = _judge(hits, n, t, lookback, short, allowed, threshold, alpha, min_n, design, subject)
    return [answer for answer in answers if answer is not None]


def _judge(
    hits: np.ndarray, n: np.ndarray, t: int, lookback: int, short: int, allowed: float, threshold: float, alpha: float,
    min_n: int, design: DesignEffect, subject: str,
) -> Verdict:  # fmt: skip
    long, last = slice(max(0, t - lookback + 1), t + 1), slice(max(0, t - short + 1), t + 1)
    total = float(np.sum(n[long]))
    if total < min_n:
        reason = f"{subject} is not judged on {rows(int(total))} in {lookback} windows: at least {min_n:,} are needed."
        return Verdict(State.INSUFFICIENT, None, None, None, int(total), reason)
    # A shorter past than the long span counts as if the rest had kept the budget: a burn rate is a share of a period.
    missing = max(0, lookback - (t + 1)) * total / (t + 1)
    slow = (float(np.sum(hits[long])) + missing * allowed) / (total + missing) / allowed
    fast = float(np.sum(hits[last])) / float(np.sum(n[last])) / allowed
    burn = min(slow, fast)
    rate = float(np.sum(hits[long])) / total
    low = exact_bounds(rate, design.effective(total, int(np.count_nonzero(n[long]))), 2 * alpha)[0]
    fires = burn >= threshold and low > allowed
    text = (
        f"{subject} {percent(hits[t] / n[t])} burns its budget {percent(allowed)} {number(float(f'{slow:.2g}'))} times "
        f"{'too' if slow > 1 else 'as'} fast over {lookback} windows and {number(float(f'{fast:.2g}'))} over the last "
        f"{short} (limit {number(threshold)}), {rows(int(total))}."
    )
    if burn >= threshold and not fires:
        text += " So few violations can be chance, so it does not count."
    return Verdict(State.FIRE if fires else State.OK, min(burn, 1e12), None, float(threshold), int(total), text)
