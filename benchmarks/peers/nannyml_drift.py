"""NannyML's univariate drift by the Jensen-Shannon distance: python -m benchmarks.peers.nannyml_drift DIR REPEATS.

Its calculator is fitted to the reference once, outside the clock, as ours caches its histogram.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path


def main(directory: Path, repeats: int) -> None:
    began = time.perf_counter()
    import nannyml
    import pandas as pd

    imported = time.perf_counter() - began
    past, now = (pd.read_parquet(directory / f"{name}.parquet") for name in ("reference", "window"))
    names = list(now.columns)
    drift = nannyml.UnivariateDriftCalculator(column_names=names, continuous_methods=["jensen_shannon"], chunk_number=1)
    drift.fit(past)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        found = drift.calculate(now)
        taken.append(time.perf_counter() - began)
    table = found.filter(period="analysis").to_df()
    values = [float(table[(name, "jensen_shannon", "value")].iloc[0]) for name in names]
    print(
        json.dumps(
            {
                "version": nannyml.__version__,
                "import_seconds": round(imported, 2),
                "seconds": statistics.median(taken),
                "largest": max(values),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
