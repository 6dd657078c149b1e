"""Raising exposure takes two people: each shows a token of their own, anew, and agrees to the same bytes.

An approval is bound to a digest: of the draft's evidence, or of the judgement that lets a stage advance. What has
changed since a person looked is not what the person agreed to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from monitor import events
from monitor.acting import rollback
from monitor.clock import Clock
from monitor.rollouts import apply, evidence
from monitor.rollouts.draft import limitation, person_of
from monitor.rollouts.hold import pause_of
from monitor.rollouts.judge import obstacles
from monitor.rollouts.store import RolloutError, change, changed, of_identity, plan_of, write
from monitor.settings import Settings
from monitor.store.tables import rollout_approvals
from monitor.tokens import Bearer
from runbooks.rollouts import Phase, RolloutEvent


@dataclass(frozen=True)
class Agreed:
    """What came of an approval; ``refused`` is a sentence where the evidence had changed, and what of it."""

    row: Row[Any]
    sentence: str
    refused: bool = False
    changed: list[str] = field(default_factory=list)


def approve(
    connection: Connection, settings: Settings, clock: Clock, identity: int, bearer: Bearer, digest: str
) -> Agreed:
    """Approve a draft as one person, inside the caller's write transaction.

    Where the evidence has changed the draft gets the new one and nobody has approved it yet: the answer says what
    changed, and the transaction is to be committed.

    Raises
    ------
    RolloutError
        If there is no such draft, the digest is another one, or this person may not approve or has.
    """
    person = person_of(bearer, "approve")
    row, _route = _held(connection, settings, clock, identity, Phase.DRAFT, "approved")
    alone = plan_of(row).needed == 1
    if person == row.author and not alone:
        raise RolloutError("forbidden", f"{person} started rollout {row.id}: somebody else approves it")
    found = evidence.gather(connection, settings, row.policy, row.candidate, row.incumbent)
    fresh = evidence.digest(found)
    if fresh != row.evidence_sha256:
        what = changed(json.loads(row.evidence), found)
        plan = events.canonical(found["plan"])
        told = {"evidence": events.canonical(found), "evidence_sha256": fresh, "plan": plan}
        told["limitation"] = limitation(settings, row.policy)  # the file may ask for one person now, or for two
        moved = write(connection, row, **told, moves=row.moves + 1)
        sentence = f"The evidence has changed ({', '.join(what)}); look at it and approve {fresh}. Nobody has yet."
        body = {"rollout": row.id, "old": row.evidence_sha256, "new": fresh, "changed": what, "text": sentence}
        events.record(connection, clock, "rollout.evidence_changed", row.policy, f"person:{person}", body)
        return Agreed(moved, sentence, True, what)
    people = _agree(connection, clock, row, -1, person, bearer, digest, row.evidence_sha256)
    needed = plan_of(row).needed
    if len(people) < needed:
        return Agreed(row, _missing(people, needed, "approve"))
    note = f"Approved by {' and '.join(people)}."
    return Agreed(change(connection, clock, row, RolloutEvent.APPROVE, note, f"person:{person}"), note)


def advance(
    connection: Connection, settings: Settings, clock: Clock, identity: int, bearer: Bearer, digest: str
) -> Agreed:
    """Agree as one person that a stage that passed goes on to the next, inside the caller's write transaction.

    The last of the people who are needed raises the exposure, by one stage.

    Raises
    ------
    RolloutError
        If the stage has not passed, the judgement is old or another one, something fires, or this person may not.
    """
    person = person_of(bearer, "approve")
    row, route = _held(connection, settings, clock, identity, Phase.PASSED, "advanced")
    if abs(clock.real() - row.real_looked) > pause_of(settings, clock, row.policy):
        raise RolloutError(
            "conflict", "nobody has looked at this rollout for a while: `checkrein worker` judges it anew, then advance"
        )
    against = obstacles(connection, settings, row)
    if against:
        raise RolloutError("conflict", f"it cannot advance now: {' '.join(against)}")
    stage = row.stage + 1
    people = _agree(connection, clock, row, stage, person, bearer, digest, row.judgement_sha256)
    plan = plan_of(row)
    if len(people) < plan.needed:
        return Agreed(row, _missing(people, plan.needed, "advance"))
    moved = apply.begin(
        connection, settings, clock, row, route, f"Agreed by {' and '.join(people)}.", f"person:{person}"
    )
    return Agreed(moved, moved.note)


def people_of(connection: Connection, row: Row[Any], stage: int, digest: str) -> list[str]:
    """Return who has agreed to a stage under a digest, in their order."""
    c = rollout_approvals.c
    here = select(c.person).where(c.rollout == row.id, c.stage == stage, c.digest == digest)
    return list(connection.execute(here.order_by(c.real_at, c.person)).scalars())


def _held(
    connection: Connection, settings: Settings, clock: Clock, identity: int, phase: Phase, what: str
) -> tuple[Row[Any], Row[Any]]:
    row = of_identity(connection, identity)
    if row.policy not in settings.policy:
        raise RolloutError("conflict", f"the policy {row.policy!r} is not configured any more")
    route = rollback.locked_route(connection, settings, clock, row.policy)
    row = of_identity(connection, identity)
    if row.phase != phase:
        raise RolloutError("conflict", f"rollout {identity} is {row.phase}: it cannot be {what} now. {row.note}")
    return row, route


def _agree(
    connection: Connection, clock: Clock, row: Row[Any], stage: int, person: str, bearer: Bearer, digest: str, now: str
) -> list[str]:
    if digest != now:
        raise RolloutError("conflict", f"you agreed to {digest}, and it is {now} now: look at it and agree to that")
    people = people_of(connection, row, stage, digest)
    if person in people:
        raise RolloutError("conflict", f"{person} has agreed already: another person is needed")
    step = {"rollout": row.id, "stage": stage, "person": person, "digest": digest}
    times = {"at": clock.now(), "real_at": clock.real()}
    connection.execute(insert(rollout_approvals), [{**step, "token": bearer.name, **times}])
    text = f"{person} agreed to {plan_of(row).name(stage) if stage >= 0 else 'the rollout'} of {row.candidate}."
    body = {**step, "token": bearer.name, "text": text}
    events.record(connection, clock, "rollout.agreed", row.policy, f"person:{person}", body)
    return [*people, person]


def _missing(people: list[str], needed: int, what: str) -> str:
    left = needed - len(people)
    return f"{' and '.join(people)} agreed; {left} more {'person' if left == 1 else 'people'} must {what} the same."
