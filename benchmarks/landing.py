"""Rows per second that land: validated, scored, free of duplicates, written to the lake and summarised by minute.

    python -m benchmarks.landing --rows 500000 --batch 10000

From Parquet through the path of `checkrein ingest`, and over HTTP into a real `checkrein serve`, one client, as NDJSON
and as an Arrow stream. The log has 37 columns; a frozen baseline makes every feature be counted.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import START
from benchmarks.deployment import POLICY, configuration, freeze, log, serving
from monitor.clock import SystemClock
from monitor.landing.imports import import_logs
from monitor.runtime import build
from monitor.settings import Source, load
from monitor.sources.payload import ARROW
from monitor.tick import Parts

DAY = 86400
REFERENCE = 50_000  # rows of the day before, of which the baseline is made


def deployed(root: Path, rng: np.random.Generator) -> Parts:
    """Return the parts of a new deployment with a frozen baseline."""
    root.mkdir()
    (root / "checkrein.toml").write_text(configuration(), "utf-8")
    parts = build(load(root / "checkrein.toml"), SystemClock())
    ingest(parts, log(REFERENCE, START - DAY, DAY / REFERENCE, rng), root / "reference.parquet")
    freeze(parts, START - DAY, START)
    return parts


def ingest(parts: Parts, table: pa.Table, path: Path, known: bool = False) -> float:
    """Write the rows as a file, import it, return the seconds that the import took; ``known`` rows are duplicates."""
    pq.write_table(table, path, compression="snappy", row_group_size=1 << 17)
    source = Source(kind="parquet", path=str(path))
    began = time.perf_counter()
    done = import_logs(parts, POLICY, source, [path], lambda chunk: None)
    seconds = time.perf_counter() - began
    if (done.pulled.duplicates if known else done.pulled.accepted) != table.num_rows:
        raise SystemExit(f"{path}: {done.sentence()}")
    return seconds


def ndjson(table: pa.Table) -> bytes:
    """Return the rows as JSON lines."""
    sink = io.BytesIO()
    pl.from_arrow(table).write_ndjson(sink)  # type: ignore[union-attr]
    return sink.getvalue()


def stream(table: pa.Table) -> bytes:
    """Return the rows as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def post(client: httpx.Client, bodies: list[bytes], kind: str, rows: int) -> float:
    """Send the bodies one after the other; return the seconds until the last one was answered."""
    began = time.perf_counter()
    answers = [client.post("/api/v1/decisions", content=body, headers={"Content-Type": kind}) for body in bodies]
    seconds = time.perf_counter() - began
    accepted = sum(answer.json().get("accepted", 0) for answer in answers)
    if accepted != rows:
        raise SystemExit(f"{accepted} of {rows} rows were accepted: {answers[-1].text[:500]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000, help="decisions of one day, from Parquet")
    parser.add_argument("--posted", type=int, default=100_000, help="decisions of one day, over HTTP")
    parser.add_argument("--batch", type=int, default=10_000, help="rows a request")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    rng = np.random.default_rng(20260101)
    day, again = [], []
    posted: dict[str, list[float]] = {"ndjson": [], "arrow": []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(options.repeats):
            parts = deployed(Path(folder) / f"ingest{repeat}", rng)
            table = log(options.rows, START, DAY / options.rows, rng)
            path = Path(folder) / f"ingest{repeat}" / "day.parquet"
            day.append(ingest(parts, table, path))
            again.append(ingest(parts, table, path.with_name("again.parquet"), known=True))
            parts.database.close()
        root = Path(folder) / "served"
        deployed(root, rng).database.close()
        with serving(root) as client:
            for repeat in range(options.repeats):
                for number, (name, kind, write) in enumerate(
                    (("ndjson", "application/x-ndjson", ndjson), ("arrow", ARROW, stream))
                ):
                    begin = START + DAY * (2 * repeat + number)
                    table = log(options.posted, begin, DAY / options.posted, rng)
                    starts = range(0, options.posted, options.batch)
                    bodies = [write(table.slice(first, options.batch)) for first in starts]
                    posted[name].append(post(client, bodies, kind, options.posted))
    figures = {
        "rows": options.rows,
        "parquet_rows_per_second": round(options.rows / statistics.median(day)),
        "duplicates_per_second": round(options.rows / statistics.median(again)),
        "batch": options.batch,
        **{f"{name}_rows_per_second": round(options.posted / statistics.median(t)) for name, t in posted.items()},
        "repeats": options.repeats,
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.rows:,} rows of one day, 37 columns, median of {options.repeats}")
    print(f"from Parquet   {figures['parquet_rows_per_second']:>10,} rows/s (aim: >= 100,000)")
    print(f"once more      {figures['duplicates_per_second']:>10,} rows/s, all of them duplicates")
    print(f"HTTP, NDJSON   {figures['ndjson_rows_per_second']:>10,} rows/s (aim: >= 20,000), {options.batch:,} each")
    print(f"HTTP, Arrow    {figures['arrow_rows_per_second']:>10,} rows/s, {options.batch:,} each")


if __name__ == "__main__":
    main()
