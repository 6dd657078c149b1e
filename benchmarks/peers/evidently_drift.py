"""Evidently's drift preset with the Jensen-Shannon distance: python -m benchmarks.peers.evidently_drift DIR REPEATS."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path


def main(directory: Path, repeats: int) -> None:
    began = time.perf_counter()
    import evidently
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    imported = time.perf_counter() - began
    past, now = (pd.read_parquet(directory / f"{name}.parquet") for name in ("reference", "window"))
    definition = DataDefinition(numerical_columns=list(now.columns))
    reference = Dataset.from_pandas(past, definition)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        window = Dataset.from_pandas(now, definition)
        made = Report([DataDriftPreset(num_method="jensenshannon")]).run(window, reference)
        taken.append(time.perf_counter() - began)
    values = [item["value"] for item in made.dict()["metrics"] if item["metric_name"].startswith("ValueDrift")]
    print(
        json.dumps(
            {
                "version": evidently.__version__,
                "import_seconds": round(imported, 2),
                "seconds": statistics.median(taken),
                "largest": float(max(values)),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
