"""Judging a stage: pass, inconclusive, error or fail, each with its reasons; what was not measured never passes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from monitor.rollouts import evidence
from monitor.rollouts.comparison import Comparison, compare
from monitor.rollouts.hold import progress, sealed_of
from monitor.rollouts.store import approved, plan_of
from monitor.rollouts.triggers import seen
from monitor.settings import Settings
from monitor.store.tables import actions, incidents
from runbooks.actions import UNFINISHED

Verdict = Literal["pass", "inconclusive", "error", "fail"]


@dataclass(frozen=True)
class Judgement:
    """One judgement: the verdict, sentences that say why, and everything that it rests on, with its digest."""

    verdict: Verdict
    reasons: tuple[str, ...]
    body: dict[str, Any]
    digest: str


@dataclass
class Grounds:
    """What speaks for and against a stage, in sentences, by what it does to the verdict."""

    failing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def verdict(self) -> tuple[Verdict, tuple[str, ...]]:
        """Return the worst of what was found: a failure before a fault, a fault before a doubt."""
        if self.failing:
            return "fail", tuple(self.failing)
        if self.broken:
            return "error", (*self.broken, *self.doubts)
        if self.doubts:
            return "inconclusive", tuple(self.doubts)
        return "pass", tuple(self.notes)


def obstacles(connection: Connection, settings: Settings, row: Row[Any]) -> list[str]:
    """Return what forbids raising a rollout's exposure now, as sentences: triggers, an open incident, actions."""
    stage = plan_of(row).stages[row.stage]
    found = seen(connection, settings, row, live=stage > 0)
    return [*found.failing, *found.doubts, *unsettled(connection, row.policy)]


def judge(connection: Connection, settings: Settings, row: Row[Any], baked: float) -> Judgement:
    """Judge the stage of a rollout from what is sealed now; reads, writes nothing.

    Parameters
    ----------
    connection, settings
        A read transaction and the configuration.
    row
        The rollout; its stage has begun.
    baked
        Seconds of the hold that have passed by the clock.
    """
    plan = plan_of(row)
    share, until = plan.stages[row.stage], sealed_of(connection, row.policy)
    held = progress(connection, settings, row, baked)
    told = seen(connection, settings, row, live=share > 0)
    grounds = Grounds(failing=list(told.failing), doubts=list(told.doubts))
    grounds.doubts += unsettled(connection, row.policy)
    if held.decisions < plan.min_decisions:
        few = f"{row.candidate} has {held.decisions:,} mature decisions in this stage, and {plan.min_decisions:,} are"
        grounds.doubts.append(f"{few} asked for.")
    compared = _compared(connection, settings, row, share, until, grounds) if 0 < share < 1 else None
    if share >= 1 and not told.well:
        grounds.doubts.append(f"No trigger has judged {row.candidate} and found it well.")
    if share >= 1:
        grounds.notes.append("Nothing serves beside it, so that its triggers alone judge it.")
    valued = _valued(connection, settings, row, grounds)
    verdict, reasons = grounds.verdict()
    body = {
        "rollout": row.id, "stage": row.stage, "share": share, "verdict": verdict, "reasons": list(reasons),
        "begin": row.begin, "until": until, "decisions": held.decisions, "triggers_well": told.well,
        "hold": {"seconds": held.hold, "by_data": held.by_data, "by_clock": held.by_clock},
        "comparison": compared, "off_policy": valued,
    }  # fmt: skip
    body = _finite(body)
    return Judgement(verdict, reasons, body, evidence.digest(body))


def unsettled(connection: Connection, policy: str) -> list[str]:
    """Return what is open about a policy, as sentences: incidents, and actions that are not finished."""
    opened = select(incidents.c.id).where(incidents.c.policy == policy, incidents.c.closed.is_(None))
    found = [f"Incident {identity} is open." for identity in connection.execute(opened).scalars()]
    left = select(actions.c.kind, actions.c.state).where(actions.c.policy == policy, actions.c.state.in_(UNFINISHED))
    return found + [f"A {row.kind} is {row.state}, and not confirmed." for row in connection.execute(left)]


def _compared(
    connection: Connection, settings: Settings, row: Row[Any], share: float, until: float, grounds: Grounds
) -> dict[str, Any] | None:
    """Compare with the incumbent that serves beside it, from when the share was shown until where the log is sealed.

    What is not sealed is not asked for: a stage that runs would never be mature. By the rules that were approved.
    """
    shares = {row.candidate: share, row.incumbent: 1.0 - share}
    versions = (row.candidate, row.incumbent)
    try:
        found = compare(connection, approved(settings, row), row.policy, *versions, row.begin, until, shares)
    except (ValueError, ArithmeticError) as error:
        grounds.broken.append(f"The comparison failed: {error}")
        return None
    weigh(found, *versions, grounds)
    shown = {name: getattr(found, name) for name in ("effect", "low", "high", "n_candidate", "n_incumbent", "ratio_p")}
    told = {"matured": found.matured, "verdict": found.verdict, "reasons": list(found.reasons), "body": found.body}
    return {**shown, **told}


def weigh(found: Comparison, candidate: str, incumbent: str, grounds: Grounds) -> None:
    """Note what a comparison says; one without numbers never speaks for the candidate, whatever it is called."""
    said = list(found.reasons)
    measured = (found.effect, found.low, found.high)
    whole = all(one is not None and math.isfinite(one) for one in measured)
    if found.verdict in ("better", "no_worse") and whole and min(found.n_candidate, found.n_incumbent) > 0:
        grounds.notes += said
    elif found.verdict in ("better", "no_worse"):
        grounds.broken.append("The comparison measured nothing: what was not measured does not pass.")
    elif found.verdict == "worse":
        grounds.failing += said or [f"{candidate} is worse than {incumbent}."]
    elif found.verdict == "inconclusive":
        grounds.doubts += said or ["The comparison is inconclusive."]
    else:
        grounds.broken += said or ["The comparison failed."]


def _valued(connection: Connection, settings: Settings, row: Row[Any], grounds: Grounds) -> dict[str, Any] | None:
    """Look at the off-policy value of a version that is configured as a candidate; it holds, and never rolls back."""
    estimates = evidence.newest_estimate(connection, settings, row.policy, row.candidate)
    if estimates is None:
        return None
    difference = evidence.newest_difference(connection, settings, row.policy, row.candidate, row.incumbent)
    if not any(one["value"] is not None for one in estimates):
        grounds.doubts.append(f"The candidate {row.candidate} has no off-policy estimate.")
    elif all(one["trust"] == "refused" for one in estimates):
        grounds.doubts.append(
            f"The off-policy estimates of {row.candidate} are refused: the log cannot tell its value."
        )
    elif difference is not None and difference["anytime_high"] is not None and difference["anytime_high"] < 0:
        grounds.doubts.append(f"By its off-policy value {row.candidate} is worse than {row.incumbent}.")
    return {"estimates": estimates, "difference": difference}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return evidence.finite(value)
