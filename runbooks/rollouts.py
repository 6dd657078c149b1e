"""The life of a rollout: which event leads from which phase to which; the stage it is in stands beside the phase.

Stages come from the configuration, so that the table is over phases and says for every one what a stage may do:
applying -> baking -> judging -> passed, or held, or rolling back.
"""

from __future__ import annotations

from enum import StrEnum

from runbooks.machine import Machine


class Phase(StrEnum):
    """Where a rollout stands in its stage."""

    DRAFT = "draft"
    APPROVED = "approved"
    APPLYING = "applying"  # the share was asked for; the serving side and the log do not show it yet
    BAKING = "baking"  # the hold
    JUDGING = "judging"
    PASSED = "passed"  # waits for people
    INCONCLUSIVE = "inconclusive"  # held: too little was measured
    ERROR = "error"  # held: it could not be measured
    PAUSED = "paused"
    ROLLING_BACK = "rolling_back"  # judged worse; the route has not moved yet
    ABORTING = "aborting"
    STABLE = "stable"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"


class RolloutEvent(StrEnum):
    """What can happen to a rollout."""

    APPROVE = "approve"  # by as many different people as are needed
    ADVANCE = "advance"  # the next stage's share is asked for
    APPLIED = "applied"  # the decision log shows the share
    HELD = "held"  # the hold is over, by the data and by the monotonic clock
    PASSES = "passes"
    DOUBT = "doubt"  # inconclusive
    BREAK = "break"  # an error instead of a measurement
    FAIL = "fail"
    FINISH = "finish"  # the last stage passed
    STALE = "stale"  # nobody looked for a while: judge again
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    STOPPED = "stopped"  # what was aborted has no traffic any more
    ROLL_BACK = "roll_back"  # the candidate was rolled back, by whomever
    OVERTAKE = "overtake"  # the route was moved by something else


S, E = Phase, RolloutEvent
TERMINAL = frozenset({S.STABLE, S.ABORTED, S.ROLLED_BACK})
OPEN = frozenset(S) - TERMINAL
WAITING = frozenset({S.INCONCLUSIVE, S.ERROR})  # judged again and again
_JUDGED = (S.JUDGING, S.PASSED, *sorted(WAITING))

# A pair that is not here cannot happen. From a pause it goes on at `applying`: what the traffic did meanwhile is looked
# at before another second counts, and a judgement of before is judged anew.
TABLE: dict[tuple[Phase, RolloutEvent], Phase] = {
    (S.DRAFT, E.APPROVE): S.APPROVED,
    (S.APPROVED, E.ADVANCE): S.APPLYING,
    (S.APPLYING, E.APPLIED): S.BAKING,
    (S.BAKING, E.HELD): S.JUDGING,
    (S.PASSED, E.ADVANCE): S.APPLYING,
    (S.PASSED, E.STALE): S.JUDGING,
    (S.JUDGING, E.FINISH): S.STABLE,
    (S.INCONCLUSIVE, E.FINISH): S.STABLE,
    (S.ERROR, E.FINISH): S.STABLE,
    (S.PAUSED, E.RESUME): S.APPLYING,
}
TABLE |= {(phase, E.PASSES): S.PASSED for phase in _JUDGED}
TABLE |= {(phase, E.DOUBT): S.INCONCLUSIVE for phase in _JUDGED}
TABLE |= {(phase, E.BREAK): S.ERROR for phase in _JUDGED}
TABLE |= {(phase, E.FAIL): S.ROLLING_BACK for phase in (S.BAKING, S.PAUSED, *_JUDGED)}
TABLE |= {(phase, E.PAUSE): S.PAUSED for phase in (S.APPLYING, S.BAKING, *_JUDGED)}
TABLE |= {(phase, E.ABORT): S.ABORTING for phase in OPEN}
TABLE |= {(phase, E.ROLL_BACK): S.ROLLED_BACK for phase in OPEN}
TABLE |= {(phase, E.OVERTAKE): S.ABORTED for phase in OPEN}
TABLE |= {(S.ABORTING, E.STOPPED): S.ABORTED, (S.ABORTING, E.ROLL_BACK): S.ABORTED}

_MACHINE = Machine("a rollout", Phase, RolloutEvent, TABLE)
step = _MACHINE.step
