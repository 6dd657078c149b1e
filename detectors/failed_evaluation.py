"""Another trigger that cannot be evaluated: the trigger evaluation_error."""

from __future__ import annotations

import math

from detectors.series import Series
from detectors.verdict import State, Verdict


def scan(series: Series, *, subject: str = "The trigger") -> list[Verdict]:
    """Fire where another trigger's evaluation failed in a window.

    Against ``one_event``, which counts decisions: here a row is one series of the other trigger, and what happened is
    that our own code, or a summary that it reads, is broken. No statistics: a trigger that says nothing protects
    nothing, whatever the reason.

    Parameters
    ----------
    series
        ``value`` is how many series of the other trigger failed in each of its windows, ``n`` how many were judged.
    subject
        The other trigger, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the count; a window in which nothing was evaluated is NO_DATA.

    Examples
    --------
    >>> s = Series([0, 900], [0, 2], [0, 0], [5, 5])
    >>> [verdict.state.value for verdict in scan(s, subject="state_drift")]
    ['ok', 'fire']
    >>> scan(s, subject="state_drift")[1].reason
    'state_drift could not judge 2 of 5 series in this window.'
    """
    verdicts = []
    for t in range(len(series)):
        failed, judged = float(series.value[t]), int(series.n[t])
        if judged < 1 or not math.isfinite(failed):
            reason = f"{subject} was not evaluated in this window."
            verdicts.append(Verdict(State.NO_DATA, None, None, None, 0, reason))
            continue
        word = f"could not judge {failed:,.0f} of" if failed >= 1 else "judged"
        reason = f"{subject} {word} {judged:,} series in this window."
        verdicts.append(Verdict(State.FIRE if failed >= 1 else State.OK, failed, None, 0.0, judged, reason))
    return verdicts
