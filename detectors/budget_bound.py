"""An anytime-valid lower bound of a violation rate against its budget: the trigger violation_budget."""

from __future__ import annotations

import math

import numpy as np

from detectors.exact_rate import design_of, not_a_rate
from detectors.long_run_variance import MIN_WINDOWS
from detectors.series import Floats, Series
from detectors.verdict import State, Verdict
from detectors.wording import number, percent, rows, unreadable

_MULTIPLES = np.array([1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0])
_RATES = np.array([0.01, 0.1, 0.5])


def bets(limit: float) -> Floats:
    """Return the fixed grid of bets lambda against "rate <= limit".

    Each is the best bet (Kelly, 1956) against one alternative rate, (rate - limit) / (1 - limit): multiples of
    the limit from 1.1 to 100, and 1%, 10% and 50% for limits near nought.

    Parameters
    ----------
    limit
        m0, between 0 and 1.

    Examples
    --------
    >>> bets(0.5).round(2).tolist()
    [0.1, 0.25, 0.5, 0.98]
    """
    rates = np.concatenate([limit * _MULTIPLES, _RATES])
    rates = np.unique(np.minimum(rates[rates > limit * 1.05], 1 - 0.02 * (1 - limit)))
    return np.asarray((rates - limit) / (1 - limit))


def evidence(rate: Floats, weight: Floats, limits: Floats, grid: Floats) -> Floats:
    """Return log M of the e-detector after each window, for each limit.

    Inside a window log e(lambda) = V log(1 - lambda + lambda / m0) + (n - V) log(1 - lambda) adds up over rows; across
    windows M = e (M + 1) for each bet, averaged over the bets, so that E[M] <= windows under the null and the mean
    run length to M >= 1/alpha is at least 1/alpha windows. For rewards or costs inside [0, 1] the same expression
    is a lower bound of the evidence (log is concave).

    Parameters
    ----------
    rate
        Rate of each window, shape (T,).
    weight
        Effective rows of each window, shape (T,); a window of weight 0 changes nothing.
    limits
        m0 for which M is followed, shape (m,).
    grid
        Bets, shape (b,).

    References
    ----------
    Shin, J., Ramdas, A. and Rinaldo, A. (2023). E-detectors: a nonparametric framework for sequential change
    detection. New England Journal of Statistics in Data Science 2, 229-260.

    Examples
    --------
    >>> path = evidence(np.array([0.0, 0.5]), np.array([10.0, 10.0]), np.array([0.1]), bets(0.1))
    >>> bool(path[0, 0] < 0 < path[1, 0])
    True
    """
    return _follow(rate, weight, limits, grid, None)[0]


def _follow(rate: Floats, weight: Floats, limits: Floats, grid: Floats, state: Floats | None) -> tuple[Floats, Floats]:
    """Return ``evidence`` after each window, and log M of each bet and limit after the last one, shape (b, m)."""
    hit = np.log1p(grid[:, None] * (1 - limits) / limits)
    miss = np.log1p(-grid)[:, None]
    state = np.full(hit.shape, -np.inf) if state is None else state
    path = np.full((len(rate), len(limits)), -np.inf)
    for t, (x, n) in enumerate(zip(rate.tolist(), weight.tolist(), strict=True)):
        if n > 0:
            state = n * (x * hit + (1 - x) * miss) + np.logaddexp(state, 0.0)
        path[t] = np.logaddexp.reduce(state, axis=0) - math.log(len(grid))
    return path, state


def scan(
    series: Series,
    *,
    budget: float = 0.001,
    slack: float = 0.0005,
    alpha: float = 0.001,
    run_length: float | None = None,
    subject: str = "Violation rate",
) -> list[Verdict]:
    """Fire when the evidence since the reset says that the rate of violations is above budget + slack.

    Against ``budget_estimate``, whose single windows jump: this rule may be looked at after every window, and its
    mean run length without a fault is at least 1/alpha windows at a rate of exactly budget + slack; at a healthy
    rate below the budget it is far longer. Against Hoeffding or normal bounds: it knows that rare events are rare.

    **Assumption**: E[violation | past] <= budget + slack row by row. Rows that follow each other break it (at an
    autocorrelation of 0.3 / 0.6 / 0.9 a run length of 10,985 falls to 1,353 / 227 / 66). A window therefore bets with
    effective rows only, n / design effect, estimated from the ordered windows of the baseline (long-run variance of
    the rate against the binomial one, at least 1); the guarantee is then approximate, as good as that estimate.
    Without 30 baseline windows rows count as independent and the reason says so.

    Parameters
    ----------
    series
        ``value`` is the share of rows of each window that violate, between 0 and 1.
    budget, slack
        Allowed rate and tolerance above it.
    alpha
        One over the guaranteed mean run length in windows.
    run_length
        The guaranteed mean run length itself, in place of ``alpha``: 1,000 windows of 15 minutes are ten days, so a
        rule that rolls back takes it from its share of the false-rollback budget.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the lower bound of the rate: the largest rate against which the evidence has reached 1/alpha;
        ``high`` is budget + slack. FIRE exactly where the bound has reached the limit.

    Raises
    ------
    ValueError
        If budget + slack is not below 1, alpha is not a probability, or run_length is not above 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rates = np.append(rng.binomial(2000, 0.001, 20), rng.binomial(2000, 0.01, 4)) / 2000
    >>> verdicts = scan(Series(np.arange(24) * 900.0, rates, np.zeros(24), np.full(24, 2000)))
    >>> [v.state.value for v in verdicts[18:22]]
    ['ok', 'ok', 'ok', 'fire']
    """
    return resume(series, None, budget=budget, slack=slack, alpha=alpha, run_length=run_length, subject=subject)[0]


