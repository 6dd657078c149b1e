"""Windows whose rewards come at another speed than they did: the trigger reward_late."""

from __future__ import annotations

from detectors.series import Series
from detectors.verdict import State, Verdict
from detectors.wording import finite, rows, unreadable


def scan(series: Series, *, subject: str = "Delay of rewards") -> list[Verdict]:
    """Fire where a window is held because of when its rewards came.

    The other side of holding: rules about the reward itself say INSUFFICIENT for such a window, so that a slow pipeline
    rolls nothing back, and this one says that the pipeline is slow. Against a limit on the mean delay: where rewards
    are delivered later than they happened, those that came in time are the early ones, and their mean delay falls.

    Parameters
    ----------
    series
        Mean delay by window; ``held`` says which windows are held, and why.
    subject
        What is measured, as the sentence names it.

    Returns
    -------
    list of Verdict
        ``statistic`` is the mean delay. NO_DATA where no reward came and that is no finding.

    Examples
    --------
    >>> why = ("", "rewards take 15 min on average, 1 min before")
    >>> s = Series([0, 900], [60.0, 900.0], [1.0, 9.0], [50, 40], held=why)
    >>> [v.state.value for v in scan(s)]
    ['ok', 'fire']
    >>> scan(s)[1].reason
    'Delay of rewards has changed: rewards take 15 min on average, 1 min before, 40 decisions.'
    """
    verdicts = []
    for t, n in enumerate(series.n.tolist()):
        why = series.held[t] if series.held else ""
        if why:
            reason = f"{subject} has changed: {why}, {rows(max(n, 0))}."
            delay = finite(float(series.value[t])) if n > 0 else None
            verdicts.append(Verdict(State.FIRE, delay, None, None, max(n, 0), reason))
            continue
        answer = unreadable(series, t, 1, subject)
        reason = f"{subject} is as in the baseline, {rows(n)}."
        verdicts.append(answer or Verdict(State.OK, float(series.value[t]), None, None, n, reason))
    return verdicts
