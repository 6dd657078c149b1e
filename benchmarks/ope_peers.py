"""Six estimators over a million decisions with ten actions, against plain numpy and the Open Bandit Pipeline.

    python -m benchmarks.ope_peers --rows 1000000

Everybody reads the same columns, in memory before the clock starts. Ours checks them, chooses the lambda of switch_dr,
and gives points, standard errors, intervals and confidence sequences, once for a verdict that is given and once with
the verdict made too; the floor takes the same sums with numpy, whole columns at a time, and checks nothing; the Open
Bandit Pipeline gives points alone. Both have lambda given. Memory is what a fresh process needs above the columns.
Beside that: what a batch costs that comes on top of many others. All in one run, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environment import ROOT, measured
from benchmarks.turns import in_turn, ratio
from ope import ESTIMATORS, Decisions, Estimate, WeightSums, evaluate, from_weights, judge_log

NAMES = ("ips", "snips", "dm", "dr", "sndr", "switch_dr")
ACTIONS = 10
BATCH = 10_000  # rows that arrive together


def files(rows: int) -> Path:
    """Return the directory of the log's columns, written at the first call."""
    root = Path(os.environ.get("CHECKREIN_BENCH_DIR", tempfile.gettempdir())) / "checkrein-bench"
    directory = root / f"ope-{rows}"
    done = directory / "lambda.json"
    if done.exists():
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20260103)
    behaviour = rng.dirichlet(np.full(ACTIONS, 5.0), rows)
    candidate = rng.dirichlet(np.full(ACTIONS, 5.0), rows)
    action = (rng.random((rows, 1)) > np.cumsum(behaviour, axis=1)[:, :-1]).sum(axis=1)
    mean = rng.random((rows, ACTIONS))
    at = np.arange(rows), action
    columns = {
        "reward": (rng.random(rows) < mean[at]).astype(np.float64),
        "propensity": behaviour[at],
        "probability": candidate[at],
        "action": action,
        "candidate": candidate,
        "q": 0.8 * mean + 0.1,
        "behaviour": behaviour,
    }
    for name, column in columns.items():
        np.save(directory / f"{name}.npy", column)
    tune = ESTIMATORS["switch_dr"].tune
    assert tune is not None
    done.write_text(json.dumps(tune(read(directory))), "utf-8")  # the same for everybody
    return directory


def read(directory: Path) -> Decisions:
    return Decisions(**{path.stem: np.load(path) for path in directory.glob("*.npy") if path.stem != "behaviour"})


def floor(log: Decisions, threshold: float) -> dict[str, float]:
    """Take the sums that points and standard errors are made of, as one writes them with numpy."""
    assert log.candidate is not None
    assert log.q is not None
    w, r = log.probability / log.propensity, log.reward
    executed = log.q[np.arange(len(r)), log.action]
    model = np.einsum("ra,ra->r", log.candidate, log.q)
    wr, correction = w * r, w * (r - executed)
    dr, switch = model + correction, model + np.where(w <= threshold, correction, 0.0)
    sums = {name: (y.sum(), y @ y) for name, y in (("ips", wr), ("dm", model), ("dr", dr), ("switch_dr", switch))}
    n, mass, _mass_squares = len(r), w.sum(), w @ w
    _crosses = wr @ w, correction @ w, correction @ correction, model @ correction, model @ w
    points = {name: float(total / n) for name, (total, _) in sums.items()}
    points["snips"] = float(wr.sum() / mass)
    points["sndr"] = float(model.sum() / n + correction.sum() / mass)
    return points


def memory(directory: Path) -> float:
    """Return MiB that ``evaluate`` needs above the columns, in this fresh process (Linux)."""
    log = read(directory)
    evaluate(log.piece(0, 1000), NAMES)  # imports and thread pools
    status, peak = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def kib(field: str) -> int:
        (line,) = (line for line in status.read_text("utf-8").splitlines() if line.startswith(field))
        return int(line.split()[1])

    peak.write_text("5", "utf-8")  # from here on
    before = kib("VmRSS")
    evaluate(log, NAMES)
    return (kib("VmHWM") - before) / 1024


