"""What the approvals of a draft are bound to: the plan, the artefact, the newest estimate and the newest checklist."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from sqlalchemy import Connection, func, select

from monitor.bucketing.plans import configured_plan
from monitor.events import canonical
from monitor.rollouts.store import configured
from monitor.settings import Settings
from monitor.store.tables import checklist_items, checklist_runs, differences, estimates

DAY = 86400.0
_ESTIMATE = ("estimator", "end", "value", "low", "high", "n", "trust")
_DIFFERENCE = ("end", "value", "low", "high", "anytime_low", "anytime_high", "n", "trust")


def gather(connection: Connection, settings: Settings, policy: str, candidate: str, incumbent: str) -> dict[str, Any]:
    """Return everything that an approval stands on; equal circumstances give equal documents."""
    own = settings.policy[policy]
    tried = own.candidate.get(candidate)
    return {
        "policy": policy,
        "candidate": candidate,
        "incumbent": incumbent,
        "plan": configured(settings, policy).json(),
        "artifact_sha256": own.checklist.artifacts.get(candidate) or (tried.sha256 if tried else None),
        "off_policy": newest_estimate(connection, settings, policy, candidate),
        "checklist": _checklist(connection, policy, candidate),
    }


def digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 of a document's canonical JSON.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def newest_estimate(
    connection: Connection, settings: Settings, policy: str, candidate: str
) -> list[dict[str, Any]] | None:
    """Return the off-policy estimates of a version that is configured as a candidate; None where it is not.

    Those of the newest whole day where there is one: estimates are made every hour, and two people need more than an
    hour to agree on the same bytes.
    """
    made = _fingerprint(settings, policy, candidate)
    if made is None:
        return None
    mine = (estimates.c.policy == policy, estimates.c.candidate == candidate, estimates.c.fingerprint == made)
    ends = connection.execute(select(estimates.c.end).where(*mine).distinct()).scalars().all()
    if not ends:
        return []
    end = max((one for one in ends if one % DAY == 0), default=max(ends))
    rows = connection.execute(select(estimates).where(*mine, estimates.c.end == end).order_by(estimates.c.estimator))
    return [_plain(row._mapping, _ESTIMATE) for row in rows]


def newest_difference(
    connection: Connection, settings: Settings, policy: str, candidate: str, incumbent: str
) -> dict[str, Any] | None:
    """Return the newest comparison of the candidate's off-policy value with what the incumbent earned, if any."""
    c = differences.c
    mine = (c.policy == policy, c.candidate == candidate, c.version == incumbent)
    same = c.fingerprint == (_fingerprint(settings, policy, candidate) or "")
    last = select(func.max(c.end)).where(*mine, same).scalar_subquery()
    row = connection.execute(select(differences).where(*mine, same, c.end == last)).one_or_none()
    return None if row is None else _plain(row._mapping, _DIFFERENCE)


def finite(value: Any) -> Any:
    """Return a value as JSON can hold it: a number that is none becomes None.

    >>> finite(float("nan")), finite(1.5), finite("nan")
    (None, 1.5, 'nan')
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fingerprint(settings: Settings, policy: str, candidate: str) -> str | None:
    if candidate not in settings.policy[policy].candidate:
        return None
    plan = configured_plan(settings, policy)
    return dict(zip(plan.candidates, plan.scored_by, strict=True)).get(candidate)


def _plain(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: finite(row[name]) for name in names}


def _checklist(connection: Connection, policy: str, candidate: str) -> dict[str, Any] | None:
    c = checklist_runs.c
    here = select(c.id, c.template_sha256).where(c.policy == policy, c.version == candidate)
    run = connection.execute(here.order_by(c.id.desc()).limit(1)).one_or_none()
    if run is None:
        return None
    i = checklist_items.c
    items = connection.execute(select(i.item, i.state, i.evidence).where(i.run == run.id).order_by(i.item))
    answers = [list(row) for row in items]
    return {"run": run.id, "template_sha256": run.template_sha256, "sha256": digest({"items": answers})}
