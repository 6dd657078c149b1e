"""A multilayer perceptron over a million states of 20 features, against PyTorch alone.

    python -m benchmarks.perceptron --rows 1000000

Ours reads the features from a table, checks them, scores in batches in double precision around the network's float32,
and checks every answer; the other is the network and its softmax over a tensor that is there already, in batches of
the same size. Medians of one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import safetensors.numpy

from benchmarks.turns import in_turn, ratio
from monitor.candidates.mlp import load_mlp
from monitor.candidates.model import BATCH, Model

FEATURES, HIDDEN, ACTIONS = 20, 256, 10
NAMES, CHOICES = [f"x{i}" for i in range(FEATURES)], [str(i) for i in range(ACTIONS)]


def states(rows: int) -> pa.Table:
    """Return a log's features and executed actions."""
    rng = np.random.default_rng(7)
    columns = {f"state.{name}": rng.normal(size=rows) for name in NAMES}
    action = pa.array(rng.integers(0, ACTIONS, rows)).cast(pa.string())
    return pa.table({**columns, "action": action})


def loaded(tensors: dict[str, np.ndarray]) -> Model:
    """Load the network as a candidate is loaded: from its files."""
    with tempfile.TemporaryDirectory() as directory:
        safetensors.numpy.save_file(tensors, Path(directory) / "policy.safetensors")
        about = {"kind": "mlp", "features": NAMES, "actions": CHOICES, "layers": [HIDDEN] * 2, "activation": "relu"}
        (Path(directory) / "policy.json").write_text(json.dumps(about), "utf-8")
        return load_mlp("bench", Path(directory))


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5, help="of both, in turn")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    widths = [FEATURES, HIDDEN, HIDDEN, ACTIONS]
    layers = [torch.nn.Linear(before, after) for before, after in pairwise(widths)]
    net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    candidate = loaded({name: value.numpy() for name, value in net.state_dict().items()})
    table = states(options.rows)
    tensor = torch.from_numpy(np.stack([table[f"state.{name}"].to_numpy() for name in NAMES], axis=1)).float()

    def alone() -> None:
        with torch.inference_mode():
            for at in range(0, options.rows, BATCH):
                torch.softmax(net(tensor[at : at + BATCH]), dim=1)

    taken = in_turn(options.repeats, ours=lambda: candidate.probabilities(table, CHOICES), torch=alone)
    figures = {
        "rows": options.rows,
        "features": FEATURES,
        "hidden": [HIDDEN] * 2,
        "ours_s": round(statistics.median(taken["ours"]), 2),
        "torch_s": round(statistics.median(taken["torch"]), 2),
        "ratio_to_torch": ratio(taken, "ours", "torch"),
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"perceptron 2 x {HIDDEN} over {options.rows:,} states of {FEATURES} features")
    print(f"ours         {figures['ours_s']:>9.2f} s")
    print(f"PyTorch      {figures['torch_s']:>9.2f} s  ours is {figures['ratio_to_torch']} x this")


if __name__ == "__main__":
    main()
