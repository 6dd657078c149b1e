"""A whole pass over a day of decisions, against the script that one writes with pandas, on the same Parquet log.

    python -m benchmarks.tick_peers --rows 500000

Ours reads, validates, drops duplicates, writes the lake, counts every summary by minute and judges every shipped
trigger with its alerts; then a quarter of an hour more lands and is judged, as a scheduled pass does. The script
(benchmarks/peers/pandas_tick.py) reads the day and judges its quarters of an hour, and does so again for the next.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import START
from benchmarks.deployment import POLICY, configuration, freeze, log
from benchmarks.peers.environment import measured
from monitor.clock import ManualClock
from monitor.landing.imports import import_logs
from monitor.runtime import build
from monitor.settings import Source, load
from monitor.tick import Parts, tick

DAY = 86400
QUARTER = 900
REFERENCE = 50_000  # rows of the day before, of which the baseline is made
LATENESS = 60


class Taken(NamedTuple):
    """Seconds of one pass: rows in and counted, windows judged; and how many windows."""

    landing: float
    judging: float
    windows: int

    @property
    def seconds(self) -> float:
        return self.landing + self.judging


def deployed(root: Path, past: Path) -> tuple[Parts, ManualClock]:
    """Return a deployment with a frozen baseline that watches from the start of the day."""
    root.mkdir()
    (root / "checkrein.toml").write_text(configuration(), "utf-8")
    clock = ManualClock(float(START))
    parts = build(load(root / "checkrein.toml"), clock)
    ingest(parts, past)
    freeze(parts, START - DAY, START)
    tick(parts, POLICY)
    return parts, clock


def ingest(parts: Parts, path: Path) -> None:
    done = import_logs(parts, POLICY, Source(kind="parquet", path=str(path)), [path], lambda chunk: None)
    if done.pulled.accepted != pq.ParquetFile(path).metadata.num_rows:
        raise SystemExit(f"{path}: {done.sentence()}")


def whole(parts: Parts, clock: ManualClock, path: Path, until: float) -> Taken:
    """Land one file and judge what it completes."""
    clock.at = until + LATENESS
    began = time.perf_counter()
    ingest(parts, path)
    landed = time.perf_counter()
    done = tick(parts, POLICY)
    return Taken(landed - began, time.perf_counter() - landed, done.windows)


def write(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path, compression="snappy", row_group_size=1 << 17)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000, help="decisions of the day")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    rng, step = np.random.default_rng(20260103), DAY / options.rows
    more = round(QUARTER / step)
    days, nexts, theirs, their_nexts = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        past = write(log(REFERENCE, START - DAY, DAY / REFERENCE, rng), root / "past.parquet")
        day = write(log(options.rows, START, step, rng), root / "day.parquet")
        quarter = write(log(more, START + DAY, step, rng), root / "quarter.parquet")
        for repeat in range(options.repeats + 1):
            parts, clock = deployed(root / str(repeat), past)
            one = whole(parts, clock, day, START + DAY)
            two = whole(parts, clock, quarter, START + DAY + QUARTER)
            parts.database.close()
            if one.windows < 96 or two.windows < 1:
                raise SystemExit(f"only {one.windows} and {two.windows} windows were judged")
            if repeat == 0:
                continue  # warms up
            days.append(one)
            nexts.append(two)
            pandas = measured("pandas_tick", past, day, 1)
            theirs.append(pandas["seconds"])
            their_nexts.append(measured("pandas_tick", past, day, quarter, 1)["seconds"])
    ours, next_ours = (statistics.median(t.seconds for t in taken) for taken in (days, nexts))
    figures = {
        "rows": options.rows,
        "quarter_rows": more,
        "day_seconds": round(ours, 3),
        "day_landing_seconds": round(statistics.median(t.landing for t in days), 3),
        "day_judging_seconds": round(statistics.median(t.judging for t in days), 3),
        "windows_judged": days[0].windows,
        "pandas_day_seconds": round(statistics.median(theirs), 3),
        "day_ratio": round(statistics.median(a.seconds / b for a, b in zip(days, theirs, strict=True)), 2),
        "next_seconds": round(next_ours, 3),
        "pandas_next_seconds": round(statistics.median(their_nexts), 3),
        "next_ratio": round(statistics.median(a.seconds / b for a, b in zip(nexts, their_nexts, strict=True)), 3),
        "pandas": pandas["version"],
        "pandas_windows": pandas["windows"],
        "repeats": options.repeats,
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.rows:,} decisions of one day, 37 columns; then {more:,} of the next quarter of an hour")
    print(
        f"ours    day {ours:>7.2f} s (landing {figures['day_landing_seconds']:.2f}, judging "
        f"{figures['day_judging_seconds']:.2f}, {days[0].windows:,} windows), next quarter {next_ours:>7.3f} s"
    )
    print(
        f"pandas  day {figures['pandas_day_seconds']:>7.2f} s ({pandas['windows']} windows), next quarter "
        f"{figures['pandas_next_seconds']:>7.3f} s"
    )
    print(f"ratio   day {figures['day_ratio']:.2f} x, next quarter {figures['next_ratio']:.3f} x the script's time")


if __name__ == "__main__":
    main()
