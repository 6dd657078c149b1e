"""Where a drill happens: a database, a lake and a hook of its own, gone afterwards.

Nothing of it is the policy's own, so that nothing has to be filtered out of metrics, limits or budgets later. A drill
that is killed leaves its directory; the lock inside it ends with the process, and the next drill removes it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import insert, select

from monitor import novelty
from monitor.acting import rollback
from monitor.bucketing.plans import current_plan
from monitor.clock import Clock
from monitor.drill.receiver import Loopback
from monitor.judging.parameters import sharing
from monitor.judging.windows import Frozen
from monitor.landing.land import Landing
from monitor.novelty.files import path_of
from monitor.settings import Hook, Settings, Store, Trigger
from monitor.store.database import Database
from monitor.store.tables import baselines, candidates, metadata, policies, routes, summaries
from monitor.tick import Parts

PREFIX = "checkrein-drill-"
SERVING = "drill"  # the hook of the built-in serving side
_AT_ONCE = 1000
_BUSY = 60.0  # real seconds that a writer of the drill waits for the others: a busy machine is no finding
_TIMEOUT = "30s"  # of the drill's own serving side, for the same reason; the limits of the steps judge


@dataclass
class EventClock:
    """Event time that the drill moves, over the real time of the clock that it was started under.

    >>> from monitor.clock import ManualClock
    >>> clock = EventClock(ManualClock(7.0), 100.0); clock.reach(90.0); clock.now(), clock.real()
    (100.0, 7.0)
    """

    outer: Clock
    at: float
    speed: float = 1.0

    def now(self) -> float:
        """Return the event time that it was moved to."""
        return self.at

    def real(self) -> float:
        """Return real time: networks are not sped up."""
        return self.outer.real()

    def monotonic(self) -> float:
        """Return the monotonic seconds of the clock that it was started under."""
        return self.outer.monotonic()

    def reach(self, at: float) -> None:
        """Move event time forward to ``at``, never back."""
        self.at = max(self.at, at)


@dataclass(frozen=True)
class Site:
    """The parts of one drill."""

    parts: Parts
    clock: EventClock
    home: Path


@contextmanager
def workspace() -> Iterator[Path]:
    """Yield a directory that only this drill uses; remove it at the end, and those of drills that were killed."""
    clear()
    home, lock = _locked()
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
        lock.close()


def _locked() -> tuple[Path, IO[bytes]]:
    while True:
        home = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = (home / "lock").open("ab")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / "lock").exists():  # else another drill took it for a dead one's just before
            return home, lock
        lock.close()


def clear() -> list[Path]:
    """Remove the directories of drills whose process is gone; return them."""
    gone = []
    for home in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        try:
            if home.is_symlink() or home.stat().st_uid != os.getuid():
                continue
            with (home / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(home, ignore_errors=True)
                gone.append(home)
        except OSError:  # somebody drills there, is about to, or has just removed it
            continue
    return gone


def settings_of(
    real: Settings, policy: str, serving: str, triggers: dict[str, Trigger], home: Path, url: str, more: dict[str, Hook]
) -> Settings:
    """Return the configuration of a drill: the policy's own, with a store, hooks and triggers of the drill's.

    The budget of false rollbacks is cut to the share that the drilled trigger has among all of them, so that limits
    that follow from it are the live ones although the others are off.

    Parameters
    ----------
    real, policy, serving
        The live configuration, whose policy, and the version that serves.
    triggers
        Those that are on; the drilled one, and what it needs.
    home, url, more
        The drill's directory, where its serving side listens, and hooks beside that one.
    """
    configured = real.policy[policy]
    share = max(len(sharing(real, policy)), 1)
    false = configured.false_rollbacks.model_copy(update={"at_most": configured.false_rollbacks.at_most / share})
    confirm = configured.confirm.model_copy(update={"acknowledge_within": real.drill.rollback_within})
    changed = configured.model_copy(
        update={
            "serving": serving,
            "trigger": {},
            "source": None,
            "maintenance": {},
            "false_rollbacks": false,
            "confirm": confirm,
        }
    )
    key = home / "secret"
    key.write_text(f"drill {secrets.token_urlsafe(32)}".replace(" ", "-"), "utf-8")
    key.chmod(0o600)
    hook = Hook.model_validate({"kind": "webhook", "url": url, "secret": f"file:{key}", "timeout": _TIMEOUT})
    store = Store(url=f"sqlite:///{home / 'drill.db'}", lake=home / "lake", break_glass=home / "break-glass")
    return real.model_copy(
        update={"store": store, "policy": {policy: changed}, "trigger": triggers, "hook": {SERVING: hook, **more}}
    )


@contextmanager
def opened(
    real: Parts, policy: str, settings: Settings, home: Path, begin: float, generation: int, frozen: Frozen | None,
    receiver: Loopback,
) -> Iterator[Site]:  # fmt: skip
    """Yield the parts of a drill, its database filled with the frozen baseline and nothing else of the policy's.

    The generation is one below the live one: what the drill sends carries at most a generation that was seen before,
    so that a receiver that does not know the mode refuses it.
    """
    clock = EventClock(real.clock, begin)
    database = Database(settings.store.url, busy=_BUSY)
    try:
        metadata.create_all(database.engine)
        parts = Parts(settings, database, clock, Landing(database, settings, clock), mode="drill")
        with database.begin() as connection:
            rollback.ensure_policy(connection, settings, policy)
            connection.execute(policies.update().values(watch_from=begin, sealed_until=begin))
            serving = settings.policy[policy].first_serving
            row = {"policy": policy, "serving": serving, "generation": max(0, generation - 1), "changed": begin}
            split = f'{{"{serving}":1.0}}' if '"' not in serving else "{}"
            connection.execute(insert(routes), [{**row, "split": split, "reason": "a drill begins"}])
        if frozen is not None:
            _copy(real, parts, policy, frozen)
        receiver.begin(policy, serving, max(0, generation - 1), settings.hook[SERVING].secret or "")
        yield Site(parts, clock, home)
    finally:
        database.close()


def _copy(real: Parts, drill: Parts, policy: str, frozen: Frozen) -> None:
    """Copy the baseline and the windows that it consists of: what detectors compare with."""
    windows = {int(trigger.window) for trigger in drill.settings.trigger.values()}
    with real.database.read() as source:
        of_policy = baselines.c.policy == policy
        rows = source.execute(select(baselines).where(of_policy, baselines.c.id == frozen.id)).mappings().all()
        known = source.execute(select(candidates).where(candidates.c.policy == policy)).mappings().all()
        plan, _id = current_plan(source, real.settings, policy)
        c = summaries.c
        within = (c.policy == policy) & c.resolution.in_(windows) & c.late.is_(False)
        counted = select(summaries).where(within, c.start >= frozen.begin, c.start < frozen.end)
        with drill.database.begin() as target:
            target.execute(insert(baselines), [dict(row) for row in rows])
            if known:
                target.execute(insert(candidates), [dict(row) for row in known])
            for some in source.execute(counted).mappings().partitions(_AT_ONCE):
                target.execute(insert(summaries), [dict(row) for row in some])
    if plan.novelty:
        there = path_of(real.landing.lake.root, policy, plan.novelty)
        if there.exists():
            network: Any = novelty.load(real.landing.lake.root, policy, plan.novelty)
            novelty.keep(drill.landing.lake.root, policy, network)
