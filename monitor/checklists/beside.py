"""Facts of the stage that a version is in: compared with the version that the route serves beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from monitor.checklists.span import Span
from monitor.rollouts.comparison import Comparison, compare
from monitor.rollouts.store import approved, of_policy
from monitor.store.tables import routes
from runbooks.checklist.stage_facts import Ends, Stage

_NOTHING: Ends = (None, None, None)


@dataclass(frozen=True)
class Beside:
    """A comparison with the version that the route serves beside the judged one: which one, since when, and shares."""

    other: str
    shares: dict[str, float]
    begin: float
    found: Comparison


def gather(connection: Connection, span: Span) -> dict[str, Any]:
    """Return ``stage`` where the route gives the judged version and another one a share, nothing else."""
    seen = compared(connection, span)
    if seen is None:
        return {}
    horizon = span.settings.policy[span.policy].reward_horizon
    return {
        "stage": stage_of(seen.found, seen.other, span.end - seen.begin, horizon),
        "datasets": {"stage": span.cite_values("comparison of the stage", seen.found.n_candidate, seen.found.body)},
    }


def compared(connection: Connection, span: Span) -> Beside | None:
    """Compare the judged version with the one beside it, until where the log is sealed; None where it is alone.

    In a rollout the stage is the rollout's own, since its share was shown, by the rules that were approved: a page and
    a judgement say the same. Else it is the route's, from when the serving side had to show it: a share that is still
    spreading is not a broken assignment.
    """
    beside = other_of(connection, span)
    if beside is None:
        return None
    other, shares, changed = beside
    begin, settings = changed + span.settings.policy[span.policy].confirm.acknowledge_within, span.settings
    row = of_policy(connection, span.policy)
    if row is not None and {row.candidate, row.incumbent} == {span.version, other}:
        settings = approved(settings, row)
        begin = begin if row.begin is None else float(row.begin)
    found = compare(connection, settings, span.policy, span.version, other, begin, span.end, shares)
    return Beside(other, shares, begin, found)


def other_of(connection: Connection, span: Span) -> tuple[str, dict[str, float], float] | None:
    """Return the largest other version of the route, its shares, and since when; None where nothing is split."""
    row = connection.execute(
        select(routes.c.split, routes.c.changed).where(routes.c.policy == span.policy)
    ).one_or_none()
    if row is None:
        return None
    shares = {version: float(share) for version, share in json.loads(row.split).items() if float(share) > 0}
    others = sorted((version for version in shares if version != span.version), key=lambda one: (-shares[one], one))
    return (others[0], shares, float(row.changed)) if span.version in shares and others else None


def stage_of(found: Comparison, other: str, length: float, horizon: float) -> Stage:
    """Return a comparison as facts."""
    worst = next(iter(found.body.get("balance", ())), None)
    if found.body.get("states_follow"):
        worst = None
    subjects, cohorts = found.body.get("subjects"), found.body.get("by_exposure") or {}
    return Stage(
        other=other, verdict=found.verdict, reasons=found.reasons, n=found.n_candidate, n_other=found.n_incumbent,
        ratio_p=found.ratio_p, feature="" if worst is None else worst["feature"],
        smd=None if worst is None else worst["smd"], subjects=None if subjects is None else subjects["n"],
        both=None if subjects is None else subjects["both"], length=max(0.0, length), horizon=horizon,
        matured=found.matured, effect=(found.effect, found.low, found.high),
        first=tuple(cohorts.get("first", _NOTHING)), last=tuple(cohorts.get("last", _NOTHING)),
        change=tuple(cohorts.get("change", _NOTHING)), how=cohorts.get("how", ""),
    )  # fmt: skip
