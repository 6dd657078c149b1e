"""A window's violation rate against its budget: the trigger violation_warn."""

from __future__ import annotations

from detectors.exact_rate import design_of, exact_bounds, not_a_rate
from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import number, percent, rows, unreadable


def scan(
    series: Series,
    *,
    budget: float = 0.001,
    slack: float = 0.0005,
    min_n: int = 30,
    alpha: float | None = None,
    subject: str = "Violation rate",
) -> list[Verdict]:
    """Fire where the rate of violations in a window is above budget + slack.

    An estimate: quick and honest as a warning, too jumpy to roll back on; the sentence gives its exact interval. With
    ``alpha`` it fires only where one window alone shows it. ``budget_bound`` is the rule with a guarantee for a run of
    windows, ``burn_rate`` the one that says how urgent it is.

    Parameters
    ----------
    series
        ``value`` is the share of rows of each window that violate, between 0 and 1.
    budget, slack
        Allowed rate and tolerance above it.
    min_n
        Rows below which a window is INSUFFICIENT.
    alpha
        Fire only where the exact (Clopper-Pearson) lower limit of that level is above budget + slack too. Rows that
        follow each other count as fewer, by a design effect from a baseline of 30 windows.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the rate, ``high`` is budget + slack.

    Raises
    ------
    ValueError
        If alpha is not a probability.

    Examples
    --------
    >>> s = Series([0, 900], [0.001, 0.004], [0.001, 0.002], [1000, 1000])
    >>> [v.state.value for v in scan(s)]
    ['ok', 'fire']
    >>> scan(s)[1].reason
    'Violation rate 0.4% is 2.7 times its limit 0.15% (budget 0.1% + slack 0.05%), 95% interval 0.109% to 1.021%, 1,000 decisions.'
    """  # noqa: E501
    if alpha is not None and not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha} must be a probability between 0 and 1")
    design = design_of(series.baseline)
    limit = budget + slack
    terms = f"{percent(limit)} (budget {percent(budget)} + slack {percent(slack)})"
    verdicts = []
    for t in range(len(series)):
        answer = not_a_rate(series, t, subject) or unreadable(series, t, min_n, subject)
        if answer is None:
            rate, n = float(series.value[t]), int(series.n[t])
            effective = design.effective(float(n))
            low, high = exact_bounds(rate, effective, 0.05)
            fires = rate > limit and (alpha is None or exact_bounds(rate, effective, 2 * alpha)[0] > limit)
            times = f"{number(float(f'{rate / limit:.2g}'))} times" if limit > 0 else "above"
            interval = f"95% interval {percent(low)} to {percent(high)}"
            place = times if rate > limit else "within"
            reason = f"{subject} {percent(rate)} is {place} its limit {terms}, {interval}, {rows(n)}."
            if rate > limit and not fires:
                reason += " So few violations can be chance, so it does not count."
            answer = Verdict(State.FIRE if fires else State.OK, rate, None, limit, n, reason)
        verdicts.append(answer)
    return verdicts
