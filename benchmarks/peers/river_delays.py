"""Run length and delay of river's ADWIN and Page-Hinkley.

    python -m benchmarks.peers.river_delays RUN_LENGTH ALARMS RUNS

The parameter that trades delay for false alarms is found by bisection, so that the mean run length on standard normal
windows without a fall is the one asked for. ADWIN looks at every window (river's default is every 32nd) and
Page-Hinkley at two slacks, of the smallest fall and of the middle one. Both learn the mean: WARM windows come before
the fall, and a run that fires in them is drawn again.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

WARM = 1000
MOST = 40_000  # windows after a fall
FALLS = (0.25, 1.0, 3.0)


class Detector(Protocol):
    """What both of river's have."""

    drift_detected: bool

    def update(self, x: float) -> Any:
        """Take one window."""
        ...


def normals(seed: int) -> Iterator[float]:
    rng = np.random.default_rng(seed)
    while True:
        yield from rng.normal(size=65536).tolist()


def run_length(make: Callable[[], Detector], wanted: float, alarms: int, seed: int) -> float:
    """Return windows seen over alarms, of ``wanted * alarms`` windows, starting anew after each alarm."""
    detector, count, steps = make(), 0, int(wanted * alarms)
    source = normals(seed)
    for step in range(1, steps + 1):
        detector.update(next(source))
        if detector.drift_detected:
            detector, count = make(), count + 1
            if count > 4 * alarms:  # far too short: the rest would only cost time
                return step / count
    return steps / max(count, 0.5)


def calibrated(
    build: Callable[[float], Callable[[], Detector]], low: float, high: float, wanted: float, alarms: int
) -> float:
    """Return the log parameter in (low, high) whose run length is ``wanted``; it grows with the parameter."""
    for _ in range(9):
        middle = (low + high) / 2
        if run_length(build(middle), wanted, alarms, 1) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def delay(make: Callable[[], Detector], fall: float, runs: int, seed: int) -> tuple[float, float]:
    """Return the mean windows from the fall to the alarm, and its standard error."""
    source, found = normals(seed), list[int]()
    while len(found) < runs:
        detector = make()
        for _ in range(WARM):
            detector.update(next(source))
            if detector.drift_detected:
                break
        else:
            taken = 0
            while taken < MOST and not detector.drift_detected:
                detector.update(next(source) - fall)
                taken += 1
            found.append(taken)
    return float(np.mean(found)), float(np.std(found)) / math.sqrt(runs)


def main(wanted: float, alarms: int, runs: int) -> None:
    import river
    from river.drift import ADWIN, PageHinkley

    def adwin(parameter: float) -> Callable[[], Detector]:
        return lambda: ADWIN(delta=math.exp(-parameter), clock=1)

    def page_hinkley(slack: float) -> Callable[[float], Callable[[], Detector]]:
        return lambda parameter: (
            lambda: PageHinkley(min_instances=1, delta=slack, threshold=math.exp(parameter), mode="down")
        )

    rules = {
        "ADWIN": (adwin, 0.0, 14.0),
        "Page-Hinkley, slack 0.125": (page_hinkley(0.125), 1.0, 5.0),
        "Page-Hinkley, slack 0.5": (page_hinkley(0.5), 0.5, 4.0),
    }
    answer = {}
    for name, (build, low, high) in rules.items():
        began = time.perf_counter()
        parameter = calibrated(build, low, high, wanted, alarms)
        make = build(parameter)
        answer[name] = {
            "parameter": round(math.exp(-parameter if name == "ADWIN" else parameter), 5),
            "run_length": run_length(make, wanted, alarms, 2),
            "delays": [delay(make, fall, runs, 3) for fall in FALLS],
            "seconds": round(time.perf_counter() - began, 1),
        }
    print(json.dumps({"version": river.__version__, "rules": answer}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
