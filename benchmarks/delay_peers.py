"""Mean delay at equal false-alarm run length: ours against Shewhart, EWMA, CUSUM and river's ADWIN and Page-Hinkley.

    python -m benchmarks.delay_peers --run-length 10000

Independent standard normal windows that fall by 0.25, 1 and 3 sigma. The peers' thresholds are calibrated by
simulation; ours follow from theory, and the run length that they have is measured beside the others'. EWMA, CUSUM and
ours know the baseline; river's learn it from 1,000 windows before the fall.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from benchmarks.control_charts import Cusum, Ewma, Rule, Shewhart, Together, calibrated, first_alarms, mean_length
from benchmarks.peers.environment import measured

FALLS = (0.25, 1.0, 3.0)
TARGETS = (200, 20, 5)  # of ours, at a run length of 10,000
K = 4.0  # sigma of frozen_sigma: a third of the budget of 10,000


def row(rule: Rule, level: float, run_length: float, seed: int, runs: int) -> dict[str, Any]:
    """Return the run length and the delays of a rule at one level."""
    steps, one = int(2 * run_length), np.array([level])
    mean, error = mean_length(first_alarms(rule, one, np.random.default_rng(seed), runs, steps)[:, 0], steps)
    delays = []
    for fall in FALLS:
        first = first_alarms(rule, one, np.random.default_rng(seed + 1), runs, steps, fall)
        delays.append(mean_length(first[:, 0], steps))
    return {"level": round(level, 4), "run_length": mean, "run_length_error": error, "delays": delays}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run-length", type=float, default=10_000.0)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--river-alarms", type=int, default=200, help="alarms that a calibration of river's waits for")
    parser.add_argument("--river-runs", type=int, default=300, help="falls of each size")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    wanted, runs = options.run_length, options.runs
    began = time.perf_counter()
    if not 1 / wanted > 4e-5:
        raise SystemExit("--run-length must be below 25,000: 4 sigma alone would use the whole budget")
    peers: tuple[Rule, ...] = (
        Shewhart(),
        Ewma("EWMA 0.05", 0.05),
        Cusum("CUSUM, slack 0.125", 0.125, (2.0, 40.0)),
        Cusum("CUSUM, slack 0.5", 0.5, (1.0, 14.0)),
    )
    table = {"frozen_sigma + shiryaev_roberts": row(Together(wanted, K), 1.0, wanted, 10, runs)}
    for rule in peers:
        level = calibrated(rule, wanted, np.random.default_rng(20), runs, int(2 * wanted))
        table[rule.name] = row(rule, level, wanted, 30, runs)
    ours = time.perf_counter() - began
    river = measured("river_delays", wanted, options.river_alarms, options.river_runs)
    for name, one in river["rules"].items():
        error = one["run_length"] / options.river_alarms**0.5
        table[f"river {name}"] = {**one, "level": one["parameter"], "run_length_error": error}
    figures = {
        "run_length": wanted,
        "falls": FALLS,
        "rules": {
            name: {
                "level": one["level"],
                "run_length": round(one["run_length"]),
                "run_length_error": round(one["run_length_error"]),
                "delays": [round(mean, 1) for mean, _ in one["delays"]],
                "delay_errors": [round(error, 2) for _, error in one["delays"]],
            }
            for name, one in table.items()
        },
        "river": river["version"],
        "seconds": round(ours, 1),
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"mean windows to the alarm, thresholds for a run length of {wanted:,.0f} (measured, +- standard error)")
    print(f"{'':<34} {'run length':>16} {'0.25 sigma':>12} {'1 sigma':>10} {'3 sigma':>10}  level")
    for name, one in figures["rules"].items():
        a, b, c = one["delays"]
        length = f"{one['run_length']:,} +- {one['run_length_error']:,}"
        print(f"{name:<34} {length:>16} {a:>12,.1f} {b:>10,.1f} {c:>10,.1f}  {one['level']:.4g}")
    if wanted == 10_000:
        print(f"aims of the first row: {' / '.join(f'<= {target}' for target in TARGETS)}")


if __name__ == "__main__":
    main()