def resume(
    series: Series,
    carried: Floats | None,
    *,
    budget: float = 0.001,
    slack: float = 0.0005,
    alpha: float = 0.001,
    run_length: float | None = None,
    subject: str = "Violation rate",
) -> tuple[list[Verdict], Floats]:
    """Scan the windows that follow those of an earlier call, and return what the next one needs.

    ``scan`` is this with nothing carried; parameters are the same. What is carried is the evidence of every bet.

    Examples
    --------
    >>> s = Series(np.arange(4) * 900.0, np.full(4, 0.01), np.zeros(4), np.full(4, 500))
    >>> first, carried = resume(s.window(0, 3), None)
    >>> first + resume(s.window(3), carried)[0] == scan(s)
    True
    """
    limit = max(budget + slack, 1e-9)
    if min(budget, slack) < 0 or limit >= 1:
        raise ValueError(f"budget = {budget} plus slack = {slack} must be a rate below 1")
    if run_length is not None:
        if not (math.isfinite(run_length) and run_length > 1):
            raise ValueError(f"run_length = {run_length} must be a number of windows above 1")
        alpha = 1 / run_length
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha} must be a probability between 0 and 1")
    answers = [not_a_rate(series, t, subject) or unreadable(series, t, 1, subject) for t in range(len(series))]
    design = design_of(series.baseline)
    effective = [
        design.effective(float(n)) if answer is None else 0.0 for n, answer in zip(series.n, answers, strict=True)
    ]
    limits = np.unique(np.concatenate([np.minimum(limit * np.geomspace(0.01, 100, 41), 0.999), [limit]]))
    at = int(np.searchsorted(limits, limit))
    path, state = _follow(series.value, np.array(effective), limits, bets(limit), carried)
    wall = math.log(1 / alpha)
    note = f" Correlated rows count as {design.of_run():.2g} times fewer." if design.of_run() >= 1.05 else ""
    if design.windows < MIN_WINDOWS:
        note = " Rows count as independent: no baseline is long enough to tell."
    terms = f"{percent(limit)} (budget {percent(budget)} + slack {percent(slack)})"
    for t, answer in enumerate(answers):
        if answer is not None:
            continue
        fires, n, bound = bool(path[t, at] >= wall), int(series.n[t]), lower_bound(limits, path[t], wall)
        rate = float(series.value[t])
        burn = f", {number(float(f'{rate / budget:.2g}'))} times the budget," if rate > budget > 0 else ""
        odds = number(math.exp(path[t, at])) if path[t, at] < math.log(1e6) else "over a million"
        reason = (
            f"{subject} {percent(rate)}{burn} in this window of {rows(n)}; since the reset it is at least "
            f"{percent(bound)}, {'above' if fires else 'within'} its limit {terms}, with evidence {odds} to 1 "
            f"(fires at {number(1 / alpha)}).{note}"
        )
        answers[t] = Verdict(State.FIRE if fires else State.OK, bound, None, limit, n, reason)
    return [answer for answer in answers if answer is not None], state


def lower_bound(limits: Floats, log_evidence: Floats, wall: float) -> float:
    """Return the largest rate against which the evidence has reached the wall, 0 where there is none.

    Evidence falls as the rate that is tested rises; between grid points it is interpolated in logarithms.

    Examples
    --------
    >>> lower_bound(np.array([0.01, 0.1]), np.array([9.0, 5.0]), 7.0).__round__(4)
    0.0316
    """
    passed = np.flatnonzero(log_evidence >= wall)
    if len(passed) == 0:
        return 0.0
    last = int(passed[-1])
    if last == len(limits) - 1:
        return float(limits[last])
    part = (log_evidence[last] - wall) / (log_evidence[last] - log_evidence[last + 1])
    return float(limits[last] * (limits[last + 1] / limits[last]) ** part)
