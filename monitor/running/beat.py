"""When a job asks for its slot: once in each, at a moment of its own, whatever happens to the machine's clock."""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger

from monitor.clock import Clock

SPREAD = 0.25  # of a slot: the first quarter, so that two passes are at most 1.25 intervals apart

PAUSE = 0.02  # real seconds at least, so that a clock that stands just before a slot is no busy loop


class EachSlot(BaseTrigger):  # type: ignore[misc]
    """Fires once in every slot, at a moment that is drawn from worker, job and slot.

    APScheduler's own interval keeps the phase that it started with: of several workers the one whose phase comes
    first then takes every slot of every job for as long as both live, and the jobs of one worker all come at once.
    Its jitter only delays, so that slots are left out. Drawn anew for each slot, each worker takes its share.

    Parameters
    ----------
    clock
        Whose slots.
    interval
        Event seconds of a slot.
    owner, job
        Who asks, and for what.

    Examples
    --------
    >>> from monitor.clock import ManualClock
    >>> clock = ManualClock(100.0)
    >>> asked = EachSlot(clock, 10.0, "one", "judge:p").get_next_fire_time(None, datetime.fromtimestamp(100.0, UTC))
    >>> 110.0 <= asked.timestamp() < 112.5
    True
    """

    def __init__(self, clock: Clock, interval: float, owner: str, job: str) -> None:
        self._clock, self._interval, self._name = clock, interval, f"{owner}\n{job}"
        self.interval = timedelta(seconds=interval / clock.speed)  # as APScheduler's own interval has it

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Return the moment in the slot after the current one, on APScheduler's clock."""
        at = self._clock.now()
        slot = math.floor(at / self._interval) + 1
        moment = (slot + SPREAD * self._draw(slot)) * self._interval
        return now + timedelta(seconds=max(PAUSE, (moment - at) / self._clock.speed))

    def _draw(self, slot: int) -> float:
        return int.from_bytes(hashlib.sha256(f"{self._name}\n{slot}".encode()).digest()[:8]) / 2**64


def hasten(beat: BaseScheduler) -> list[str]:
    """Ask at once for the jobs that wait longer than they ever do, and return them: the clock was set back.

    APScheduler waits for a time of day. After the machine's clock was set back by an hour it would do nothing for an
    hour, and be alive all the while.

    Parameters
    ----------
    beat
        Whose jobs come at intervals.
    """
    now = datetime.now(UTC)
    late = [job for job in beat.get_jobs() if job.next_run_time and job.next_run_time - now > 2 * job.trigger.interval]
    for job in late:
        with suppress(JobLookupError):
            beat.modify_job(job.id, next_run_time=now)
    return [str(job.id) for job in late]
