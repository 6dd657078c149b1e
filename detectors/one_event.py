"""One event is one too many: the triggers hard_constraint and irreversible_action."""

from __future__ import annotations

import math

from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import rows, unreadable


def scan(series: Series, *, subject: str = "Forbidden events") -> list[Verdict]:
    """Fire where a window holds at least one event.

    No statistics: where one event cannot be undone there is no rate to estimate. ``budget_bound`` is the rule for
    events that have a budget.

    Parameters
    ----------
    series
        ``value`` is the number of events in each window.
    subject
        What is counted, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the count. An event counts even in a window without rows: the row that carried it may have
        been quarantined.

    Examples
    --------
    >>> s = Series([0, 60, 120], [0, 2, float("nan")], [0, 0, 0], [50, 60, 0])
    >>> [v.state.value for v in scan(s)]
    ['ok', 'fire', 'no_data']
    >>> scan(s)[1].reason
    'Forbidden events: 2 in this window of 60 decisions; none is allowed.'
    """
    verdicts = []
    for t in range(len(series)):
        count, n = float(series.value[t]), max(0, int(series.n[t]))
        if math.isfinite(count) and count >= 1:
            reason = f"{subject}: {count:,.0f} in this window of {rows(n)}; none is allowed."
            verdicts.append(Verdict(State.FIRE, count, None, 0.0, n, reason))
            continue
        answer = unreadable(series, t, 1, subject)
        reason = f"{subject}: none in {rows(n)}."
        verdicts.append(answer or Verdict(State.OK, count, None, 0.0, n, reason))
    return verdicts
