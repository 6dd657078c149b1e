"""Multilayer perceptrons: a directory with ``policy.safetensors`` and ``policy.json``.

.. code-block:: json

   {"kind": "mlp", "features": ["inlet", "load"], "actions": ["hold", "cool"], "layers": [256, 256],
    "activation": "relu", "mean": [22.0, 0.5], "scale": [3.0, 0.2], "sha256": "hash of policy.safetensors"}

``layers`` are the widths of the hidden layers; ``activation`` is relu or tanh. The tensors have the names that
``torch.nn.Sequential(Linear, ReLU, Linear, ...)`` gives them in its ``state_dict``: 0.weight, 0.bias, 2.weight ...
``temperature``, ``mean``, ``scale`` and ``sha256`` are optional.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from monitor.candidates.files import decoded, described, numbers, weights
from monitor.candidates.model import Model
from monitor.candidates.scored import CandidateError, Floats
from monitor.candidates.softmax import SOFTMAX_KEYS, softmax

MAX_HEADER = 2**20
MAX_LAYERS = 32
ACTIVATIONS = ("relu", "tanh")
_DTYPES = {"F16", "F32", "F64"}


def load_mlp(name: str, directory: Path, configured: tuple[str, ...] = (), digest: str | None = None) -> Model:
    """Load a multilayer perceptron; ``digest`` is what the configuration says of ``policy.json``.

    Raises
    ------
    CandidateError
        If PyTorch is not installed, a file is missing, too large or not what its hash says, or tensors and
        architecture do not fit; names the file and the field.
    """
    path, tensors_path = directory / "policy.json", directory / "policy.safetensors"
    found = described(path, digest, "mlp", ("actions", "layers", "activation"), (*SOFTMAX_KEYS, "sha256"))
    layers = found["layers"]
    if not isinstance(layers, list) or len(layers) > MAX_LAYERS or not all(type(w) is int and w > 0 for w in layers):
        raise CandidateError(
            f"{path}: layers must be a list of at most {MAX_LAYERS} widths of hidden layers, such as [256, 256]"
        )
    if found["activation"] not in ACTIVATIONS:
        raise CandidateError(
            f"{path}: activation is {found['activation']!r}, but must be one of {', '.join(ACTIVATIONS)}"
        )
    tensors = _tensors(tensors_path, weights(tensors_path, found, path, digest))

    def logits(features: int, actions: int) -> MlpLogits:
        widths = [features, *layers, actions]
        expected = {f"{2 * i}.{part}" for i in range(len(widths) - 1) for part in ("weight", "bias")}
        if set(tensors) != expected:
            odd = sorted(set(tensors) ^ expected)[0]
            raise CandidateError(f"{tensors_path}: tensor {odd} is missing or not part of layers {layers} in {path}")
        checked = [
            (
                numbers(tensors_path, f"{2 * i}.weight", tensors[f"{2 * i}.weight"], (after, before)),
                numbers(tensors_path, f"{2 * i}.bias", tensors[f"{2 * i}.bias"], (after,)),
            )
            for i, (before, after) in enumerate(pairwise(widths))
        ]
        return MlpLogits(name, checked, found["activation"])

    return softmax(name, path, found, configured, logits)


def _tensors(path: Path, data: bytes) -> dict[str, Any]:
    """Decode safetensors after looking at its header: eight bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise CandidateError(f"{path}: not a safetensors file (pickle and torch.save files are never read)")
    if length > MAX_HEADER:
        raise CandidateError(f"{path}: its header has {length:,} bytes; at most {MAX_HEADER:,} are read")
    try:
        header = decoded(path, data[8 : 8 + length])
        kinds = {str(entry["dtype"]) for key, entry in header.items() if key != "__metadata__"}
        if not kinds <= _DTYPES:
            raise CandidateError(f"{path}: tensors of type {sorted(kinds - _DTYPES)}; save them as float32")
        return dict(safetensors.numpy.load(data))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, safetensors.SafetensorError) as error:
        raise CandidateError(f"{path}: not a valid safetensors file: {error}") from None


class MlpLogits:
    """The network's forward pass, in float32, without gradients."""

    def __init__(self, name: str, layers: list[tuple[Floats, Floats]], activation: str) -> None:
        try:
            import torch
        except ImportError:
            raise CandidateError(
                f'candidate {name}: mlp candidates need PyTorch: install it with pip install "checkrein[torch]"'
            ) from None
        self._torch = torch
        self._layers = [(torch.tensor(w, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)) for w, b in layers]
        self._activation = {"relu": torch.relu, "tanh": torch.tanh}[activation]

    def __call__(self, states: Floats) -> Floats:
        """Return logits, shape (rows, actions)."""
        torch = self._torch
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(states, dtype=np.float32))
            for depth, (weights, bias) in enumerate(self._layers):
                x = torch.nn.functional.linear(self._activation(x) if depth else x, weights, bias)
            logits: Floats = x.double().numpy()
        return logits
