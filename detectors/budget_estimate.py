"""A window's violation rate against its budget: the trigger violation_warn."""

from __future__ import annotations

from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import number, percent, rows, unreadable


def scan(
    series: Series,
    *,
    budget: float = 0.001,
    slack: float = 0.0005,
    min_n: int = 30,
    subject: str = "Violation rate",
) -> list[Verdict]:
    """Fire where the rate of violations in a window is above budget + slack.

    An estimate without its error: quick and honest as a warning, too jumpy to roll back on. ``budget_bound`` is the
    rule with a guarantee.

    Parameters
    ----------
    series
        ``value`` is the share of rows of each window that violate, between 0 and 1.
    budget, slack
        Allowed rate and tolerance above it.
    min_n
        Rows below which a window is INSUFFICIENT.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the rate, ``high`` is budget + slack.

    Examples
    --------
    >>> s = Series([0, 900], [0.001, 0.004], [0.001, 0.002], [1000, 1000])
    >>> [v.state.value for v in scan(s)]
    ['ok', 'fire']
    >>> scan(s)[1].reason
    'Violation rate 0.4% is 2.7 times its limit 0.15% (budget 0.1% + slack 0.05%), 1,000 decisions.'
    """
    limit = budget + slack
    terms = f"{percent(limit)} (budget {percent(budget)} + slack {percent(slack)})"
    verdicts = []
    for t in range(len(series)):
        answer = unreadable(series, t, min_n, subject)
        if answer is None:
            rate, n = float(series.value[t]), int(series.n[t])
            fires = rate > limit
            times = f"{number(float(f'{rate / limit:.2g}'))} times" if fires and limit > 0 else "above"
            reason = f"{subject} {percent(rate)} is {times if fires else 'within'} its limit {terms}, {rows(n)}."
            answer = Verdict(State.FIRE if fires else State.OK, rate, None, limit, n, reason)
        verdicts.append(answer)
    return verdicts