def memory_apart(directory: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.ope_peers", "--memory-of", str(directory)]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def batches(repeats: int) -> dict[str, Any]:
    """Add one batch to the sums of few batches, and of many."""
    rng = np.random.default_rng(8)
    weight, reward = rng.exponential(size=BATCH), rng.random(BATCH)
    few = WeightSums.from_rows(weight, reward)
    many = few
    for _ in range(999):
        many = many + few

    def add(past: WeightSums) -> object:
        return from_weights("snips", past + WeightSums.from_rows(weight, reward))

    taken = in_turn(20 * repeats, few=lambda: add(few), many=lambda: add(many))
    return {
        "rows": BATCH,
        "after_1_ms": round(1e3 * statistics.median(taken["few"]), 3),
        "after_1000_ms": round(1e3 * statistics.median(taken["many"]), 3),
        "ratio": ratio(taken, "many", "few"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9, help="of ours and of the floor, in turn")
    parser.add_argument("--peer-repeats", type=int, default=5)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    if options.memory_of:
        print(memory(options.memory_of))
        return
    directory = files(options.rows)
    threshold = json.loads((directory / "lambda.json").read_text("utf-8"))
    log = read(directory)
    half = options.repeats // 2 + 1

    judgement = judge_log(log)

    def ours() -> list[Estimate]:
        return evaluate(replace(log), NAMES, judgement=judgement)  # a log that nothing is remembered of

    def judged() -> list[Estimate]:
        return evaluate(replace(log), NAMES)

    def by_numpy() -> dict[str, float]:
        return floor(log, threshold)

    taken = in_turn(half, ours=ours, judged=judged, floor=by_numpy)
    peer = measured("obp_points", directory, options.peer_repeats, peers="ope")
    for name, more in in_turn(half, ours=ours, judged=judged, floor=by_numpy).items():
        taken[name] += more  # on both sides of the peer
    values = {estimate.estimator: estimate.value for estimate in ours()}
    points, theirs = np.array([values[name] for name in NAMES]), np.array([peer["values"][name] for name in NAMES])
    apart = float(np.abs(points / theirs - 1).max())
    mine = statistics.median(taken["ours"])
    known = replace(log, behaviour=np.load(directory / "behaviour.npy"))
    taken |= in_turn(half, known=lambda: evaluate(replace(known), NAMES))
    figures: dict[str, Any] = {
        "rows": options.rows,
        "actions": ACTIONS,
        "ours_ms": round(1e3 * mine, 1),
        "floor_ms": round(1e3 * statistics.median(taken["floor"]), 1),
        "ratio_to_floor": ratio(taken, "ours", "floor"),
        "with_verdict_ms": round(1e3 * statistics.median(taken["judged"]), 1),
        "with_verdict_ratio_to_floor": ratio(taken, "judged", "floor"),
        "with_distribution_ms": round(1e3 * statistics.median(taken["known"]), 1),
        "obp_ms": round(1e3 * peer["seconds"], 1),
        "obp_times_ours": round(peer["seconds"] / mine, 1),
        "obp_version": peer["version"],
        "largest_difference": apart,
        "mib_above_columns": round(memory_apart(directory), 1),
        "batch": batches(options.repeats),
    }
    if options.json:
        print(json.dumps(figures))
        return
    batch = figures["batch"]
    print(f"{len(NAMES)} estimators with intervals, {options.rows:,} rows x {ACTIONS} actions")
    print(
        f"ours         {figures['ours_ms']:>9.1f} ms  {figures['mib_above_columns']} MiB above the columns (aim: <= 50)"
    )
    verdict = f"{figures['with_verdict_ms']:>9.1f} ms  {figures['with_verdict_ratio_to_floor']} x numpy"
    print(f"with verdict {verdict}: support, tails and propensities are looked at in the same pass")
    print(
        f"distribution {figures['with_distribution_ms']:>9.1f} ms  the same, where the whole behaviour policy is logged"
    )
    print(f"numpy        {figures['floor_ms']:>9.1f} ms  ours is {figures['ratio_to_floor']} x this (aim: <= 2)")
    print(
        f"obp {peer['version']}    {figures['obp_ms']:>9.1f} ms  {figures['obp_times_ours']} x ours (aim: >= 10), "
        f"points alone; they differ from ours by at most {apart:.1e}"
    )
    print(
        f"one batch    {batch['after_1000_ms']:>9.3f} ms  {batch['rows']:,} rows and the estimate, after 1,000 others: "
        f"{batch['ratio']} x after one"
    )


if __name__ == "__main__":
    main()
