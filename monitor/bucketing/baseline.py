"""Freeze a baseline: the span, and the reference bins that everything since is counted with."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, func, insert, select, update

from monitor import events, novelty
from monitor.bucketing import plans
from monitor.bucketing.reference import with_reference
from monitor.bucketing.tracking import NOVELTY, wanted, with_tracked
from monitor.clock import stamp
from monitor.landing import rewards
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import concat
from monitor.log_store.lake import Lake
from monitor.store.tables import baselines, manifest, policies
from monitor.summaries.plan import Plan
from monitor.tick import Parts, seal

SAMPLE = 400_000
_DAY = 86400.0


class BaselineError(Exception):
    """The span cannot serve as a reference; the message says why and what would."""


def freeze(parts: Parts, policy: str, begin: float, end: float, actor: str) -> int:
    """Freeze ``[begin, end)`` as the reference of a policy and re-count its buckets with the new plan.

    Edges come from the reference alone (equal mass), because bins over both samples let one outlier hide a
    shift. Returns the baseline's id; older baselines stay, with the verdicts that name them.

    Raises
    ------
    BaselineError
        If the span ends before it begins, lies in the future, or holds no decision.
    NoveltyError
        If the policy asks for novelty and it cannot be learned.
    """
    if end <= begin:
        raise BaselineError(f"--from {stamp(begin)} is not before --to {stamp(end)}")
    if end > parts.clock.now():
        raise BaselineError(f"--to {stamp(end)} lies in the future: a baseline is made of what has happened")
    lake = parts.landing.lake
    with parts.database.read() as connection:
        plan, _id = plans.current_plan(connection, parts.settings, policy)
        sample = _sample(connection, lake, policy, begin, end, parts.settings.policy[policy].reward_events)
    if sample.num_rows == 0:
        raise BaselineError(f"no decision of {policy} between {stamp(begin)} and {stamp(end)}: ingest them first")
    frozen = with_reference(plan, sample)
    if parts.settings.policy[policy].metrics.novelty:
        frozen, sample = _novel(lake, policy, frozen, sample)
    frozen = with_tracked(frozen, sample)
    seal(parts.database, parts.settings, policy, end + parts.settings.policy[policy].maturity)
    with parts.database.begin() as connection:
        row = {
            "policy": policy,
            "begin": begin,
            "end": end,
            "frozen": parts.clock.now(),
            "actor": actor,
            "plan": frozen.to_json(),
            "digest": hashlib.sha256(f"{policy}|{begin!r}|{end!r}|{frozen.digest}".encode()).hexdigest(),
        }
        identity = int(connection.execute(insert(baselines).values(row).returning(baselines.c.id)).scalar_one())
        connection.execute(update(policies).where(policies.c.policy == policy).values(watch_from=end))
        events.record(connection, parts.clock, "baseline.frozen", policy, actor, {**row, "id": identity})
    parts.landing.recount(policy)
    return identity


def _novel(lake: Lake, policy: str, plan: Plan, sample: pa.Table) -> tuple[Plan, pa.Table]:
    """Return the plan with a novelty network, and the sample with what it says of rows that it was not taught."""
    network, held = novelty.fit(sample, [feature.name for feature in plan.features if not feature.category])
    column = np.full(sample.num_rows, np.nan)
    column[: len(held)] = held  # in any order: their quantiles are all that is learned
    digest = novelty.keep(lake.root, policy, network)
    return replace(plan, novelty=digest), sample.append_column(NOVELTY, pa.array(column, from_pandas=True))


def _sample(connection: Connection, lake: Lake, policy: str, begin: float, end: float, mode: str) -> pa.Table:
    """Read at most about SAMPLE rows spread evenly over the span, a day at a time, so that memory stays bounded."""
    hours = (manifest.c.hour >= begin // 3600) & (manifest.c.hour < end / 3600)
    of_policy = (manifest.c.policy == policy) & (manifest.c.kind == "decisions")
    rows = connection.execute(select(func.sum(manifest.c.rows)).where(of_policy, hours)).scalar_one() or 0
    stride = max(1, int(rows // SAMPLE))
    parts = []
    day = begin
    while day < end:
        table = rewards.read(lake, connection, policy, day, min(day + _DAY, end), mode)
        table = table.filter(pa.array(acted(table)))  # what a shadow proposed is not what is compared
        names = [name for name in table.column_names if name != NOVELTY and (name.startswith("state.") or wanted(name))]
        parts.append(table.select(names).take(pa.array(np.arange(0, table.num_rows, stride))))
        day += _DAY
    return concat(parts)
