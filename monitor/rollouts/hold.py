"""When a stage has been held long enough: by the data and by a clock that nobody can set, both.

The wall clock alone would promote early when it is set forward, and after an outage in which nobody looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from monitor.clock import Clock
from monitor.rollouts.store import plan_of
from monitor.settings import Settings
from monitor.store.tables import policies, summaries
from monitor.summaries.grouping import SHADOW
from monitor.units import human

PATIENCE = 120.0  # real seconds between two looks at least, before it counts as an outage
POLL = 10.0
BUCKET = 60


@dataclass(frozen=True)
class Progress:
    """How far a stage's hold is.

    Parameters
    ----------
    hold
        Seconds that it lasts.
    by_data
        Seconds of event time after the stage began whose decisions are sealed, less pauses and the reward horizon.
    by_clock
        Seconds that running processes have seen pass.
    decisions
        The candidate's sealed decisions of the stage.
    """

    hold: float
    by_data: float
    by_clock: float
    decisions: int

    @property
    def over(self) -> bool:
        """Whether the hold is over; never without a decision of the candidate.

        >>> Progress(60.0, 60.0, 60.0, 1).over, Progress(60.0, 9999.0, 59.0, 1).over, Progress(60.0, 60.0, 60.0, 0).over
        (True, False, False)
        """
        return min(self.by_data, self.by_clock) >= self.hold and self.decisions > 0

    @property
    def sentence(self) -> str:
        """Say it to a person."""
        data, clock = (human(round(max(0.0, min(part, self.hold)))) for part in (self.by_data, self.by_clock))
        told = f"{data} of {human(self.hold)} by the data, {clock} by the clock, {self.decisions:,} decisions."
        return told if self.decisions else f"{told} Without a decision of the candidate no hold ends."


class Watch:
    """What one process has seen of rollouts; each adds to the hold what it saw pass between two looks of its own.

    A sum over all processes would count one second once for each of them. What one process saw since its own last
    look, added to what was written then, never exceeds the time that has passed, so that the greatest one counts.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float, float]] = {}

    def knows(self, row: Row[Any]) -> bool:
        """Whether this process has looked at the rollout since it was started."""
        return row.id in self._seen

    def look(self, row: Row[Any], clock: Clock, most: float) -> float:
        """Return the seconds of the hold that have passed; more than ``most`` between two looks is none of it."""
        now = clock.monotonic()
        moves, then, baked = self._seen.get(row.id, (-1, now, row.baked))
        total = float(row.baked)
        if moves == row.moves and 0.0 <= now - then <= most:
            total = max(total, baked + (now - then) * clock.speed)
        self._seen[row.id] = (row.moves, now, total)
        return total


def pause_of(settings: Settings, clock: Clock, policy: str) -> float:
    """Return the real seconds without a look after which it counts as an outage."""
    source = settings.policy[policy].source
    return max(PATIENCE, 3 * (POLL if source is None else source.poll) / clock.speed)


def sealed_of(connection: Connection, policy: str) -> float:
    """Return the event time before which a policy's decisions are complete and mature."""
    here = select(policies.c.sealed_until).where(policies.c.policy == policy)
    return float(connection.execute(here).scalar_one_or_none() or 0.0)


def progress(connection: Connection, settings: Settings, row: Row[Any], baked: float) -> Progress:
    """Return how far the hold of a rollout's stage is, with what this process has seen."""
    plan, sealed = plan_of(row), sealed_of(connection, row.policy)
    if row.begin is None:
        return Progress(plan.holds[row.stage], 0.0, baked, 0)
    data = sealed - row.begin - row.idle - settings.policy[row.policy].reward_horizon
    c = summaries.c
    mine = (c.policy == row.policy, c.version == row.candidate, c.resolution == BUCKET, c.late.is_(False))
    arm = "" if plan.stages[row.stage] > 0 else SHADOW
    span = (c.segment == arm, c.start >= row.begin, c.start + BUCKET <= sealed)
    decisions = connection.execute(select(func.coalesce(func.sum(c.rows), 0)).where(*mine, *span)).scalar_one()
    return Progress(plan.holds[row.stage], data, baked, int(decisions))
