"""Rollouts for pages, commands and HTTP: a stepper of stages, the hold, the judgement, and who agreed to what."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from monitor.acting import route as routing
from monitor.clock import Clock, stamp
from monitor.rollouts.hold import progress
from monitor.rollouts.store import Plan, of_identity, of_policy, plan_of
from monitor.settings import Settings
from monitor.store.tables import actions, rollout_approvals, rollouts
from monitor.views.acting import of_identities
from runbooks.rollouts import OPEN, TABLE, TERMINAL, Phase, RolloutEvent

_WORDS = {
    "draft": "waits for approval",
    "approved": "is approved and begins with the next pass",
    "applying": "waits until the decision log shows the share",
    "baking": "is held",
    "judging": "is being judged",
    "passed": "passed its stage and waits for people",
    "inconclusive": "is held: too little was measured",
    "error": "is held: it could not be measured",
    "paused": "is paused",
    "rolling_back": "is worse, and its rollback waits",
    "aborting": "is being aborted",
    "stable": "is finished: the candidate serves",
    "aborted": "was aborted",
    "rolled_back": "was rolled back: trying again is a new rollout",
}
_HELD = (Phase.INCONCLUSIVE, Phase.ERROR)
_BY_PEOPLE = (RolloutEvent.PAUSE, RolloutEvent.RESUME, RolloutEvent.ABORT)


def listed(
    connection: Connection, settings: Settings, clock: Clock, policy: str | None = None, *, every: bool = False
) -> list[dict[str, Any]]:
    """Return rollouts, newest first; without ``every`` those that are open."""
    found = select(rollouts).order_by(rollouts.c.id.desc())
    if policy is not None:
        found = found.where(rollouts.c.policy == policy)
    if not every:
        found = found.where(rollouts.c.phase.in_(OPEN))
    return [_shown(connection, settings, clock, row) for row in connection.execute(found).all()]


def rollout(connection: Connection, settings: Settings, clock: Clock, identity: int) -> dict[str, Any]:
    """Return one rollout with its stepper.

    Raises
    ------
    RolloutError
        If there is none.
    """
    return _shown(connection, settings, clock, of_identity(connection, identity))


def brief(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any] | None:
    """Return the stage and the traffic of a policy's open rollout, for pages about something else; None without."""
    row = of_policy(connection, policy)
    if row is None:
        return None
    split = routing.current(connection, settings, clock, policy).split
    return {
        "id": row.id,
        "candidate": row.candidate,
        "phase": row.phase,
        "stage_name": plan_of(row).name(row.stage),
        "share": split.get(row.candidate, 0.0),
    }


def _shown(connection: Connection, settings: Settings, clock: Clock, row: Row[Any]) -> dict[str, Any]:
    plan, phase = plan_of(row), Phase(row.phase)
    agreed = _agreed(connection, row)
    hold = None
    if row.stage >= 0 and row.policy in settings.policy:
        found = progress(connection, settings, row, row.baked)
        share = min(found.by_data, found.by_clock) / found.hold if found.hold else 1.0
        hold = {**vars(found), "share": max(0.0, min(1.0, share)), "over": found.over, "sentence": found.sentence}
    where = f" ({plan.name(row.stage)})" if row.stage >= 0 else ""
    wanted = row.judgement_sha256 if phase is Phase.PASSED else row.evidence_sha256 if phase is Phase.DRAFT else None
    under = [one for one in agreed if wanted is not None and one["digest"] == wanted]
    return {
        "id": row.id,
        "policy": row.policy,
        "candidate": row.candidate,
        "incumbent": row.incumbent,
        "phase": phase.value,
        "stage": row.stage,
        "stage_name": plan.name(row.stage),
        "sentence": f"The rollout of {row.candidate}{where} {_WORDS[phase]}. {row.note}".strip(),
        "note": row.note,
        "author": row.author,
        "reason": row.reason,
        "limitation": row.limitation,
        "plan": plan.json(),
        "started": stamp(row.started),
        "since": stamp(row.since),
        "ended": None if row.ended is None else stamp(row.ended),
        "stages": [_stage(row, plan, number, hold) for number in range(len(plan.stages))],
        "hold": hold,
        "judgement": json.loads(row.judgement) if row.judgement else None,
        "judgement_digest": row.judgement_sha256 or None,
        "evidence": json.loads(row.evidence),
        "evidence_digest": row.evidence_sha256,
        "approvals": agreed,
        "wanted": {"digest": wanted, "needed": plan.needed, "people": [one["person"] for one in under]},
        "may": [event.value for event in _BY_PEOPLE if (phase, event) in TABLE],
        "route": _route(connection, settings, clock, row.policy),
        "generation": row.generation,
        "actions": _actions(connection, row),
    }


def _stage(row: Row[Any], plan: Plan, number: int, hold: dict[str, Any] | None) -> dict[str, Any]:
    phase = Phase(row.phase)
    state = "done" if number < row.stage or phase is Phase.STABLE else "todo"
    if number == row.stage and phase is not Phase.STABLE:
        state = "stopped" if phase in TERMINAL else "held" if phase in _HELD else "now"
    now = number == row.stage
    return {
        "name": plan.name(number),
        "share": plan.stages[number],
        "hold": plan.holds[number],
        "state": state,
        "phase": phase.value if now else None,
        "progress": hold["share"] if now and hold else 1.0 if state == "done" else 0.0,
    }


def _agreed(connection: Connection, row: Row[Any]) -> list[dict[str, Any]]:
    c = rollout_approvals.c
    found = select(rollout_approvals).where(c.rollout == row.id).order_by(c.real_at, c.person)
    plan = plan_of(row)
    return [
        {
            "stage": one.stage,
            "stage_name": plan.name(one.stage),
            "person": one.person,
            "digest": one.digest,
            "token": one.token,
            "at": stamp(one.at),
        }
        for one in connection.execute(found)
    ]


def _route(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any] | None:
    if policy not in settings.policy:
        return None
    found = routing.current(connection, settings, clock, policy)
    return {"serving": found.serving, "split": dict(found.split), "generation": found.generation}


def _actions(connection: Connection, row: Row[Any]) -> list[dict[str, Any]]:
    """Return the actions of the generation that the rollout asked for last, and what took its traffic back."""
    c = actions.c
    asked = and_(c.kind == "stage", c.generation == row.generation, c.to_version == row.candidate)
    ended = row.ended if row.ended is not None else 1e300
    ending = c.generation == row.generation + 1  # its time may be after the end, which is written first
    back = and_(
        c.kind == "rollback", c.from_version == row.candidate, or_(ending, c.requested.between(row.started, ended))
    )
    mine = select(c.id).where(c.policy == row.policy, or_(asked, back))
    found = connection.execute(mine.order_by(c.requested.desc(), c.hook)).scalars().all()
    told = {one["id"]: one for one in of_identities(connection, found)}
    names = ("id", "kind", "hook", "state", "sentence", "last_error", "requested", "steps", "done", "stuck")
    return [{name: told[identity][name] for name in names} for identity in found]
