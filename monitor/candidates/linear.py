"""Linear softmax candidates: one JSON file.

.. code-block:: json

   {"kind": "linear_softmax", "features": ["inlet", "load"], "actions": ["hold", "cool"],
    "weights": [[0.0, 0.0], [1.5, 0.2]], "bias": [0.0, -1.0], "temperature": 1.0,
    "mean": [22.0, 0.5], "scale": [3.0, 0.2]}

``weights`` has one row an action and one column a feature; ``bias``, ``temperature``, ``mean`` and ``scale`` are
optional.
"""

from __future__ import annotations

from pathlib import Path

from monitor.candidates.files import described, numbers
from monitor.candidates.model import Model
from monitor.candidates.scored import Floats
from monitor.candidates.softmax import SOFTMAX_KEYS, softmax


def load_linear(name: str, path: Path, configured: tuple[str, ...] = (), digest: str | None = None) -> Model:
    """Load a linear softmax policy; ``configured`` is the configuration's order of features, ``digest`` its SHA-256.

    Raises
    ------
    CandidateError
        If the file is missing or too large, or a field is wrong; names the file and the field.
    """
    found = described(path, digest, "linear_softmax", ("actions", "weights"), (*SOFTMAX_KEYS, "bias"))

    def logits(features: int, actions: int) -> LinearLogits:
        weights = numbers(path, "weights", found["weights"], (actions, features))
        return LinearLogits(weights, numbers(path, "bias", found.get("bias", [0.0] * actions), (actions,)))

    return softmax(name, path, found, configured, logits)


class LinearLogits:
    """Weights x + bias."""

    def __init__(self, weights: Floats, bias: Floats) -> None:
        self._weights, self._bias = weights.T, bias

    def __call__(self, states: Floats) -> Floats:
        """Return logits, shape (rows, actions)."""
        logits: Floats = states @ self._weights + self._bias
        return logits
