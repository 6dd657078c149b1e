"""ONNX candidates: a network as ONNX, and a JSON of the same name beside it that says how to ask it.

.. code-block:: json

   {"kind": "onnx", "features": ["inlet", "load"], "actions": ["hold", "cool"], "answers": "logits",
    "output": "logits", "temperature": 1.0, "mean": [22.0, 0.5], "scale": [3.0, 0.2],
    "sha256": "hash of the .onnx file"}

``answers`` is logits or probabilities; ``temperature`` is for logits. ``output`` is needed where the network has
several. Its bytes are inspected here and run in a process apart, which has no network, no files and bounded memory and
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.candidates.files import described, features, names, weights
from monitor.candidates.model import Model
from monitor.candidates.onnx_process import Limits, OnnxProcess
from monitor.candidates.onnx_wire import check_input, inspect, output_of
from monitor.candidates.scored import CandidateError, Floats
from monitor.candidates.softmax import SOFTMAX_KEYS, softmax
from monitor.candidates.standard import Standardised, standardised

ANSWERS = ("logits", "probabilities")
_SINGLE = 1e-4  # how far probabilities in single precision may sum from 1: they are divided by their sum


@dataclass(frozen=True, eq=False)
class Probabilities:
    """Probabilities as the network says them; those of single precision sum to 1 only nearly."""

    standard: Standardised
    ask: OnnxProcess

    def __call__(self, states: Floats) -> Floats:
        """Return probabilities, shape (rows, actions)."""
        found = self.ask(self.standard(states))
        total = found.sum(axis=1, keepdims=True)
        return np.where(np.abs(total - 1) < _SINGLE, found / total, found)


def load_onnx(
    name: str,
    path: Path,
    configured: tuple[str, ...] = (),
    digest: str | None = None,
    limits: Limits | None = None,
) -> Model:
    """Load an ONNX network; ``digest`` is what the configuration says of the JSON beside it.

    Raises
    ------
    CandidateError
        If a file is missing, too large or not what its hash says, if the network has parts that a policy has no need
        of, or if it cannot be loaded within ``limits``; names the file and the part.
    """
    if path.suffix != ".onnx":
        raise CandidateError(f"{path}: the file's name must end in .onnx; {path.stem}.json beside it describes it")
    beside = path.with_suffix(".json")
    found = described(beside, digest, "onnx", ("actions", "answers"), (*SOFTMAX_KEYS, "output", "sha256"))
    answers, output = found["answers"], found.get("output")
    if answers not in ANSWERS:
        raise CandidateError(f"{beside}: answers must be one of {', '.join(ANSWERS)}")
    if answers == "probabilities" and "temperature" in found:
        raise CandidateError(f"{beside}: temperature is for logits: remove it")
    if output is not None and not isinstance(output, str):
        raise CandidateError(f"{beside}: output must be the name of an output")
    order, actions = features(beside, found, configured), names(beside, "actions", found["actions"])
    network = weights(path, found, beside, digest)
    seen = inspect(path, network)
    check_input(path, seen, len(order))
    chosen = output_of(path, seen, output)

    def process(taken: int, answered: int) -> OnnxProcess:
        return OnnxProcess(path, network, taken, answered, chosen, limits)

    if answers == "logits":
        return softmax(name, beside, found, configured, process)
    standard = standardised(beside, found, len(order))
    return Model(name, order, actions, Probabilities(standard, process(len(order), len(actions))))
