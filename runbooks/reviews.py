"""The life of an item of the shadow review: which event leads to which state, and what verdicts add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from enum import StrEnum

from runbooks.machine import Machine


class ReviewState(StrEnum):
    """Where an item stands."""

    OPEN = "open"
    DISPUTED = "disputed"
    DECIDED = "decided"
    DISPLACED = "displaced"  # larger or luckier ones of its day came later; kept because somebody judged it


class ReviewEvent(StrEnum):
    """What can happen to an item."""

    WAIT = "wait"  # fewer than two reviewers have spoken
    CONFLICT = "conflict"  # two or more have, and no verdict has more than half of them
    AGREE = "agree"  # at least two reviewers, and more than half of all, say the same
    DISPLACE = "displace"


class Verdict(StrEnum):
    """What a reviewer says of the shadow's action beside the live one."""

    IMPROVEMENT = "improvement"
    NEUTRAL = "neutral"
    EXPLOIT = "exploit"  # it earns what is measured and not what is meant


S, E = ReviewState, ReviewEvent

# A verdict can be changed and never taken back, so that an item which two have judged never waits again.
TABLE: dict[tuple[ReviewState, ReviewEvent], ReviewState] = {
    (S.OPEN, E.WAIT): S.OPEN,
    (S.OPEN, E.CONFLICT): S.DISPUTED,
    (S.OPEN, E.AGREE): S.DECIDED,
    (S.DISPUTED, E.CONFLICT): S.DISPUTED,
    (S.DISPUTED, E.AGREE): S.DECIDED,
    (S.DECIDED, E.CONFLICT): S.DISPUTED,
    (S.DECIDED, E.AGREE): S.DECIDED,
    (S.DISPLACED, E.WAIT): S.DISPLACED,
    (S.DISPLACED, E.CONFLICT): S.DISPLACED,
    (S.DISPLACED, E.AGREE): S.DISPLACED,
    **{(state, E.DISPLACE): S.DISPLACED for state in S},
}
WAITING = frozenset({S.OPEN, S.DISPUTED})

_MACHINE = Machine("a review", ReviewState, ReviewEvent, TABLE)
step = _MACHINE.step


def decision(verdicts: Collection[str]) -> tuple[ReviewEvent, Verdict | None]:
    """Return what the verdicts of different reviewers add up to: an event, and the verdict where they agree.

    >>> decision(["neutral"])[0].value, decision(["neutral", "exploit"])[0].value
    ('wait', 'conflict')
    >>> decision(["neutral", "exploit", "neutral"])[1].value
    'neutral'
    """
    if len(verdicts) < 2:
        return ReviewEvent.WAIT, None
    first, most = Counter(verdicts).most_common(1)[0]
    if most >= 2 and 2 * most > len(verdicts):
        return ReviewEvent.AGREE, Verdict(first)
    return ReviewEvent.CONFLICT, None


def is_finding(verdicts: Collection[str]) -> bool:
    """Whether an item is an open exploit: one reviewer says so, and no majority says that it is none.

    One is enough, because the first who sees it should not have to wait for the second.

    >>> is_finding(["exploit"]), is_finding(["exploit", "neutral"]), is_finding(["exploit", "neutral", "neutral"])
    (True, True, False)
    """
    return Verdict.EXPLOIT in verdicts and decision(verdicts)[1] in {None, Verdict.EXPLOIT}
