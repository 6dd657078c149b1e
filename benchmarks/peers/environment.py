"""Run a peer in `.venv-peers` and read what it measured."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-peers/bin/python"


def measured(module: str, *arguments: object) -> dict[str, Any]:
    """Run ``benchmarks.peers.MODULE`` there and return the JSON object that it printed last."""
    if not PYTHON.exists():
        raise SystemExit("the peers are not installed: run scripts/peers.sh (once)")
    quiet = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "PYTHONWARNINGS": "ignore"}
    command = [str(PYTHON), "-m", f"benchmarks.peers.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **quiet}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{module} failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
