"""When passes happen: APScheduler gives the beat, claimed slots make a pass happen once, a watchdog looks after both.

APScheduler is a tick source with its in-memory store and nothing more: its SQL store fires twice when two
processes share it, and its thread dies for good when the database is locked at the wrong moment (3.11.3).
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from monitor import breakglass
from monitor.acting import route
from monitor.acting.actions import ActionLoop
from monitor.drift_report import job as drift_report
from monitor.incidents import auditor
from monitor.judging.single_events import pending
from monitor.notify.loop import NotificationLoop
from monitor.rollouts import progress as rolling
from monitor.rollouts.hold import Watch
from monitor.running import slots
from monitor.running.beat import EachSlot, hasten
from monitor.running.guarded import Guarded
from monitor.running.horizon import horizon, within_reach
from monitor.running.jobs import HOURLY, UPKEEP
from monitor.tick import Parts, tick, tick_events
from monitor.why import job as why

log = logging.getLogger("checkrein")

PUSHED_POLL = 10.0  # seconds between passes of a policy that is fed over HTTP
FASTEST = 0.25  # real seconds between passes, however fast the clock runs
HOUR = 3600.0
EVENT_PAUSE = 0.2  # how long an event waits at most when another process landed it
WATCH_PAUSE = 1.0
BREAK_GLASS_EVERY = 5  # looks of the watchdog
STOP_WITHIN = 30.0
TAKEOVER_PAUSE = 2.0  # with a lease of 12 s, what a dead worker left is taken over within 15
# Threads of the passes, of hourly work with explanations, and of the rest. Python runs one at a time: more finish
# nothing sooner, and a reader or writer, who gives the turn away at each row, waits for all of them.
THREADS = {"default": 2, "passes": 3, "hourly": 1}

_MOVES = 24  # bits of an hourly slot that count how often the route moved

UPKEEP_EVERY = 60.0  # event seconds between two looks whether a slot of these is due
SELF_TOLD = {"judge", "watchdog", *HOURLY, *UPKEEP}  # say when they worked: where the slot is taken they do nothing


class Scheduler:
    """Runs passes, single events and the loops that send until told to stop.

    Parameters
    ----------
    parts
        Configuration, state and time.
    owner
        Name of this worker in claims; unique among the workers of one database.
    """

    def __init__(self, parts: Parts, owner: str) -> None:
        self.parts = parts
        self.owner = owner
        self.loop = ActionLoop(parts.database, parts.settings, parts.clock, owner)
        self.watch = Watch()
        self.telling = NotificationLoop(parts.database, parts.settings, parts.clock, owner)
        self._auditor = auditor.Auditor(parts)
        self.stopping = threading.Event()
        self.draining = threading.Event()  # the server is about to stop: long polls answer now
        self.landed = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._beat: BackgroundScheduler | None = None
        self._pools: list[ThreadPoolExecutor] = []
        self._guarded = Guarded(parts, self.stopping, SELF_TOLD)

    def start(self) -> None:
        """Start the beat, the event loop, the loops that send and the watchdog."""
        self._beat = self._new_beat()
        for name, target in {**self._loops(), "watchdog": self._watch_forever}.items():
            self._keep(name, target)

    def stop(self) -> None:
        """Stop all of them; what was claimed and not finished is taken over by others, or by the next start."""
        self.stopping.set()
        self.landed.set()
        for loop in (self.loop, self.telling):
            loop.wake()
        if "watchdog" in self._threads:  # first: it would start again what ends here
            self._threads["watchdog"].join(timeout=STOP_WITHIN)
        if self._beat is not None and self._beat.running:
            # Not wait=True: it waits for the jobs with the lock held that a job needs which asks for another one.
            self._beat.shutdown(wait=False)
            for pool in self._pools:
                pool.shutdown(wait=True)
        for thread in self._threads.values():
            thread.join(timeout=STOP_WITHIN)

    def wake(self) -> None:
        """Say that single events have landed, so that they are judged at once."""
        self.landed.set()

    def alive(self) -> dict[str, bool]:
        """Which parts are running; a False is a finding."""
        beat, thread = self._beat, None if self._beat is None else _thread_of(self._beat)
        beats = beat is not None and thread is not None and bool(beat.running) and thread.is_alive()
        return {"beat": beats, **{name: thread.is_alive() for name, thread in self._threads.items()}}

    def interval(self, policy: str) -> float:
        """Event seconds between two passes over a policy."""
        source = self.parts.settings.policy[policy].source
        return max(PUSHED_POLL if source is None else source.poll, FASTEST * self.parts.clock.speed)

    def judge(self, policy: str) -> None:
        """Claim this interval's slot of a policy and do the pass."""
        interval = self.interval(policy)
        slot = math.floor(self.parts.clock.now() / interval)
        held = slots.claim(self.parts.database, self.parts.clock, f"judge:{policy}", slot, self.owner)
        if held is None:
            return
        wanted = []

        def until() -> float:
            wanted.append(self.horizon(policy))
            return within_reach(self.parts, policy, wanted[-1])

        with slots.Renewal(self.parts.database, self.parts.clock, held):
            done = tick(self.parts, policy, until, held)
        if done.until < wanted[-1]:
            slots.reopen(self.parts.database, held)  # others first
        note = f"{done.pulled.accepted} rows, {done.windows} windows"
        if done.pulled.problems:
            note = "; ".join(done.pulled.problems)
        self._guarded.sign(f"judge:{policy}", note)
        if done.actions:
            self.loop.wake()
        if done.pulled.events:
            self.wake()
        if rolling.run(self.parts, policy, self.watch):  # last: what is wrong with a rollout delays no rollback
            self.loop.wake()

    def horizon(self, policy: str) -> float:
        """Time as of which a live pass judges, once it has pulled what is new."""
        return horizon(self.parts, policy, self.interval(policy))

    def _once(self, job: str, slot: Callable[[], int | None], work: Callable[[], object]) -> None:
        number = slot()
        held = None if number is None else slots.claim(self.parts.database, self.parts.clock, job, number, self.owner)
        if held is None:
            return
        with slots.Renewal(self.parts.database, self.parts.clock, held):
            work()
            with self.parts.database.begin() as connection:
                slots.finish(connection, self.parts.clock, held)
        self._guarded.sign(job, "done")

    def _hour(self, policy: str) -> int:
        """Return the slot of a policy's hourly job; it begins anew when its route moved or the move was confirmed.

        Who serves then has no answers yet, and what is proven has changed.
        """
        hour = math.floor(self.parts.clock.now() / HOUR)
        with self.parts.database.read() as connection:
            return hour << _MOVES | min(route.moves(connection, policy), (1 << _MOVES) - 1)

    def _new_beat(self) -> BackgroundScheduler:
        pools = {name: ThreadPoolExecutor(count) for name, count in THREADS.items()}
        self._pools = list(pools.values())
        beat = BackgroundScheduler(
            executors=pools,
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

        def add(job: str, when: BaseTrigger, work: Callable[[], object], on: str = "default") -> None:
            """Ask for the job's slot regularly, and at once, so that a fresh start has its numbers."""
            beat.add_job(self._guarded, when, id=job, args=[job, work], next_run_time=datetime.now(UTC), executor=on)

        def slotted(job: str, interval: float, work: Callable[[], object], on: str) -> None:
            add(job, EachSlot(self.parts.clock, interval, self.owner, job), work, on)

        def once(job: str, every: float, slot: Callable[[], int | None], work: Callable[[], object]) -> None:
            every = max(1.0 * self.parts.clock.speed, every)
            slotted(job, every, functools.partial(self._once, job, slot, work), "hourly")

        for policy in self.parts.settings.policy:
            slotted(f"judge:{policy}", self.interval(policy), functools.partial(self.judge, policy), "passes")
            for name, work in HOURLY.items():
                hour = functools.partial(self._hour, policy)  # six chances to take an hour's slot
                once(f"{name}:{policy}", HOUR / 6, hour, functools.partial(work, self.parts, policy))
            told = functools.partial(why.run, self.parts, policy, self.owner)
            add(f"why:{policy}", IntervalTrigger(seconds=why.PAUSE, timezone=UTC), told, "hourly")
        reported = functools.partial(drift_report.run, self.parts, self.owner, self.stopping)
        add(drift_report.JOB, IntervalTrigger(seconds=drift_report.PAUSE, timezone=UTC), reported)
        add("auditor", IntervalTrigger(seconds=auditor.PAUSE, timezone=UTC), self._auditor.run)
        for name, (slot, upkeep) in UPKEEP.items():
            once(name, UPKEEP_EVERY, functools.partial(slot, self.parts), functools.partial(upkeep, self.parts))
        add("takeover", IntervalTrigger(seconds=TAKEOVER_PAUSE, timezone=UTC), functools.partial(self._take_over, beat))
        beat.start()
        return beat

    def _take_over(self, beat: BackgroundScheduler) -> None:
        """Run at once what a dead worker left unfinished, and what a moved route asks: their own beat may be far."""
        asked = {f"{name}:{policy}": self._hour(policy) for policy in self.parts.settings.policy for name in HOURLY}
        with self.parts.database.read() as connection:
            left = slots.abandoned(connection, self.parts.clock)
            left += [job for job, slot in asked.items() if slots.untouched(connection, job, slot)]
        for job in left:
            with suppress(JobLookupError):  # of a policy that is not configured any more
                beat.modify_job(job, next_run_time=datetime.now(UTC))

    def _events_forever(self) -> None:
        while not self.stopping.is_set():
            self.landed.wait(EVENT_PAUSE)
            self.landed.clear()
            self._guarded("events", self._judge_events)

    def _judge_events(self) -> None:
        with self.parts.database.read() as connection:
            waiting = pending(connection)
        for policy in waiting:
            if policy in self.parts.settings.policy and tick_events(self.parts, policy):
                self.loop.wake()

    def _loops(self) -> dict[str, Callable[[], None]]:
        sending = {loop.part: functools.partial(loop.run_forever, self.stopping) for loop in (self.loop, self.telling)}
        return {"events": self._events_forever, **sending}

    def _watch_forever(self) -> None:
        targets = self._loops()
        for count in itertools.count():
            if self.stopping.wait(WATCH_PAUSE):
                return
            alive = self.alive()
            for name in (name for name, target in targets.items() if not alive[name]):
                log.error("the %s thread died; starting it again", name)
                self._keep(name, targets[name])
            if not alive["beat"]:
                log.error("the scheduler's thread died; starting it again")
                self._beat = self._new_beat()
            elif self._beat is not None:
                self._guarded("clock", functools.partial(self._hasten, self._beat))
            dead = ", ".join(name for name, lives in alive.items() if not lives)
            self._guarded("watchdog", functools.partial(self._guarded.sign, "watchdog", dead))
            if count % BREAK_GLASS_EVERY == 0:
                self._guarded("break_glass", self._break_glass)

    def _hasten(self, beat: BackgroundScheduler) -> None:
        jobs = hasten(beat)
        if jobs:
            log.warning("the machine's clock was set back; asking again for %s", ", ".join(jobs))

    def _break_glass(self) -> None:
        """Take up what was done without the database, and keep ready what that takes."""
        parts = self.parts
        try:
            if breakglass.replay(parts.database, parts.settings, parts.clock):
                self.loop.wake()
        finally:  # a journal that is refused keeps nobody from a copy that is current
            with parts.database.read() as connection:
                breakglass.refresh(connection, parts.settings, parts.clock)

    def _keep(self, name: str, target: Callable[[], None]) -> None:
        self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
        self._threads[name].start()


def _thread_of(beat: BackgroundScheduler) -> threading.Thread | None:
    thread: threading.Thread | None = beat._thread  # APScheduler has no public way to ask whether its thread lives
    return thread
