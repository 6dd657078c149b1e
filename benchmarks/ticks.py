"""What one scheduled pass costs, with few and with many buckets behind it.

    python -m benchmarks.ticks --few 1000 --many 100000

Two deployments of one policy (5 features, 3 constraints; every shipped trigger) whose stored minute buckets were all
judged. Then time goes on a minute at a time, a quarter of an hour in the one and then in the other, so that what else
the machine does falls on both. A pass that completes no window and one that completes a window of every trigger (each
quarter of an hour) are timed apart. The aim: the many cost at most 1.2 times the few.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import COSTS, rows
from monitor.bucketing import baseline, buckets
from monitor.bucketing.plans import current_plan
from monitor.clock import ManualClock
from monitor.runtime import build
from monitor.settings import load
from monitor.summaries import summarise
from monitor.tick import Parts, tick
from monitor.validate import Accepted

START = 1_767_225_600  # 2026-01-01 00:00 UTC
FEATURES = 5
PER_MINUTE = 60
REFERENCE = 40 * 900  # 40 windows
KINDS = 50  # different minutes that the stored buckets are drawn from
QUARTER = 15


def deployed(root: Path, minutes: int) -> tuple[Parts, ManualClock]:
    """Return a deployment with ``minutes`` stored buckets, all of them sealed and judged."""
    root.mkdir()
    text = '[policy.bench]\nincumbent = "v1"\n'
    for name in COSTS:
        text += f'[policy.bench.constraint.{name}]\ncost = "{name}"\nlimit = 2.0\nbudget = 0.2\n'
    (root / "checkrein.toml").write_text(text, "utf-8")
    clock = ManualClock(START + REFERENCE + 3600.0)
    parts = build(load(root / "checkrein.toml"), clock)
    rng = np.random.default_rng(minutes)
    for minute in range(0, REFERENCE, 60):
        land(parts, START + minute, rng)
    baseline.freeze(parts, "bench", START, START + REFERENCE, "benchmark")
    with parts.database.read() as connection:
        plan, _ = current_plan(connection, parts.settings, "bench")
    drawn = [summarise(decisions(START + 60 * kind, rng), plan) for kind in range(KINDS)]
    kinds = [next(iter(found.values())) for found in drawn]
    for first in range(REFERENCE // 60, minutes, 5000):
        some = range(first, min(first + 5000, minutes))
        with parts.database.begin() as connection:
            found = {("v1", "", START + 60 * minute): kinds[int(rng.integers(KINDS))] for minute in some}
            buckets.put(connection, "bench", found)
    clock.at = float(START + 60 * minutes) // 900 * 900 + 60  # whole windows, and their lateness
    tick(parts, "bench")
    return parts, clock


def decisions(begin: float, rng: np.random.Generator) -> object:
    table = rows(PER_MINUTE, begin, 60 / PER_MINUTE, rng)
    kept = [name for name in table.column_names if not name.startswith(("state.", "pi."))]
    kept += [name for name in table.column_names if name.startswith("state.")][:FEATURES]
    return table.select(kept)


def land(parts: Parts, begin: float, rng: np.random.Generator) -> None:
    parts.landing.decisions("bench", Accepted(decisions(begin, rng), (), ()), f"minute {begin:.0f}")


def passes(parts: Parts, clock: ManualClock) -> tuple[list[float], list[float]]:
    """Let a quarter of an hour go by; return the seconds of passes without a window, and of the one with windows."""
    rng = np.random.default_rng(1)
    taken = []
    for _minute in range(QUARTER):
        land(parts, clock.at, rng)
        clock.advance(60)
        began = time.perf_counter()
        done = tick(parts, "bench")
        taken.append(time.perf_counter() - began)
    if done.windows < 10:
        raise SystemExit(f"only {done.windows} windows were judged at the end of a quarter of an hour")
    return taken[:-1], taken[-1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=1_000, help="minute buckets stored")
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument(
        "--quarters", type=int, default=15, help="quarters of an hour to go on for, after one to warm up"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    sizes = (options.few, options.many)
    idle: dict[int, list[float]] = {size: [] for size in sizes}
    full: dict[int, list[float]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory() as folder:
        sites = {size: deployed(Path(folder) / str(size), size) for size in sizes}
        for quarter in range(options.quarters + 1):
            for size, (parts, clock) in sites.items():
                more_idle, more_full = passes(parts, clock)
                if quarter > 0:  # the first one warms up
                    idle[size] += more_idle
                    full[size] += more_full
        for parts, _clock in sites.values():
            parts.database.close()
    figures: dict[str, Any] = {"few": options.few, "many": options.many}
    for name, taken in (("idle", idle), ("window", full)):
        few, many = (statistics.median(taken[size]) for size in sizes)
        figures |= {f"{name}_ms": [round(1e3 * few, 2), round(1e3 * many, 2)], f"{name}_ratio": round(many / few, 3)}
    if options.json:
        print(json.dumps(figures))
        return
    print(f"one pass over a policy with {options.few:,} and with {options.many:,} stored minute buckets, medians")
    for kind, words in (("idle", "that completes no window"), ("window", "that completes one of every trigger")):
        a, b = figures[f"{kind}_ms"]
        print(f"{words:<36} {a:>8.1f} ms {b:>8.1f} ms  ratio {figures[f'{kind}_ratio']:.2f} (aim: <= 1.2)")


if __name__ == "__main__":
    main()
