"""Running a job so that no fault of it ends the thread, and every fault of it is seen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from contextlib import suppress

from monitor.running.failures import FAILED, worked, works_again
from monitor.running.slots import LostClaimError
from monitor.store.database import DatabaseUnavailableError, upsert
from monitor.store.tables import heartbeats
from monitor.tick import Parts

log = logging.getLogger("checkrein")

AGAIN = 3600.0  # real seconds after which the same fault is written into the process's log once more


class Guarded:
    """Runs jobs, logs and shows their faults, and gives the signs of life.

    Parameters
    ----------
    parts
        State and time.
    stopping
        Set when the process ends: what still queues for a thread is not begun.
    self_told
        Jobs that say by themselves when they worked, because where the slot is another worker's they do nothing.
    """

    def __init__(self, parts: Parts, stopping: threading.Event, self_told: Collection[str]) -> None:
        self._parts, self._stopping, self._self_told = parts, stopping, self_told
        self._said: dict[str, tuple[object, float]] = {}  # job -> its last failure in the process's log, and when
        self._works: set[str] = set()  # since they failed; at the start nobody knows

    def __call__(self, job: str, work: Callable[[], object]) -> None:
        """Run one job; a fault is logged and shown, and the next beat tries again."""
        if self._stopping.is_set():
            return  # the beat waits until its queues are empty
        clock = self._parts.clock
        try:
            work()
            self._said.pop(job, None)
            if job not in self._works and job.partition(":")[0] not in self._self_told:
                worked(self._parts.database, job)
                self._works.add(job)
        except DatabaseUnavailableError as error:
            log.warning("%s: database unavailable, trying again: %s", job, error)
        except LostClaimError as error:
            log.warning("%s: %s", job, error)
        except Exception as error:  # a job that dies silently is what this product exists to prevent
            kind = (type(error), getattr(error, "errno", None) or str(error))
            said, at = self._said.get(job, (None, 0.0))
            if said != kind or not 0 <= clock.real() - at < AGAIN:  # else the heartbeat below says it
                log.exception("%s failed", job)
                self._said[job] = kind, clock.real()
            self._works.discard(job)
            with suppress(DatabaseUnavailableError):  # it is in the process's log then
                self.sign(f"{FAILED}{job}", f"{type(error).__name__}: {error}")

    def sign(self, part: str, note: str) -> None:
        """Give a sign of life of a part, with a note."""
        clock = self._parts.clock
        row = {"part": part, "real_at": clock.real(), "at": clock.now(), "note": note}
        with self._parts.database.begin() as connection:
            upsert(connection, heartbeats, [row])
            works_again(connection, part)
