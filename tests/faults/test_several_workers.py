"""Several workers on one database: each slot judged once, each attempt sent once, a dead one's slot taken over."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from monitor.bucketing import baseline
from monitor.clock import ManualClock, SpedClock, stamp
from monitor.runtime import build
from monitor.settings import load
from monitor.store.tables import actions, heartbeats, policies, slots, transitions, verdicts
from monitor.tick import tick

if TYPE_CHECKING:
    from tests.faults.conftest import Site

EPOCH = 1_750_000_020.0  # a full minute
SPEED = 60.0
STEP = 2.0  # event seconds between two decisions of a policy
CALIBRATED, HISTORY = 3600.0, 7200.0
NAMES = ("w0", "w1", "w2", "hot")
TRIGGERS = ("reward_3sigma", "reward_rolling_2sigma", "violation_warn", "violation_budget", "no_data")


def configuration(poll: str = "10s") -> str:
    text = ""
    for name in NAMES:
        text += f'[policy.{name}]\nincumbent = "v6"\nserving = "v7"\nfallbacks = ["v6"]\nlateness = "30m"\n'
        text += f'[policy.{name}.source]\nkind = "jsonl"\npath = "logs/{name}.jsonl"\npoll = "{poll}"\n'
        hard = "true" if name == "hot" else "false"
        text += f'[policy.{name}.constraint.heat]\ncost = "heat"\nlimit = 1.0\nbudget = 0.01\nhard = {hard}\n'
    return text + "".join(f'[trigger.{name}]\nwindow = "1m"\n' for name in TRIGGERS)


class Log:
    """The decision logs of all policies, written row by row in the order of time."""

    def __init__(self, root: Path) -> None:
        (root / "logs").mkdir()
        self.paths = {name: root / "logs" / f"{name}.jsonl" for name in NAMES}
        self.rows, self.until = 0, EPOCH
        self._draw = random.Random(7)

    def write(self, until: float, heat: float = 0.5) -> None:
        """Append the decisions from the last one to ``until``."""
        lines: dict[str, list[str]] = {name: [] for name in NAMES}
        while self.until < until:
            for name in NAMES:
                drop = 0.6 if name == "w2" and self.until > EPOCH + HISTORY / 1.5 else 0.0
                row: dict[str, Any] = {"decision_id": f"{name}-{self.until}", "ts": stamp(self.until)}
                row |= {"version": "v7", "action": "a", "cost.heat": heat}
                row["reward"] = round(self._draw.gauss(1.0 - drop, 0.2), 6)
                lines[name].append(json.dumps(row) + "\n")
            self.until += STEP
            self.rows += 1
        for name, path in self.paths.items():
            with path.open("a") as file:
                file.write("".join(lines[name]))


def judged(site: Site, name: str) -> list[tuple[Any, ...]]:
    """Return the verdicts on what acted, without the time at which each was written."""
    database = site.open()
    with database.read() as connection:
        rows = connection.execute(select(verdicts).where(verdicts.c.policy == name, verdicts.c.version != "v6")).all()
    database.close()
    return sorted(tuple(value for key, value in row._mapping.items() if key != "judged") for row in rows)


def alone(site: Site) -> Site:
    """Judge the same log in one process and one pass, as of what the workers had sealed.

    What a worker had sealed and not judged when it was killed is judged here too, in the workers' own database.
    """
    other = type(site)(site.root / "alone")
    other.root.mkdir()
    other.config.write_text(site.config.read_text())
    (other.root / "logs").symlink_to(site.root / "logs")
    clock = ManualClock(EPOCH + HISTORY)  # since when the product knows the policies
    here, there = (build(load(one.config), clock) for one in (site, other))
    clock.advance(86400)  # the whole log has happened
    with here.database.read() as connection:
        sealed = {row.policy: row.sealed_until for row in connection.execute(select(policies))}
    for name in NAMES:
        tick(there, name, EPOCH)  # reads the log; judges nothing yet
        baseline.freeze(there, name, EPOCH, EPOCH + CALIBRATED, "test")
        for parts in (here, there):
            tick(parts, name, sealed[name] + parts.settings.policy[name].maturity)
    here.database.close()
    there.database.close()
    return other


@contextmanager
def kept_up(work: Callable[[], None]) -> Iterator[None]:
    """Do something again and again until the block is over."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.2):
            work()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def contend(site: Site, workers: int, seconds: float) -> str:
    """Let the workers share a live log for a while; check that together they did what one would have done."""
    site.configure(configuration(), timeout="60s")
    site.receiver("--fail", "0.3", "--lose", "0.2", "--seed", "245")  # fails one, loses two, answers
    log = Log(site.root)
    log.write(EPOCH + HISTORY)
    parts = build(load(site.config), ManualClock(EPOCH + HISTORY))
    for name in NAMES:
        tick(parts, name, EPOCH)
        baseline.freeze(parts, name, EPOCH, EPOCH + CALIBRATED, "test")
    parts.database.close()
    clock = SpedClock(EPOCH + HISTORY, SPEED)
    for number in range(workers):
        site.worker(f"worker {number}", CHECKREIN_CLOCK=clock.spec())

    def go_on(until: Callable[[], bool], heat: float, otherwise: str) -> None:
        """Write the log as time goes by: a quiet one would be judged by the clock."""

        def step() -> bool:
            log.write(clock.now(), heat)
            assert all(site.alive(f"worker {number}") for number in range(workers)), site.printed()
            return until()

        site.until(step, otherwise)

    go_on(lambda: len(owners(site)) == workers, 0.5, "a worker has done no slot")
    go_on(after(seconds / 2), 0.5, "time stands still")
    begun, over = time.monotonic(), after(seconds / 2)
    go_on(lambda: over() and acknowledged(site) == 2, 1.5, "the rollbacks are not acknowledged")
    waited = time.monotonic() - begun
    with kept_up(lambda: log.write(clock.now(), 1.5)):  # the last worker of a log that stopped would judge by the clock
        statuses = [site.end(f"worker {number}") for number in range(workers) if site.alive(f"worker {number}")]
    assert statuses == [0] * workers, site.printed()
    assert not site.errors()
    database = site.open()
    with database.read() as connection:
        claimed = connection.execute(select(slots)).all()
        acted = connection.execute(select(actions)).all()
        hearts = connection.execute(select(heartbeats.c.part)).scalars().all()
        moved = connection.execute(select(transitions.c.policy, transitions.c.trigger, transitions.c.new)).all()
    database.close()
    printed = site.printed()  # who was held up for longer than its lease says so, and has written nothing
    twice = [row for row in claimed if row.fence > 1 and f"{row.job}: " not in printed]
    assert not twice, "a slot was claimed twice although nobody had lost it"
    assert not [part for part in hearts if part.startswith("failed:")]
    shares = owners(site)
    rolled_back = sorted((row.policy, row.trigger) for row in acted)
    assert rolled_back == [("hot", "hard_constraint"), ("w2", "reward_3sigma")], "one rollback each, whoever saw why"
    posts = Counter(identity for identity, _fault in site.posts())
    assert sum(posts.values()) > len(acted)
    assert posts == {row.id: row.attempts for row in acted}, "each attempt is one POST"
    assert ("w2", "reward_3sigma", "firing") in {tuple(row) for row in moved}
    one, compared = alone(site), 0
    for name in NAMES[:-1]:
        together, expected = judged(site, name), judged(one, name)
        assert sorted(set(together) ^ set(expected)) == [], f"{name}: the verdicts are not those of one worker"
        assert len(together) == len(expected)
        compared += len(together)
    each = "/".join(str(count) for _owner, count in shares.most_common())
    return (
        f"{workers} workers: {sum(shares.values())} slots judged once each ({each} by worker), {compared} verdicts"
        f" equal to one worker's in one pass, 2 rollbacks in {sum(row.attempts for row in acted)} attempts ="
        f" {sum(posts.values())} POSTs, acknowledged after {waited:.1f} s"
    )


