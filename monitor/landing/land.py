"""Landing: a batch becomes files of the lake, buckets and a watermark, exactly once and all together.

1. look: landing counter, seal, plan and manifest of the touched hours
2. drop duplicates, refuse rows that clash with what was logged before
3. score candidates, join rewards that waited, summarise, and meanwhile write the hours' files
4. ONE transaction: if nothing changed since the look, name the files, add the buckets, move the watermark

A crash before 4 leaves files that nobody names; the next try writes the same ones again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import RLock

from sqlalchemy import Connection, func, select, update

from monitor.bucketing import buckets
from monitor.bucketing.plans import current_plan
from monitor.clock import Clock
from monitor.landing import land_decisions, land_rewards
from monitor.landing.dedup import Index
from monitor.landing.land_decisions import OtherPlanError
from monitor.landing.landed import Landed, Tools
from monitor.landing.recount import Counted
from monitor.landing.scoring import Scorer
from monitor.landing.snapshot import Mark, MovedError, ensure
from monitor.live.registered import register
from monitor.log_store.lake import HOUR, Lake
from monitor.settings import Settings
from monitor.store.database import Database, DatabaseUnavailableError
from monitor.store.tables import baselines, manifest, policies, summaries
from monitor.summaries import BucketSummary
from monitor.summaries.grouping import SEGMENTS
from monitor.validate import Accepted

__all__ = ["Landed", "Landing", "Mark"]

ATTEMPTS = 20
_AT_ONCE = 300_000  # rows counted in one go
_OPTIMISTIC = 3  # counts of an hour that writers may spoil before one is done with the writer's door closed
_WRITERS = 4


class Landing:
    """The door through which rows come in; one per process, safe to share between threads.

    Several processes may land into one policy: whoever commits second notices and repeats with the first one's rows
    in view.

    Parameters
    ----------
    database
        Migrated control state.
    settings
        Configuration; rows of policies that it does not have cannot land.
    clock
        Arrival times, and what counts as recent.
    """

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        lake = Lake(settings.path(settings.store.lake))
        pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="lake")
        self.database, self.settings, self.clock, self.lake = database, settings, clock, lake
        self._tools = Tools(database, settings, clock, lake, Index(lake), Scorer(settings), pool)
        self._locks: defaultdict[str, RLock] = defaultdict(RLock)
        self._counted: dict[str, str] = {}  # digest of the plan that a policy's buckets were last seen counted with

    def decisions(self, policy: str, accepted: Accepted, origin: str, mark: Mark | None = None) -> Landed:
        """Land validated decisions of one policy.

        Parameters
        ----------
        policy
            Whose.
        accepted
            What validation left, and what it refused.
        origin
            File or request, as the quarantine names it.
        mark
            How far the source is read when this has landed.

        Raises
        ------
        LakeFullError
            If the lake cannot be written; nothing was accepted.
        DatabaseUnavailableError
            If the database is locked or away, or other writers were faster every time; nothing was accepted and the
            same batch may be sent again.
        """
        return self._repeat(policy, lambda: land_decisions.land(self._tools, policy, accepted, origin, mark))

    def rewards(self, policy: str, accepted: Accepted, origin: str, mark: Mark | None = None) -> Landed:
        """Land validated reward and outcome events of one policy; parameters and errors as for ``decisions``."""
        return self._repeat(policy, lambda: land_rewards.land(self._tools, policy, accepted, origin, mark))

    def recount(self, policy: str) -> int:
        """Count a policy's buckets again if they were counted with another plan; return how many hours were.

        A limit or a candidate that changed in checkrein.toml is then in every bucket since the baseline.
        """
        with self.database.read() as connection:
            plan, baseline = current_plan(connection, self.settings, policy)
            if self._counted.get(policy) == plan.digest:
                return 0
            minutes = (
                (summaries.c.policy == policy)
                & (summaries.c.resolution == buckets.MINUTE)
                & summaries.c.late.is_(False)
                & summaries.c.segment.in_(SEGMENTS)  # a subpopulation's are counted with a plan of their own
            )
            newest = (
                select(summaries.c.start, summaries.c.body).where(minutes).order_by(summaries.c.start.desc()).limit(1)
            )
            last = connection.execute(newest).one_or_none()
            begin = connection.execute(select(func.min(summaries.c.start)).where(minutes)).scalar_one()
            if baseline is not None:
                begin = connection.execute(select(baselines.c.begin).where(baselines.c.id == baseline)).scalar_one()
        register(self.database, policy, plan)
        done = 0
        if last is not None and BucketSummary.from_bytes(last.body).digest != plan.digest:
            done = self.rebuild(policy, begin, last.start + buckets.MINUTE)
        self._counted[policy] = plan.digest
        return done

    def rebuild(self, policy: str, begin: float, end: float) -> int:
        """Count the minute buckets of the days from ``begin`` to ``end`` again from the lake, and their roll-ups.

        Whole days, because a day's roll-up adds only what was counted with one plan. Oldest hour first, so that one
        that was interrupted is noticed by ``recount``. Returns how many hours were counted.
        """
        ensure(self.database, policy)
        first, last = math.floor(begin / buckets.DAY) * 24, math.ceil(end / buckets.DAY) * 24
        named = select(manifest.c.hour, func.sum(manifest.c.rows).label("rows")).group_by(manifest.c.hour)
        named = named.where(manifest.c.policy == policy, manifest.c.kind == "decisions")
        with self.database.read() as connection:
            found = connection.execute(
                named.where(manifest.c.hour >= first, manifest.c.hour < last).order_by(manifest.c.hour)
            ).all()
            rolled = buckets.rolled(connection, policy)
        short = [resolution for resolution in rolled if resolution <= HOUR]
        groups = _groups([(row.hour, int(row.rows)) for row in found])
        for hours, following in zip(groups, [*groups[1:], None], strict=True):
            ends_day = following is None or following.start // 24 != hours.start // 24
            with self._locks[policy]:  # what is longer than an hour is rolled up once a day
                self._rebuild_hours(policy, hours, rolled if ends_day else short)
        return len(found)

    def compact(self, policy: str, before: float) -> int:
        """Merge the files of each hour that ended by ``before``; remove files that nobody names; return the merges."""
        many = select(manifest.c.kind, manifest.c.hour).where(manifest.c.policy == policy)
        many = many.where((manifest.c.hour + 1) * HOUR <= before).group_by(manifest.c.kind, manifest.c.hour)
        with self.database.read() as connection:
            found = connection.execute(many.having(func.count() > 1).order_by(manifest.c.hour, manifest.c.kind)).all()
        now = self.clock.real()
        done = [self.lake.compact(self.database, policy, row.kind, row.hour, now) for row in found]
        self.lake.orphans(self.database, now)
        return sum(file is not None for file in done)

    def _repeat(self, policy: str, land: Callable[[], Landed]) -> Landed:
        with self._locks[policy]:
            for _ in range(ATTEMPTS):
                self.recount(policy)
                try:
                    return land()
                except MovedError:
                    continue
                except OtherPlanError:
                    self._counted.pop(policy, None)
        raise DatabaseUnavailableError(
            f"policy {policy}: other writers landed first {ATTEMPTS} times in a row; send the batch again"
        )

    def _rebuild_hours(self, policy: str, hours: range, rolled: list[int]) -> None:
        for _ in range(_OPTIMISTIC):
            with self.database.read() as connection:
                seen = self._files(connection, policy, hours)
                counted = self._count(connection, policy, hours)
            with self.database.begin() as connection:
                if self._files(connection, policy, hours) == seen:
                    self._put(connection, policy, hours, counted, rolled)
                    return
        with self.database.begin() as connection:
            self._put(connection, policy, hours, self._count(connection, policy, hours), rolled)

    def _count(self, connection: Connection, policy: str, hours: range) -> tuple[Counted, Counted]:
        plan, _baseline = current_plan(connection, self.settings, policy)
        return self._tools.recount(policy, plan).hours(connection, hours)

    def _put(
        self, connection: Connection, policy: str, hours: range, counted: tuple[Counted, Counted], rolled: list[int]
    ) -> None:
        begin, end = hours.start * HOUR, hours.stop * HOUR
        moved = update(policies).where(policies.c.policy == policy)  # who merges these minutes meanwhile must see it
        connection.execute(moved.values(landing_seq=policies.c.landing_seq + 1))
        buckets.replace(connection, policy, range(begin, end, buckets.MINUTE), counted[0])
        buckets.replace(connection, policy, range(begin, end, buckets.MINUTE), counted[1], late=True)
        day = hours.start // 24 * buckets.DAY
        buckets.reroll(connection, policy, begin, end, [resolution for resolution in rolled if resolution <= HOUR])
        buckets.reroll(
            connection, policy, day, day + buckets.DAY, [resolution for resolution in rolled if resolution > HOUR]
        )

    def _files(self, connection: Connection, policy: str, hours: range) -> list[str]:
        within = (manifest.c.hour >= hours.start) & (manifest.c.hour < hours.stop)
        named = select(manifest.c.file).where(manifest.c.policy == policy, within)
        return sorted(connection.execute(named).scalars())


def _groups(hours: list[tuple[int, int]]) -> list[range]:
    """Group hours of one day, given with their rows, so that a group is counted in one go and still fits in memory.

    >>> _groups([(23, 5), (24, 5), (26, 5), (27, _AT_ONCE)])
    [range(23, 24), range(24, 27), range(27, 28)]
    """
    groups: list[range] = []
    taken = 0
    for hour, rows in hours:
        taken += rows
        if groups and groups[-1].start // 24 == hour // 24 and taken <= _AT_ONCE:
            groups[-1] = range(groups[-1].start, hour + 1)
        else:
            groups.append(range(hour, hour + 1))
            taken = rows
    return groups
