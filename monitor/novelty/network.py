"""Two small networks, a random one that never learned and one that learned to predict it, and how far they differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from monitor.settings import ConfigurationError
from monitor.summaries.columns import numbers

Floats = NDArray[np.float64]
Layers = tuple[tuple[Floats, Floats], ...]  # weights (after, before) and bias (after,) of each layer

CLIP = 5.0  # standard deviations: an outlier is as far as that and no further, as in the paper (section 2.4)
_FAR = 1e6  # before the rotation, so that one enormous number stays finite
_LEAST = 1e-12
_ROWS = 8192


class NoveltyError(ConfigurationError):
    """Novelty cannot be learned or computed; the message says why, and what would mend it."""


@dataclass(frozen=True, eq=False)
class Network:
    r"""How unlike the baseline a state is: the error of a network that learned there to predict a random one.

    .. math:: s(x) = \log_{10} \frac1m \sum_{j=1}^{m} (\hat f_j(z) - f_j(z))^2, \quad z = clip(W (x - mean) / scale)

    Where training had many states the prediction is good; elsewhere nothing taught it. Against the divergence of each
    feature (``state_drift``), which sees only what leaves its own range: a state whose features are each usual, but not
    together, is found. W turns correlated features into uncorrelated ones of equal size, so that a small deviation
    across a strong correlation counts as what it is.

    Parameters
    ----------
    features
        Names of the numeric state features, read from ``state.<name>``.
    mean, scale
        Of the baseline, shape (features,).
    whiten
        The rotation and scaling that makes them uncorrelated, shape (features, features).
    target, predictor
        Layers of the two networks, with ReLU between them.

    References
    ----------
    Burda, Y., Edwards, H., Storkey, A. and Klimov, O. (2018). Exploration by random network distillation.
    arXiv:1810.12894.

    Examples
    --------
    >>> import pyarrow as pa
    >>> one = np.eye(1)
    >>> net = Network(("x",), np.zeros(1), np.ones(1), one, ((one, np.zeros(1)),), ((0.9 * one, np.zeros(1)),))
    >>> net.errors(pa.table({"state.x": [1.0, 10.0, None]})).round(3).tolist()
    [-2.0, -0.602, nan]
    """

    features: tuple[str, ...]
    mean: Floats
    scale: Floats
    whiten: Floats
    target: Layers
    predictor: Layers

    def errors(self, table: Any) -> Floats:
        """Return log10 of each row's error, NaN where a feature is missing or no finite number, shape (rows,).

        It is rounded to single precision, so that a row's number does not depend on the rows beside it.
        """
        states = np.stack([numbers(table, f"state.{name}") for name in self.features], axis=1)
        found = np.full(table.num_rows, np.nan)
        rows = np.flatnonzero(np.isfinite(states).all(axis=1))
        for at in range(0, len(rows), _ROWS):
            batch = rows[at : at + _ROWS]
            found[batch] = self.of(states[batch])
        return found

    def of(self, states: Floats) -> Floats:
        """Return log10 of the error of each state, shape (rows,), of complete states, shape (rows, features)."""
        z = prepared(states, self.mean, self.scale, self.whiten)
        error = np.mean((forward(z, self.predictor) - forward(z, self.target)) ** 2, axis=1)
        return np.asarray(np.log10(np.maximum(error, _LEAST)).astype(np.float32), np.float64)

    def to_bytes(self) -> bytes:
        """Return the network as safetensors: equal networks give equal bytes."""
        tensors = {"mean": self.mean, "scale": self.scale, "whiten": self.whiten}
        for name, layers in (("target", self.target), ("predictor", self.predictor)):
            for i, (weights, bias) in enumerate(layers):
                tensors |= {f"{name}.{i}.weight": weights, f"{name}.{i}.bias": bias}
        whole = {name: np.ascontiguousarray(tensor, dtype=np.float64) for name, tensor in tensors.items()}
        return bytes(safetensors.numpy.save(whole, {"features": json.dumps(self.features)}))

    @staticmethod
    def from_bytes(data: bytes) -> Network:
        """Read what ``to_bytes`` wrote.

        Raises
        ------
        NoveltyError
            If it is something else.
        """
        try:
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            features = tuple(str(name) for name in json.loads(header["__metadata__"]["features"]))
            tensors = safetensors.numpy.load(data)
            target, predictor = _layers(tensors, "target"), _layers(tensors, "predictor")
            return Network(features, tensors["mean"], tensors["scale"], tensors["whiten"], target, predictor)
        except (ValueError, TypeError, KeyError, RecursionError, safetensors.SafetensorError) as error:
            raise NoveltyError(f"not a novelty network: {error}") from None


def prepared(states: Floats, mean: Floats, scale: Floats, whiten: Floats) -> Floats:
    """Return states as the networks read them: standardised, made uncorrelated, clipped at 5 standard deviations.

    >>> prepared(np.array([[3.0, 1e9]]), np.ones(2), np.full(2, 2.0), np.eye(2)).tolist()
    [[1.0, 5.0]]
    """
    with np.errstate(over="ignore"):
        standard = np.clip((states - mean) / scale, -_FAR, _FAR)
    return np.asarray(np.clip(standard @ whiten, -CLIP, CLIP), np.float64)


def forward(z: Floats, layers: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Return the last layer's outputs, ReLU between the layers, shape (rows, outputs).

    >>> forward(np.array([[-1.0]]), [(np.eye(1), np.zeros(1)), (np.eye(1), np.ones(1))]).tolist()
    [[1.0]]
    """
    for depth, (weights, bias) in enumerate(layers):
        z = (np.maximum(z, 0.0) if depth else z) @ weights.T + bias
    return z


def _layers(tensors: dict[str, Any], name: str) -> Layers:
    count = sum(key.startswith(f"{name}.") for key in tensors) // 2
    return tuple((tensors[f"{name}.{i}.weight"], tensors[f"{name}.{i}.bias"]) for i in range(count))
