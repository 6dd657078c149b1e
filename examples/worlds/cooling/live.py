"""The plant as a serving process: decisions as they become due, their log by HTTP, rollbacks by hook and route."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.receiver import server
from examples.worlds.cooling.feed import Feed
from examples.worlds.cooling.names import CONSTRAINTS
from examples.worlds.cooling.plant import DRIFT, RAMP, Plant
from examples.worlds.cooling.rows import lines, stamp
from examples.worlds.cooling.serving import RouteFollower, Serving

TICK = 0.25  # seconds between looks at the clock
CATCH_UP = 900  # simulated seconds after the clock's epoch within which live goes on where history ended
WARM_UP = 1800  # decisions before the first logged one, in which the plant reaches its operating point
_MOST_AT_ONCE = 3600
_HARD = [index for index, limit in enumerate(CONSTRAINTS) if limit.hard]


@dataclass(frozen=True)
class SimulatedTime:
    """Seconds since 1970 that were ``epoch`` at machine time ``started`` and run ``speed`` times as fast.

    >>> SimulatedTime.parse("1000/60/0").at(2.0)
    1120.0
    """

    epoch: float
    speed: float
    started: float

    @staticmethod
    def parse(text: str) -> SimulatedTime:
        """Read "epoch/speed/started"; ValueError where it is not three numbers with a speed above 0."""
        epoch, speed, started = (float(part) for part in text.split("/"))
        if not speed > 0:
            raise ValueError(f"a speed of {speed:g} is not above 0")
        return SimulatedTime(epoch, speed, started)

    def at(self, machine: float) -> float:
        """Return the simulated time at a machine time."""
        return self.epoch + (machine - self.started) * self.speed


class Journal:
    """One JSON line an event on standard output, with simulated and machine time."""

    def __init__(self, clock: SimulatedTime) -> None:
        self._clock, self._lock = clock, threading.Lock()

    def __call__(self, name: str, **fields: Any) -> None:
        """Print an event."""
        now = time.time()
        line = json.dumps({"event": name, "sim": stamp(self._clock.at(now)), "wall": round(now, 3), **fields})
        with self._lock:
            print(line, flush=True)


def run(
    *,
    api: str,
    hook_port: int,
    clock: SimulatedTime,
    fault_after: float | None,
    repair_after: float | None = None,
    seed: int,
    state: Path,
    max_seconds: float | None,
    initial: str = "v7",
) -> int:
    """Run until SIGTERM, SIGINT or ``max_seconds``; return 0 if every decision reached the log, else 1.

    1. start the hook, the route follower and the feed
    2. every 0.25 s take all decisions that became due, with the version that should act now
    3. log them; what the API cannot take yet stays in memory
    4. ``repair_after`` seconds after another version took over from the one that met the fault, the sensor is replaced

    Raises
    ------
    ValueError
        If ``CHECKREIN_HOOK_SECRET`` is empty.
    """
    state.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    journal = Journal(clock)
    token = os.environ.get("CHECKREIN_TOKEN", "")
    serving = Serving(state / "receiver.json", os.environ.get("CHECKREIN_HOOK_SECRET", "").split(), initial, journal)
    hook = server(serving, hook_port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    feed = Feed(api, token, journal)
    plant = Plant(seed)
    begun = time.time()
    last = math.floor(clock.at(begun))
    if last - clock.epoch < CATCH_UP:
        last = math.floor(clock.epoch) - 1  # a history that ends at the epoch goes on without a gap
    plant.run(serving.active, last + 1 - WARM_UP, WARM_UP)
    fault = math.inf if fault_after is None else float(math.ceil(clock.at(begun + fault_after)))
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    RouteFollower(api, token, serving, stop).start()
    feed.start()
    port = hook.server_address[1]
    journal("started", version=serving.active, hook_port=port, pid=os.getpid(), first=stamp(last + 1))
    told: set[str] = set()
    decisions, repair, met = 0, math.inf, ""
    while not stop.wait(TICK):
        now = time.time()
        if max_seconds is not None and now - begun >= max_seconds:
            break
        due = min(math.floor(clock.at(now)) - last, _MOST_AT_ONCE)
        if due < 1:
            continue
        batch = plant.run(serving.active, last + 1, due, fault, repair)
        feed.put(lines(batch))
        last, decisions = last + due, decisions + due
        if last >= fault and "fault" not in told:
            told.add("fault")
            met = batch.version
            journal("fault_injected", sensor="inlet", drift=DRIFT, minutes=RAMP / 60, at=stamp(fault))
        if met not in {"", batch.version} and repair_after is not None and math.isinf(repair):
            repair = float(math.ceil(clock.at(now + repair_after)))
        if last >= repair and "repair" not in told:
            told.add("repair")
            journal("sensor_replaced", sensor="inlet", at=stamp(repair))
        for index in _HARD:
            name = CONSTRAINTS[index].name
            if name not in told and batch.costs[index].any():
                told.add(name)
                journal("limit_broken", limit=name, version=batch.version)
    stop.set()
    feed.close(within=5.0)
    hook.shutdown()
    hook.server_close()
    journal("stopped", decisions=decisions, sent=feed.sent, unsent=feed.unsent, lost=feed.lost, version=serving.active)
    return 0 if feed.sent == decisions else 1
