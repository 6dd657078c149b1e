"""A firing that is to be explained: which windows, against which baseline, and which version one would go back to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from monitor.judging.windows import ALL_VERSIONS
from monitor.settings import Settings
from monitor.store.tables import baselines, explanations, transitions

_WINDOW = 900.0  # of a trigger that is not configured any more
_BEHIND = 7 * 86400.0  # what an import fires is history: the newest week of event time is explained


@dataclass(frozen=True)
class Case:
    """What an explanation is about; everything of it is stored, so that it can be computed again.

    Parameters
    ----------
    transition, policy, version, trigger, key, at
        The transition to firing: its id seeds every draw.
    begin, end
        Event time of the windows that fired; for a single event, the window before it.
    baseline
        Id of the baseline that judged, None where none was frozen.
    previous, fallback
        The version to go back to, and what would come after it.
    """

    transition: int
    policy: str
    version: str
    trigger: str
    key: str
    at: float
    begin: float
    end: float
    baseline: int | None
    previous: str | None
    fallback: str | None


def waiting(connection: Connection, settings: Settings, policy: str, now: float) -> list[Case]:
    """Return the firings of a policy that have no explanation yet, oldest first."""
    t = transitions.c
    done = select(explanations.c.transition)
    found = select(transitions).where(t.policy == policy, t.new == "firing", t.old != "recovering")
    found = found.where(t.version != ALL_VERSIONS, t.at > now - _BEHIND, t.id.not_in(done))
    return [case_of(connection, settings, row) for row in connection.execute(found.order_by(t.id)).all()]


def case_of(connection: Connection, settings: Settings, row: Any) -> Case:
    """Return the case of a row of ``transitions``."""
    evidence = json.loads(row.evidence)
    trigger = settings.triggers(row.policy).get(row.trigger)
    length = _WINDOW if trigger is None else trigger.window
    configured = settings.policy[row.policy]
    if "window" in evidence:
        begin, end = (float(at) for at in evidence["window"])
        begin -= (0 if trigger is None else trigger.for_ - 1) * length
    else:
        end = row.at - configured.reward_horizon  # of what came later the rewards are not all in
        begin = end - length
    chain = [name for name in (*configured.fallbacks, configured.incumbent) if name != row.version]
    chain = list(dict.fromkeys(chain))
    return Case(
        transition=row.id,
        policy=row.policy,
        version=row.version,
        trigger=row.trigger,
        key=row.key,
        at=row.at,
        begin=begin,
        end=end,
        baseline=evidence.get("baseline") or _newest(connection, row.policy, row.created),
        previous=chain[0] if chain else None,
        fallback=chain[1] if len(chain) > 1 else None,
    )


def _newest(connection: Connection, policy: str, before: float) -> int | None:
    c = baselines.c
    frozen = select(c.id).where(c.policy == policy, c.frozen <= before).order_by(c.id.desc()).limit(1)
    return connection.execute(frozen).scalar_one_or_none()
