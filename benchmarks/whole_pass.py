"""Rows per second of the whole metric pass, and its cost against only decoding the same columns.

    python -m benchmarks.whole_pass --rows 5000000

Streams 128k-row batches of a Parquet file through two threads: decode, then every summary of the plan by minute. The
floor is the same loop without the summaries, in the same process. Each is repeated and medians are printed.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import CANDIDATES, COSTS, FEATURES, parquet, plan
from monitor.summaries import BucketSummary, Plan, merge, summarise

Buckets = dict[tuple[str, str, int], BucketSummary]
COLUMNS = [
    "ts",
    "version",
    "arm",
    "action",
    "propensity",
    "reward",
    *(f"state.{name}" for name in FEATURES),
    *(f"cost.{name}" for name in COSTS),
    *(f"pi.{name}" for name in CANDIDATES),
]
_CODED = ["version", "arm", "action"]  # dictionary pages stay dictionaries


class Cost(NamedTuple):
    """Seconds of one pass."""

    wall: float
    cpu: float


def stream(path: Path, threads: int, batch_rows: int, each: Callable[[pa.Table], None]) -> Cost:
    """Call ``each`` with every batch of the file, from a few threads that take row groups in turn."""
    groups = pq.ParquetFile(path).num_row_groups
    turn, lock = count(), threading.Lock()

    def work() -> None:
        with pq.ParquetFile(path, read_dictionary=_CODED) as file:
            while True:
                with lock:
                    index = next(turn)
                if index >= groups:
                    return
                batches = file.iter_batches(batch_rows, row_groups=[index], columns=COLUMNS, use_threads=False)
                for batch in batches:
                    each(pa.Table.from_batches([batch]))

    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work) for _ in range(threads)]:
            future.result()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def whole(path: Path, counted: Plan, threads: int, batch_rows: int) -> tuple[Cost, Buckets]:
    """Run the pass; return its cost and the buckets."""
    buckets: Buckets = {}
    lock = threading.Lock()

    def each(table: pa.Table) -> None:
        found = summarise(table, counted)
        with lock:
            for key, bucket in found.items():
                buckets[key] = buckets[key] + bucket if key in buckets else bucket

    return stream(path, threads, batch_rows, each), buckets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--days", type=float, default=1.0, help="span of event time: 1440 minute buckets a day")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-rows", type=int, default=1 << 17)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    path, counted = parquet(options.rows, options.days), plan()
    whole(path, counted, options.threads, options.batch_rows)  # compiles the kernels, warms the page cache
    passes, floors = [], []
    for _ in range(options.repeats):
        floors.append(stream(path, options.threads, options.batch_rows, lambda table: None))
        cost, buckets = whole(path, counted, options.threads, options.batch_rows)
        passes.append(cost)
    started = time.perf_counter()
    bodies = [bucket.to_bytes() for bucket in buckets.values()]
    encoded = time.perf_counter() - started
    started = time.perf_counter()
    total = merge(bodies, counted)
    merged = time.perf_counter() - started
    rows = total.rows
    if rows != options.rows:
        raise SystemExit(f"{rows} rows were counted, not {options.rows}")
    wall, cpu = statistics.median(c.wall for c in passes), statistics.median(c.cpu for c in passes)
    figures = {
        "rows": rows,
        "buckets": len(bodies),
        "rows_per_second": round(rows / wall),
        "floor_rows_per_second": round(rows / statistics.median(c.wall for c in floors)),
        "cpu_ratio": round(statistics.median(p.cpu / f.cpu for p, f in zip(passes, floors, strict=True)), 3),
        "wall_ratio": round(statistics.median(p.wall / f.wall for p, f in zip(passes, floors, strict=True)), 3),
        "cpu_seconds": round(cpu, 3),
        "bytes_per_bucket": round(sum(map(len, bodies)) / len(bodies)),
        "encode_seconds": round(encoded, 3),
        "merge_seconds": round(merged, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "threads": options.threads,
        "repeats": options.repeats,
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{rows:,} rows x {len(COLUMNS)} columns, {len(bodies):,} minute buckets, {options.threads} threads")
    print(f"whole pass   {figures['rows_per_second']:>12,} rows/s")
    print(f"decode only  {figures['floor_rows_per_second']:>12,} rows/s")
    print(f"ratio        {figures['cpu_ratio']:.2f} x CPU, {figures['wall_ratio']:.2f} x wall (aim: <= 2.0 x CPU)")
    print(f"buckets      {figures['bytes_per_bucket']} bytes each")
    print(f"all buckets  encoded in {encoded:.2f} s, merged in {merged:.2f} s")
    print(f"peak memory  {figures['peak_rss_mb']} MB (aim: < 1024)")


if __name__ == "__main__":
    main()
