"""What every loop that sends has in common: threads of its own a lane, a pass that survives all, a sign of life."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.database import Database, DatabaseUnavailableError, upsert
from monitor.store.tables import heartbeats

SENDERS = 4  # threads a lane
PERIOD = 0.5  # real seconds between two passes that nobody woke
BEAT = 5.0  # real seconds between two signs of life


class SendingLoop:
    """A loop over rows to send; any number may run at once on one database.

    Parameters
    ----------
    database, settings, clock
        Where the rows are, what is configured, and what time it is.
    owner
        Who runs it, for the sign of life.
    """

    part = ""  # its name in signs of life and threads, and what waits while the database is away

    def __init__(self, database: Database, settings: Settings, clock: Clock, owner: str) -> None:
        self._database, self._settings, self._clock, self._owner = database, settings, clock, owner
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._running: dict[str, list[Future[int]]] = {}
        self._wake = threading.Event()
        self._log = logging.getLogger(type(self).__module__)
        self._beaten = -BEAT
        self._down = False

    @abstractmethod
    def steps(self) -> Sequence[Callable[[], object]]:
        """Return what one pass does, in order; a step that fails keeps no other one back."""

    def wake(self) -> None:
        """Start a pass now: a row was just committed."""
        self._wake.set()

    def run_forever(self, stop: threading.Event) -> None:
        """Make passes until ``stop`` is set; a database that is locked or away is waited for, said once."""
        while not stop.is_set():
            self._wake.clear()
            for step in (*self.steps(), self._beat):
                self._guarded(step)
            self._wake.wait(PERIOD)
        self.close()

    def close(self) -> None:
        """End the senders; what they hold is sent again by another loop when its lease ends."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools.clear()

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except DatabaseUnavailableError as error:
            self._say_down(error)
        except Exception:  # noqa: BLE001 - the loop that rolls back and wakes people must outlive every surprise
            self._log.exception("A pass over %s failed; the next one tries again", self.part)

    def _beat(self) -> None:
        real = self._clock.real()
        if not 0 <= real - self._beaten < BEAT:
            row = {"part": self.part, "real_at": real, "at": self._clock.now(), "note": self._owner}
            with self._database.begin() as connection:
                upsert(connection, heartbeats, [row])
            self._beaten = real
            self._down = False  # it takes writes again

    def _free(self, lane: str, wanted: int, most: int = SENDERS) -> int:
        self._running[lane] = [future for future in self._running.get(lane, []) if not future.done()]
        return max(0, min(wanted, most - len(self._running[lane])))

    def _start(self, lane: str, work: Callable[..., int], *arguments: str) -> Future[int]:
        if lane not in self._pools:
            self._pools[lane] = ThreadPoolExecutor(SENDERS, thread_name_prefix=f"{self.part} {lane}")
        future = self._pools[lane].submit(work, *arguments)
        future.add_done_callback(self._ended)
        self._running[lane].append(future)
        return future

    def _ended(self, future: Future[int]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, DatabaseUnavailableError):
            self._say_down(error)
        elif error is not None:
            self._log.error("An attempt failed; it is made again when its lease ends", exc_info=error)

    def _say_down(self, error: DatabaseUnavailableError) -> None:
        if not self._down:
            self._log.warning("The database does not answer; %s wait until it does: %s", self.part, error)
        self._down = True
