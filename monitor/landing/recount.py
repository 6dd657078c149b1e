"""Buckets counted again from the lake: after a reward changed, after a baseline was frozen, after a new plan.

Exact by construction: the decisions of the hour, joined with their later rewards, summarised as if they had landed so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.bucketing.buckets import Key
from monitor.landing import rewards
from monitor.landing.dedup import LATE
from monitor.landing.scoring import Scorer
from monitor.log_store.arrow import concat, micros
from monitor.log_store.lake import HOUR, Lake
from monitor.summaries import BucketSummary, summarise
from monitor.summaries.plan import Plan

Counted = dict[Key, BucketSummary]


@dataclass(frozen=True)
class Recount:
    """Counts hours of a policy's lake with one plan.

    Parameters
    ----------
    lake, scorer
        Where rows come from and who scores candidates that were configured since.
    policy, plan
        Whose rows, counted how.
    mode
        The policy's ``reward_events``.
    """

    lake: Lake
    scorer: Scorer
    policy: str
    plan: Plan
    mode: str

    def hours(
        self,
        connection: Connection,
        hours: range,
        extra: pa.Table | None = None,
        starts: Collection[int] | None = None,
    ) -> tuple[Counted, Counted]:
        """Count the minute buckets of consecutive event hours: as they are judged, and the rows that came late.

        ``extra`` are reward events of these hours that are about to land, ``starts`` the buckets wanted (default: all).
        A bucket that was sealed stays without the rewards that came afterwards.
        """
        span = (hours.start * HOUR, hours.stop * HOUR)
        table = self.lake.read(connection, self.policy, "decisions", *span)
        if starts is not None:
            of = micros(table, "ts") // 60_000_000 * 60
            table = table.filter(pa.array(np.isin(of, np.fromiter(starts, np.int64, len(starts)))))
        events = self.lake.read(connection, self.policy, "rewards", *span)
        if extra is not None:
            events = concat([events, extra])
        late = is_late(table)
        judged = self._count(table.filter(pa.array(~late)), events.filter(pa.array(~is_late(events))), late=False)
        return judged, self._count(table.filter(pa.array(late)), events, late=True)

    def _count(self, table: pa.Table, events: pa.Table, *, late: bool) -> Counted:
        if not table.num_rows:
            return {}
        joined = rewards.join(table, events, self.mode)
        return summarise(self.scorer.score(self.policy, joined, self.plan), self.plan, late=late)


def is_late(table: pa.Table) -> NDArray[np.bool_]:
    """Return the rows that came after their bucket was sealed, shape (rows,)."""
    if LATE not in table.column_names:
        return np.zeros(table.num_rows, bool)
    late: NDArray[np.bool_] = table.column(LATE).fill_null(False).to_numpy()
    return late


def mark_late(table: pa.Table, late: NDArray[np.bool_]) -> pa.Table:
    """Add the column that says so, where there is anything to say."""
    return table.append_column(LATE, pa.array(late)) if late.any() else table
