"""Jensen-Shannon drift of a million rows of 20 features, against Evidently, NannyML and what one writes by hand.

    python -m benchmarks.drift_peers --rows 1000000

One seeded pair of Parquet files, reference and window, is read by everybody; reading and importing are outside the
clocks. Ours counts the window into the reference's bins with the kernels of every landing, and takes the divergence
from the cached reference. The floor is a plain np.sum over the same bytes. All in one run, one thread, medians.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial.distance import jensenshannon

from benchmarks.data import FEATURES
from benchmarks.peers.environment import measured
from detectors.jensen_shannon import js_bias, js_divergence
from monitor.summaries import Feature, Plan
from monitor.summaries.histogram import Features

REFERENCE = 100_000
BINS = 20
SHIFT = 0.05  # sigma a feature: the first one has not moved, the last one by 0.95


def files(rows: int) -> Path:
    """Return the directory of reference.parquet and window.parquet, written at the first call."""
    root = Path(os.environ.get("CHECKREIN_BENCH_DIR", tempfile.gettempdir())) / "checkrein-bench"
    directory = root / f"drift-{rows}"
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20260102)
    for name, count, shift in (("reference", REFERENCE, 0.0), ("window", rows, SHIFT)):
        path, partial = directory / f"{name}.parquet", directory / f"{name}.partial"
        columns = {feature: rng.normal(i * shift, size=count) for i, feature in enumerate(FEATURES)}
        if not path.exists():
            pq.write_table(pa.table(columns), partial, compression="snappy")
            partial.replace(path)
    return directory


class Ours:
    """The reference as a baseline keeps it: equal-mass edges and the shares of their bins."""

    def __init__(self, reference: pa.Table) -> None:
        features = []
        for name in FEATURES:
            values = reference[f"state.{name}"].to_numpy()
            inner = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
            features.append(Feature(name, float(values.min()), float(values.max()), tuple(inner.tolist())))
        self.plan = Plan(features=tuple(features))
        self.counts = Features.of(reference, self.plan)

    def bits(self, window: pa.Table) -> list[float]:
        """Return the debiased divergence of each feature."""
        seen, found = Features.of(window, self.plan), []
        for name in FEATURES:
            now, past = seen.counts(name), self.counts.counts(name)
            bias = js_bias(int(np.sum((now > 0) | (past > 0))), window.num_rows, float(past.sum()))
            found.append(max(0.0, js_divergence(now, past) - bias))
        return found


def by_hand(window: list[Any], edges: list[Any], shares: list[Any]) -> list[float]:
    """Return the distances by np.histogram and SciPy, against a cached reference too."""
    pairs = zip(window, edges, shares, strict=True)
    return [float(jensenshannon(np.histogram(x, bins=edge)[0], share, base=2)) for x, edge, share in pairs]


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15, help="of ours and of the floor, in turn")
    parser.add_argument("--peer-repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    directory = files(options.rows)
    past, now = (pq.read_table(directory / f"{name}.parquet").combine_chunks() for name in ("reference", "window"))
    named = [f"state.{name}" for name in FEATURES]
    ours, window = Ours(past.rename_columns(named)), now.rename_columns(named)
    columns = [now[name].chunk(0).to_numpy() for name in FEATURES]
    edges = [np.array([-math.inf, *feature.edges, math.inf]) for feature in ours.plan.features]
    shares = [np.histogram(past[name].to_numpy(), bins=e)[0] for name, e in zip(FEATURES, edges, strict=True)]
    bits = ours.bits(window)  # compiles the kernels
    half = options.repeats // 2
    taken: dict[str, list[float]] = {"ours": [], "floor": []}

    def round_of(times: int) -> None:
        for _ in range(times):
            taken["floor"].append(seconds(lambda: [np.sum(column) for column in columns]))
            taken["ours"].append(seconds(lambda: ours.bits(window)))

    round_of(half)
    peers = {name: measured(f"{name}_drift", directory, options.peer_repeats) for name in ("evidently", "nannyml")}
    hand = [seconds(lambda: by_hand(columns, edges, shares)) for _ in range(options.peer_repeats)]
    round_of(options.repeats - half)  # on both sides of the peers, so that what else the machine does falls on all
    mine = statistics.median(taken["ours"])
    peers["numpy_scipy"] = {
        "version": np.__version__,
        "import_seconds": 0.0,
        "seconds": statistics.median(hand),
        "largest": max(by_hand(columns, edges, shares)),
    }
    ratios = [a / b for a, b in zip(taken["ours"], taken["floor"], strict=True)]
    figures = {
        "rows": options.rows,
        "features": len(FEATURES),
        "ours_ms": round(1e3 * mine, 1),
        "ours_range_ms": [round(1e3 * min(taken["ours"]), 1), round(1e3 * max(taken["ours"]), 1)],
        "np_sum_ms": round(1e3 * statistics.median(taken["floor"]), 1),
        "ratio_to_np_sum": round(statistics.median(ratios), 2),
        "largest_bits": round(max(bits), 4),
        "peers": {
            name: {
                "version": peer["version"],
                "import_seconds": peer["import_seconds"],
                "ms": round(1e3 * peer["seconds"], 1),
                "times_ours": round(peer["seconds"] / mine, 1),
                "largest_distance": round(peer["largest"], 4),
            }
            for name, peer in peers.items()
        },
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"Jensen-Shannon of {options.rows:,} rows x {len(FEATURES)} features, reference cached")
    nats = math.sqrt(max(bits) * math.log(2))
    scales = f"largest {max(bits):.4f} bit = distance {math.sqrt(max(bits)):.4f} in bits, {nats:.4f} in nats"
    print(f"ours         {1e3 * mine:>9.1f} ms  {scales}")
    print(f"np.sum       {figures['np_sum_ms']:>9.1f} ms  ours is {figures['ratio_to_np_sum']:.1f} x this (aim: <= 8)")
    for name, peer in figures["peers"].items():
        aim = {"evidently": " (aim: >= 100)", "nannyml": " (aim: >= 10)"}.get(name, "")
        print(
            f"{name:<12} {peer['ms']:>9.1f} ms  {peer['times_ours']:.1f} x ours{aim}, largest distance "
            f"{peer['largest_distance']:.4f}, version {peer['version']}, import {peer['import_seconds']:.1f} s apart"
        )


if __name__ == "__main__":
    main()
