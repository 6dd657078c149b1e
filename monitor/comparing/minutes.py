"""Sealed buckets of two versions, side by side: what was counted of both at the same time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from monitor.bucketing import buckets
from monitor.store.tables import policies, summaries
from monitor.summaries import BucketSummary
from monitor.summaries.moments import Moments
from monitor.summaries.plan import Plan
from ope.comparing.arms import Arm, Pair

_BY_HOUR = 2 * 86400.0  # spans that are longer are read by hours: 60 times fewer buckets to merge


@dataclass(frozen=True)
class Minutes:
    """Buckets of a stage that are closed and mature.

    Parameters
    ----------
    resolution
        Seconds of one bucket.
    candidate, incumbent
        By their start.
    end
        Until when they are sealed; what came later is not in them.
    immature
        Decisions of both versions whose buckets are not sealed yet.
    late
        Decisions that came after their bucket was sealed: counted, never judged.
    """

    resolution: int
    candidate: dict[int, BucketSummary]
    incumbent: dict[int, BucketSummary]
    end: float
    immature: int
    late: int

    @property
    def rows(self) -> tuple[int, int]:
        """Decisions of candidate and incumbent."""
        return sum(one.rows for one in self.candidate.values()), sum(one.rows for one in self.incumbent.values())

    @property
    def matured(self) -> float:
        """Share of the decisions whose bucket is sealed; 0 of none."""
        mature = sum(self.rows)
        return mature / (mature + self.immature) if mature else 0.0

    @property
    def starts(self) -> list[int]:
        """Buckets in which any of the two acted, in order."""
        return sorted(self.candidate.keys() | self.incumbent.keys())

    @property
    def together(self) -> list[int]:
        """Buckets in which both acted, in order: only these are compared."""
        return sorted(
            start
            for start in self.candidate.keys() & self.incumbent.keys()
            if self.candidate[start].rows and self.incumbent[start].rows
        )

    def pairs(self, of: Callable[[BucketSummary], Arm], starts: list[int] | None = None) -> list[Pair]:
        """Return a measure of both versions in the buckets in which both acted."""
        chosen = self.together if starts is None else starts
        return [(of(self.candidate[start]), of(self.incumbent[start])) for start in chosen]


def read(
    connection: Connection, policy: str, candidate: str, incumbent: str, begin: float, until: float, plan: Plan
) -> Minutes:
    """Read the buckets of [begin, until) that are sealed.

    Raises
    ------
    ValueError
        If they were counted with another plan, which lasts while a new baseline's plan is being counted.
    """
    sealed = connection.execute(select(policies.c.sealed_until).where(policies.c.policy == policy)).scalar_one_or_none()
    end = min(until, float(sealed or 0.0))
    resolution = buckets.HOUR if end - begin > _BY_HOUR else buckets.MINUTE
    end = math.floor(end / resolution) * resolution
    found = [
        dict(buckets.load(connection, policy, version, "", resolution, begin, end, plan))
        for version in (candidate, incumbent)
    ]
    of_both = (
        (summaries.c.policy == policy)
        & summaries.c.version.in_((candidate, incumbent))
        & (summaries.c.segment == "")
        & (summaries.c.resolution == buckets.MINUTE)
        & (summaries.c.start < math.ceil(until))
    )
    rows = select(func.coalesce(func.sum(summaries.c.rows), 0)).where(of_both)
    after = summaries.c.start >= max(math.ceil(begin), end)
    immature = connection.execute(rows.where(after, summaries.c.late.is_(False))).scalar_one()
    late = connection.execute(
        rows.where(summaries.c.start >= math.ceil(begin), summaries.c.late.is_(True))
    ).scalar_one()
    return Minutes(resolution, found[0], found[1], end, int(immature), int(late))


def arm_of(moments: Moments) -> Arm:
    """Return stored moments as an arm, their variance from the exact sums."""
    if not moments.n:
        return Arm()
    spread = (moments.n - 1) * moments.variance if moments.n > 1 else 0.0
    return Arm(moments.n, moments.mean, spread, moments.min, moments.max)


def reward_of(bucket: BucketSummary) -> Arm:
    """Return the rewards of a bucket."""
    return arm_of(bucket["reward"])
