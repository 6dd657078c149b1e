"""A candidate that was good for days and collapses now: the last hours alone, which the whole stage would dilute.

The comparison of a stage is over all of it, so that after six good days a collapse takes hours to show in the mean.
Here the stage is also cut into spans of 15 minutes to a day, the shortest that holds enough decisions, and the newest
two are compared alone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from monitor.comparing.rules import LEAST
from monitor.rollouts import evidence
from monitor.rollouts.comparison import compare
from monitor.rollouts.hold import sealed_of
from monitor.rollouts.judge import Judgement
from monitor.rollouts.judge import judge as judge_stage
from monitor.rollouts.store import plan_of
from monitor.settings import Settings
from monitor.settings.comparing import Comparing

SPANS = (900.0, 3600.0, 6 * 3600.0, 86400.0)
PART = 0.1  # of alpha: by how much more often than alpha a stage that is fine may be rolled back because of these


def level(alpha: float, number: int) -> float:
    """Return the level of the ``number``-th span of one length, from 1; those of all spans add up to a tenth of alpha.

    >>> total = sum(4 * level(0.05, number) for number in range(1, 10_000))
    >>> 0.0049 < total < 0.005
    True
    """
    return PART * alpha / (len(SPANS) * number * (number + 1))


def judge(connection: Connection, settings: Settings, row: Row[Any], baked: float) -> Judgement:
    """Judge the stage of a rollout as a whole; where that does not fail, fail it for what its newest spans show."""
    whole = judge_stage(connection, settings, row, baked)
    if whole.verdict == "fail":
        return whole
    reasons, basis = worse(connection, settings, row, whole.body["decisions"])
    if not reasons:
        return whole
    body = {**whole.body, "verdict": "fail", "reasons": list(reasons), "lately": basis}
    return Judgement("fail", reasons, body, evidence.digest(body))


def span_of(decisions: int, lasted: float) -> float:
    """Return the shortest span that holds enough of the candidate's decisions to be compared, else the longest.

    >>> span_of(16000, 36000.0), span_of(4000, 36000.0), span_of(0, 36000.0)
    (900.0, 3600.0, 86400.0)
    """
    enough = (span for span in SPANS if decisions * span >= 2 * LEAST * lasted)
    return next(enough, SPANS[-1])


def worse(
    connection: Connection, settings: Settings, row: Row[Any], decisions: int
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return why the candidate is worse than the incumbent in the newest spans, and on what that rests.

    Nothing where it is not, or cannot be told: only harm is looked for. By the rules that were approved. The span
    before the newest is looked at up to now too: the newest has just begun, or the collapse was at its end.
    """
    share, until = plan_of(row).stages[row.stage], sealed_of(connection, row.policy)
    if row.begin is None or not 0 < share < 1 or until <= row.begin:
        return (), {}
    rules = Comparing.model_validate(plan_of(row).comparison)
    shares = {row.candidate: share, row.incumbent: 1.0 - share}
    span = span_of(decisions, until - row.begin)
    newest = int((until - row.begin) // span)
    for number in (newest, newest - 1):
        begin = row.begin + number * span
        if number < 1 or begin >= until:
            continue  # the whole stage, which is compared anyway, or nothing yet
        strict = rules.model_copy(update={"alpha": level(rules.alpha, number)})
        own = settings.policy[row.policy].model_copy(update={"comparison": strict})
        asked = settings.model_copy(update={"policy": {**settings.policy, row.policy: own}})
        try:
            found = compare(connection, asked, row.policy, row.candidate, row.incumbent, begin, until, shares)
        except (ValueError, ArithmeticError):
            continue  # the comparison of the whole stage says what is wrong
        if found.verdict == "worse":
            basis = {"effect": found.effect, "low": found.low, "high": found.high, "alpha": strict.alpha}
            basis |= {
                "begin": begin,
                "until": until,
                "n_candidate": found.n_candidate,
                "n_incumbent": found.n_incumbent,
            }
            return found.reasons, {name: evidence.finite(value) for name, value in basis.items()}
    return (), {}
