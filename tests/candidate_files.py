"""Candidate policies as files, and states for them to answer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import torch
from safetensors.torch import save_file

from monitor import settings
from monitor.candidates import Candidate, load
from monitor.candidates.onnx_process import CHILD

ACTIONS = ("hold", "cool", "heat")
LINEAR: dict[str, Any] = {
    "kind": "linear_softmax",
    "features": ["inlet", "load"],
    "actions": list(ACTIONS),
    "weights": [[0.0, 0.0], [1.5, 0.2], [-1.0, 0.3]],
    "bias": [0.0, -1.0, 0.5],
    "temperature": 2.0,
    "mean": [22.0, 0.5],
    "scale": [3.0, 0.2],
}
MLP: dict[str, Any] = {
    "kind": "mlp",
    "features": ["inlet", "load"],
    "actions": list(ACTIONS),
    "layers": [8, 4],
    "activation": "tanh",
    "mean": [22.0, 0.5],
    "scale": [3.0, 0.2],
}


def of(spec: str, base: Path = Path(), *features: str) -> Candidate:
    return load("v8", settings.Candidate(policy=spec, features=features), base)


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3)
    )


def mlp(folder: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(network().state_dict(), folder / "policy.safetensors")
    digest = hashlib.sha256((folder / "policy.safetensors").read_bytes()).hexdigest()
    spec = {key: value for key, value in {**MLP, "sha256": digest, **changes}.items() if value is not None}
    (folder / "policy.json").write_text(json.dumps(spec))
    return folder


def linear(folder: Path, **changes: Any) -> Path:
    path = folder / "policy.json"
    path.write_text(json.dumps({key: value for key, value in {**LINEAR, **changes}.items() if value is not None}))
    return path


def states(rows: int = 50) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "action": [ACTIONS[i % 3] for i in range(rows)],
            "state.inlet": rng.normal(22, 3, rows),
            "state.load": rng.random(rows),
        }
    )


def bomb(marker: Path) -> bytes:
    """Return a pickle that makes a folder when it is loaded."""
    return b"cposix\nmkdir\n(V" + str(marker).encode() + b"\ntR."


def processes() -> set[int]:
    """Return the processes that ONNX candidates run in."""
    return {child.pid for child in psutil.Process().children() if CHILD.name in " ".join(child.cmdline())}
