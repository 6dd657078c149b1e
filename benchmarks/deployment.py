"""What the benchmarks deploy: a configuration, a log that it understands, and a real `checkrein serve` of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

from benchmarks.data import ACTIONS, CANDIDATES, COSTS, rows
from monitor.bucketing import baseline
from monitor.tick import Parts

TOKEN, SECRET = "a-token-of-the-benchmarks", "a-secret-of-the-benchmarks"
POLICY = "bench"


def configuration() -> str:
    """Return a checkrein.toml with 10 actions, 3 constraints and 3 candidates whose probabilities are logged."""
    text = f'[policy.{POLICY}]\nincumbent = "v1"\nactions = {json.dumps(ACTIONS)}\n'
    for name in COSTS:
        text += f'[policy.{POLICY}.constraint.{name}]\ncost = "{name}"\nlimit = 2.0\nbudget = 0.2\n'
    for name in CANDIDATES:
        text += f'[policy.{POLICY}.candidate.{name}]\npolicy = "column:candidate_probs.{name}"\n'
    return text


def log(count: int, begin: float, step: float, rng: np.random.Generator) -> pa.Table:
    """Return decisions as a serving process writes them: 37 columns, of which 20 are features."""
    table = rows(count, begin, step, rng)
    names = [name.replace("pi.", "candidate_probs.") for name in table.column_names]
    return table.rename_columns(names).set_column(0, "decision_id", _ids(count, begin))


def freeze(parts: Parts, begin: float, end: float) -> None:
    """Freeze the reference, so that from here on every feature's histogram is counted too."""
    baseline.freeze(parts, POLICY, begin, end, "benchmark")


@contextmanager
def serving(root: Path) -> Iterator[httpx.Client]:
    """Run `checkrein serve` in ``root`` and yield a client of its API, with the token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CHECKREIN_TOKEN": TOKEN, "CHECKREIN_HOOK_SECRET": SECRET}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = [sys.executable, "-m", "monitor", "serve", "--port", str(port)]
    with (root / "serve.log").open("wb") as output:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120.0) as client:
            for _ in range(600):
                if process.poll() is not None:
                    raise SystemExit(f"serve ended: {(root / 'serve.log').read_text()}")
                try:
                    if client.get("/healthz").status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _ids(count: int, begin: float) -> pa.Array:
    return pa.array([f"{begin:.0f}-{number:07d}" for number in range(count)])
