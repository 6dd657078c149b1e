"""Run a peer in its environment and read what it measured."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def measured(module: str, *arguments: object, peers: str = "") -> dict[str, Any]:
    """Run ``benchmarks.peers.MODULE`` with the environment ``peers`` and return the JSON object that it printed last.

    ``peers`` is what scripts/peers.sh was given: "" (`.venv-peers`) or "ope" (`.venv-peers-ope`).
    """
    python = ROOT / f".venv-peers{peers and f'-{peers}'}/bin/python"
    if not python.exists():
        raise SystemExit(f"the peers are not installed: run scripts/peers.sh {peers}".rstrip() + " (once)")
    quiet = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "PYTHONWARNINGS": "ignore"}
    command = [str(python), "-m", f"benchmarks.peers.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **quiet}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{module} failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
