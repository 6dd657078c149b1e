"""Several works measured in turn, so that what else the machine does falls on all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

Taken = dict[str, list[float]]


def in_turn(repeats: int, **works: Callable[[], object]) -> Taken:
    """Return the seconds of each work, after one round that is not counted."""
    for work in works.values():
        work()
    taken: Taken = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - began)
    return taken


def ratio(taken: Taken, one: str, other: str) -> float:
    """Return the median of the rounds' ratios."""
    return round(statistics.median(a / b for a, b in zip(taken[one], taken[other], strict=True)), 2)
