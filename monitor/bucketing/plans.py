"""What a policy's rows are counted with now: reference bins from the newest baseline, the rest from checkrein.toml."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from monitor.bucketing.tracking import NOVELTY, configured
from monitor.candidates.fingerprint import fingerprint
from monitor.settings import Settings
from monitor.store.tables import baselines
from monitor.summaries.plan import Limit, Plan


def configured_plan(settings: Settings, policy: str) -> Plan:
    """Return the plan of a policy that has no baseline: no reference bins yet.

    >>> from monitor.settings import parse
    >>> bids = {"incumbent": "v1", "actions": ["low", "high"], "constraint": {"cap": {"cost": "spend", "limit": 2.0}}}
    >>> configured_plan(parse({"policy": {"bids": bids}}), "bids").constraints
    (Limit(name='cap', cost='spend', limit=2.0, hard=False),)
    """
    configuration = settings.policy[policy]
    plan = Plan(
        actions=configuration.actions,
        constraints=tuple(
            Limit(name, one.cost, one.limit, one.hard) for name, one in sorted(configuration.constraint.items())
        ),
        candidates=tuple(sorted(configuration.candidate)),
        scored_by=tuple(fingerprint(one, settings.base) for _name, one in sorted(configuration.candidate.items())),
        reward_if_absent=configuration.reward_if_absent,
    )
    return configured(plan, configuration)


def current_plan(connection: Connection, settings: Settings, policy: str) -> tuple[Plan, int | None]:
    """Return a policy's plan and the id of the baseline that its bins come from, None before one is frozen.

    Constraints, candidates and what an absent reward means follow the configuration, so that a corrected limit
    counts at once; reference bins stay as they were frozen, and so does what the reference taught about the columns
    whose numbers are tracked. Actions that the configuration does not list are those
    that the baseline learned.
    """
    plan = configured_plan(settings, policy)
    newest = select(baselines.c.id, baselines.c.plan).where(baselines.c.policy == policy)
    row = connection.execute(newest.order_by(baselines.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        return plan, None
    frozen = Plan.from_json(row.plan)
    actions = plan.actions or frozen.actions
    novel = settings.policy[policy].metrics.novelty
    plan = replace(
        plan,
        actions=actions,
        features=frozen.features,
        reward_edges=frozen.reward_edges,
        columns=tuple(name for name in frozen.columns if novel or name != NOVELTY),
        learned=frozen.learned,
        segments=frozen.segments,
        novelty=frozen.novelty if novel else "",
    )
    return configured(plan, settings.policy[policy]), row.id