def owners(site: Site) -> Counter[str]:
    """How many passes each worker has finished."""
    database = site.open()
    with database.read() as connection:
        done = select(slots.c.owner).where(slots.c.done.is_(True), slots.c.job.startswith("judge:"))
        found = Counter(connection.execute(done).scalars())
    database.close()
    return found


def acknowledged(site: Site) -> int:
    """How many rollbacks the receiver has acknowledged."""
    database = site.open()
    with database.read() as connection:
        found = connection.execute(select(actions.c.acknowledged)).scalars().all()
    database.close()
    return len(found) - found.count(None)


def after(seconds: float) -> Callable[[], bool]:
    """Return a condition that is met once ``seconds`` have gone by."""
    over = time.monotonic() + seconds
    return lambda: time.monotonic() > over


@pytest.mark.fault(7)
@pytest.mark.parametrize("workers", [2, pytest.param(5, marks=pytest.mark.full)])
def test_workers_together_judge_each_slot_once(site: Site, say: Callable[[str], None], workers: int) -> None:
    say(contend(site, workers, seconds=4.0 + workers))


@pytest.mark.fault(7)
def test_a_killed_workers_slot_is_taken_over(site: Site, say: Callable[[str], None]) -> None:
    """One that is judged only every ten minutes: the next slot would come far too late."""
    site.configure(configuration(poll="10m"))
    (site.root / "logs").mkdir()
    line = '{"decision_id": "%d", "ts": "2025-06-15T15:00:00Z", "version": "v7", "action": "a", "reward": 1.0}\n'
    (site.root / "logs" / "w0.jsonl").write_text("".join(line % number for number in range(1_500_000)))
    build(load(site.config), ManualClock(EPOCH)).database.close()
    clock = SpedClock(EPOCH, 1.0)  # the log's: by another one the other policies have been silent for ages
    for name in ("one", "two"):
        site.worker(name, CHECKREIN_CLOCK=clock.spec())

    def owner() -> str:
        database = site.open()
        with database.read() as connection:
            held = connection.execute(select(slots).where(slots.c.job == "judge:w0", slots.c.done.is_(False))).all()
        database.close()
        return held[-1].owner if held else ""

    site.until(lambda: owner() != "", "nobody claims the slot")
    first = owner()
    victim = next(name for name in ("one", "two") if f"-{site.pid(name)}-" in first)
    site.kill(victim)
    taken = site.until(lambda: owner() not in {"", first}, "nobody takes the slot over")
    say(f"killed in the middle of a pass; another worker took its slot over {taken:.1f} s later (aim: <= 15)")
