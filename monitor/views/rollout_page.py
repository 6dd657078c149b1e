"""What the Rollout page of a policy shows beside the stepper: comparison, triggers, changes, what can start."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, select

from monitor import status
from monitor.acting import route as routing
from monitor.clock import Clock
from monitor.judging.windows import ALL_VERSIONS
from monitor.rollouts import evidence
from monitor.rollouts.comparison import RATIO, Comparison, compare
from monitor.rollouts.hold import pause_of, sealed_of
from monitor.rollouts.judge import obstacles
from monitor.rollouts.store import changed, of_identity, of_policy, plan_of
from monitor.rollouts.triggers import seen
from monitor.settings import Settings
from monitor.store.tables import rollouts
from monitor.views.rollouts import rollout
from runbooks.rollouts import TERMINAL, Phase

_UNSEEN = "Nobody has looked at it for a while: is `checkrein worker` running? It judges the stage anew."


def newest(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any] | None:
    """Return the rollout of a policy that its page is about: the open one, else the last that ended; None without."""
    c = rollouts.c
    last = select(c.id).where(c.policy == policy).order_by(c.id.desc()).limit(1)
    identity = connection.execute(last).scalar_one_or_none()  # at most one is open, and it is the newest
    return None if identity is None else rollout(connection, settings, clock, identity)


def startable(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return the versions that a rollout could be started of, those that are configured as candidates first.

    ``serving`` is what serves now, ``needed`` how many people must agree, ``open`` the number of the rollout that is in
    the way, None where none is.
    """
    own = settings.policy[policy]
    serving = routing.current(connection, settings, clock, policy).serving
    known = dict.fromkeys([*own.candidate, *own.checklist.artifacts, *status.versions(connection, settings, policy)])
    row = of_policy(connection, policy)
    return {
        "serving": serving,
        "needed": own.rollout.needed,
        "to": [name for name in known if name != serving and name not in own.fallbacks],
        "open": None if row is None else row.id,
    }


def measured(connection: Connection, settings: Settings, clock: Clock, identity: int) -> dict[str, Any]:
    """Return what is known of a rollout's candidate now, read anew: nothing of it is written.

    ``comparison`` as in the judgement; ``why`` says why there is none. ``triggers`` are those that judge the candidate,
    worst first, ``blind`` what has not judged it. ``against`` is what forbids going on now, and ``changed`` what is
    another in the evidence since the draft was written.

    Raises
    ------
    RolloutError
        If there is no such rollout.
    """
    row = of_identity(connection, identity)
    found, why = _compared(connection, settings, row)
    answer: dict[str, Any] = {
        "comparison": found,
        "why": why,
        "triggers": [],
        "blind": [],
        "against": [],
        "changed": [],
    }
    if row.policy not in settings.policy or row.phase in TERMINAL:
        return answer
    told = _triggers(connection, settings, clock, row)
    share = plan_of(row).stages[row.stage] if row.stage >= 0 else 0.0
    doubts = seen(connection, settings, row, live=share > 0).doubts
    answer |= {
        "triggers": told,
        "blind": [one for one in doubts if one.endswith(f"has not judged {row.candidate} yet.")],
    }
    if row.phase == Phase.PASSED:
        late = abs(clock.real() - row.real_looked) > pause_of(settings, clock, row.policy)
        answer["against"] = [*([_UNSEEN] if late else []), *obstacles(connection, settings, row)]
    if row.phase == Phase.DRAFT:
        fresh = evidence.gather(connection, settings, row.policy, row.candidate, row.incumbent)
        answer["changed"] = changed(json.loads(row.evidence), fresh)
    return answer


def _compared(connection: Connection, settings: Settings, row: Row[Any]) -> tuple[dict[str, Any] | None, str]:
    """Return the comparison of the stage that the rollout is in, or the one of its judgement once it has ended."""
    share = plan_of(row).stages[row.stage] if row.stage >= 0 else -1.0
    if row.policy in settings.policy and row.phase not in TERMINAL and row.begin is not None and 0 < share < 1:
        until = sealed_of(connection, row.policy)
        if until <= row.begin:
            return None, "Nothing of this stage is mature yet, so there is nothing to compare."
        shares = {row.candidate: share, row.incumbent: 1.0 - share}
        found = compare(
            connection, settings, row.policy, row.candidate, row.incumbent, row.begin, until, shares
        )  # as monitor.rollouts.judge asks it
        return _shown(found), ""
    kept = json.loads(row.judgement).get("comparison") if row.judgement else None
    if kept is not None:
        return {**kept, **_drawn(kept["body"])}, ""
    if share < 0:
        return None, f"{row.candidate} has no traffic yet, so there is nothing to compare."
    if share == 0:
        return None, f"In shadow {row.candidate} decides nothing, so there is nothing to compare."
    if share == 1:
        return None, f"At 100% nothing serves beside {row.candidate}, so that its triggers alone judge it."
    return None, "The stage has not begun: the decision log does not show its share yet."


def _shown(found: Comparison) -> dict[str, Any]:
    return {**vars(found), "reasons": list(found.reasons), **_drawn(found.body)}


def _drawn(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "margin_used": body.get("margin_used"), "ratio_limit": RATIO
    }  # fmt: skip


def _triggers(connection: Connection, settings: Settings, clock: Clock, row: Row[Any]) -> list[dict[str, Any]]:
    known = settings.triggers(row.policy)
    names = ("trigger", "key", "version", "state", "health", "shown", "severity", "reason", "judged_until", "since")
    return [
        {name: one[name] for name in names}
        for one in status.alerts_of(connection, settings, clock, row.policy, all_states=True)
        if one["version"] in (row.candidate, ALL_VERSIONS)
        and one["trigger"] in known
        and known[one["trigger"]].severity != "info"
    ]
