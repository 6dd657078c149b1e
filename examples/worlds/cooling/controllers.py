"""The three versions of the policy: a rule, the learned one that serves, and the candidate after it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.worlds.cooling.names import ACTIONS, FEATURES

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Controller:
    """A linear-softmax policy: p(a | x) proportional to exp((weights_a . (x - mean) / scale + bias_a) / temperature).

    Parameters
    ----------
    features
        Names of the readings it looks at.
    weights, bias
        One row and one number per action, in the order of ``ACTIONS``.
    mean, scale
        One number per feature, in its unit.
    start
        Set-point in degrees Celsius that it commands when it takes over.

    Examples
    --------
    >>> json.loads(V7.artifact())["features"], len(V7.sha256), sorted(CONTROLLERS)
    (['inlet', 'it_load', 'outside_temp'], 64, ['v6', 'v7', 'v8'])
    """

    features: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    start: float
    temperature: float = 1.0

    def artifact(self) -> str:
        """Return the JSON file that a serving process loads and that off-policy evaluation replays."""
        document = {
            "kind": "linear_softmax",
            "features": self.features,
            "actions": ACTIONS,
            "weights": self.weights,
            "bias": self.bias,
            "temperature": self.temperature,
            "mean": self.mean,
            "scale": self.scale,
        }
        return json.dumps(document, indent=1) + "\n"

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.artifact().encode()).hexdigest()

    def folded(self) -> tuple[Floats, Floats]:
        """Return weights over all readings, shape (actions, readings), and biases, with mean and scale folded in."""
        slopes = np.array(self.weights) / np.array(self.scale) / self.temperature
        weights = np.zeros((len(ACTIONS), len(FEATURES)))
        weights[:, [FEATURES.index(name) for name in self.features]] = slopes
        return weights, np.array(self.bias) / self.temperature - slopes @ np.array(self.mean)


# A rule: cool above 23.2 degC at the inlet, heat below 22.2, else hold. Its edges are a steep softmax, so that every
# action keeps a probability above 0 and the log of the rule can be used to evaluate other policies.
V6 = Controller(
    features=("inlet_backup",),
    weights=((0.0,), (6.0,), (-6.0,)),
    bias=(0.0, -6.0, -6.0),
    mean=(22.7,),
    scale=(0.5,),
    start=21.2,
)
# Learned: keeps the inlet about 2 degC warmer, cools before the load comes, heats when it is cold outside.
V7 = Controller(
    features=("inlet", "it_load", "outside_temp"),
    weights=((0.0, 0.0, 0.0), (1.25, 0.10, 0.05), (-1.25, -0.10, -0.05)),
    bias=(0.5, 0.0, 0.0),
    mean=(24.6, 800.0, 14.0),
    scale=(0.5, 60.0, 2.0),
    start=23.1,
)
# The candidate: trained on the log of v7. A little warmer still, and it moves the compressor less.
V8 = Controller(
    features=V7.features,
    weights=((0.0, 0.0, 0.0), (1.25, 0.12, 0.08), (-1.25, -0.12, -0.08)),
    bias=(0.7, 0.0, 0.0),
    mean=(24.75, 800.0, 14.0),
    scale=V7.scale,
    start=23.25,
)
CONTROLLERS = {"v6": V6, "v7": V7, "v8": V8}


def write_policies(folder: Path) -> None:
    """Write one JSON file per version, ``v6.json`` and so on, into a folder that is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for version, controller in CONTROLLERS.items():
        (folder / f"{version}.json").write_text(controller.artifact(), "utf-8")
