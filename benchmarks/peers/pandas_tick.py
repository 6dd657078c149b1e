"""The monitoring pass that one writes with pandas: python -m benchmarks.peers.pandas_tick PAST DAY [MORE...] REPEATS.

Reads the Parquet log of the day, drops repeated decisions, and judges each quarter of an hour: mean reward at 3 sigma
of the past's quarters, violations of the limits, action shares, missing values, and the Jensen-Shannon distance of
every feature from the past's histogram. It knows no lateness, maturity, correlation, alert state, restart or audit
trail, and it reads the day anew at every pass.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

LIMIT = 2.0
QUARTER = "15min"
BINS = 20


def main(past_path: str, paths: list[str], repeats: int) -> None:
    began = time.perf_counter()
    import numpy as np
    import pandas as pd
    from scipy.spatial.distance import jensenshannon

    imported = time.perf_counter() - began
    past = pd.read_parquet(past_path)
    quarters = past.groupby(past["ts"].dt.floor(QUARTER))["reward"].mean()
    level, sigma = quarters.mean(), quarters.std()
    features = [name for name in past.columns if name.startswith("state.")]
    costs = [name for name in past.columns if name.startswith("cost.")]
    edges = {name: np.nanquantile(past[name], np.linspace(0, 1, BINS + 1)) for name in features}
    for edge in edges.values():
        edge[0], edge[-1] = -np.inf, np.inf
    shares = {name: np.histogram(past[name].dropna(), edges[name])[0] for name in features}

    def judged() -> list[dict[str, Any]]:
        day = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
        day = day.drop_duplicates("decision_id")
        found: list[dict[str, Any]] = []
        for quarter, rows in day.groupby(day["ts"].dt.floor(QUARTER)):
            reward = rows["reward"].mean()
            actions = rows["action"].value_counts(normalize=True)
            row: dict[str, Any] = {"quarter": quarter, "reward": reward, "alarm": reward < level - 3 * sigma}
            row["missing"] = rows["reward"].isna().mean()
            row["entropy"] = float(-(actions * np.log2(actions)).sum())
            for name in costs:
                row[name] = (rows[name] > LIMIT).mean()
            for name in features:
                counts = np.histogram(rows[name].dropna(), edges[name])[0]
                row[name] = float(jensenshannon(counts, shares[name], base=2))
            found.append(row)
        return found

    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        windows = judged()
        taken.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "version": pd.__version__,
                "import_seconds": round(imported, 2),
                "seconds": statistics.median(taken),
                "windows": len(windows),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:-1], int(sys.argv[-1]))
