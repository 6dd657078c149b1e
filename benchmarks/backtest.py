"""What a replay of half a year costs: 180 days of minute buckets, every shipped trigger, judged again by the live code.

    python -m benchmarks.backtest --days 180

One policy (5 features, 3 constraints) whose minute buckets are stored through the product and sealed. The replay reads
its windows, judges all of them and steps every alert; nothing is written. Beside it, the floor: reading and decoding
the same roll-ups once. The aim: under 60 s for 180 days on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import COSTS
from benchmarks.ticks import KINDS, REFERENCE, START, decisions, land
from monitor.backtest.replay import replay
from monitor.bucketing import baseline, buckets
from monitor.bucketing.plans import current_plan
from monitor.clock import ManualClock
from monitor.runtime import build
from monitor.settings import load
from monitor.summaries import BucketSummary, summarise
from monitor.tick import Parts, seal

DAY = 86400
AIM = 60.0


def deployed(root: Path, days: int) -> Parts:
    """Return a deployment with ``days`` of sealed minute buckets, none of them judged."""
    text = '[policy.bench]\nincumbent = "v1"\n'
    for name in COSTS:
        text += f'[policy.bench.constraint.{name}]\ncost = "{name}"\nlimit = 2.0\nbudget = 0.2\n'
    (root / "checkrein.toml").write_text(text, "utf-8")
    clock = ManualClock(START + REFERENCE + 3600.0)
    parts = build(load(root / "checkrein.toml"), clock)
    rng = np.random.default_rng(days)
    for minute in range(0, REFERENCE, 60):
        land(parts, START + minute, rng)
    baseline.freeze(parts, "bench", START, START + REFERENCE, "benchmark")
    with parts.database.read() as connection:
        plan, _ = current_plan(connection, parts.settings, "bench")
    drawn = [summarise(decisions(START + 60 * kind, rng), plan) for kind in range(KINDS)]
    kinds = [next(iter(found.values())) for found in drawn]
    minutes = days * 1440
    for first in range(REFERENCE // 60, minutes, 5000):
        some = range(first, min(first + 5000, minutes))
        with parts.database.begin() as connection:
            found = {("v1", "", START + 60 * minute): kinds[int(rng.integers(KINDS))] for minute in some}
            buckets.put(connection, "bench", found)
    clock.at = float(START + days * DAY) + 60
    seal(parts.database, parts.settings, "bench", clock.at)
    return parts


def floor(parts: Parts, first: float, last: float) -> float:
    """Return the seconds of reading and decoding every roll-up that the triggers are judged on, once."""
    windows = {int(trigger.window) for trigger in parts.settings.triggers("bench").values()}
    began = time.process_time()
    with parts.database.read() as connection:
        plan, _ = current_plan(connection, parts.settings, "bench")
        for window in windows:
            loaded: list[tuple[int, BucketSummary]] = buckets.load(
                connection, "bench", "v1", "", window, first, last, plan
            )
            del loaded
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = deployed(Path(folder), options.days)
        first, last = float(START + REFERENCE), float(START + options.days * DAY)
        least = floor(parts, first, last)
        began, worked = time.perf_counter(), time.process_time()
        with parts.database.read() as connection:
            found = replay(connection, parts.settings, "bench", first, last)
        taken, worked = time.perf_counter() - began, time.process_time() - worked
        parts.database.close()
    figures: dict[str, Any] = {
        "days": options.days,
        "minute_buckets": options.days * 1440,
        "windows": found.windows,
        "seconds": round(taken, 2),
        "cpu_seconds": round(worked, 2),
        "floor_cpu_seconds": round(least, 2),
        "ratio": round(worked / least, 2),
        "aim_seconds": round(AIM * options.days / 180, 1),
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"a replay of {options.days} days, {figures['minute_buckets']:,} minute buckets")
    aim = f"(aim: < {figures['aim_seconds']} s)"
    print(f"{found.windows:,} windows of every trigger and key judged in {taken:.1f} s, {worked:.1f} s of CPU {aim}")
    print(f"reading and decoding the same roll-ups alone: {least:.1f} s of CPU, ratio {figures['ratio']:.1f}")


if __name__ == "__main__":
    main()
