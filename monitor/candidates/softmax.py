"""Softmax over what a function of the standardised features answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monitor.candidates.files import features as feature_order
from monitor.candidates.files import names, positive
from monitor.candidates.model import Model
from monitor.candidates.scored import Floats
from monitor.candidates.standard import STANDARD_KEYS, Standardised, standardised

SOFTMAX_KEYS = ("features", *STANDARD_KEYS, "temperature")


@dataclass(frozen=True, eq=False)
class Softmax:
    r"""Turns logits into probabilities.

    .. math:: \pi(a|x) = \mathrm{softmax}_a\big(f((x - mean) / scale) / temperature\big)

    Parameters
    ----------
    standard
        Standardises the features.
    temperature
        Above 0; larger is closer to uniform.
    logits
        f: (rows, features) -> (rows, actions).
    """

    standard: Standardised
    temperature: float
    logits: Callable[[Floats], Floats]

    def __call__(self, states: Floats) -> Floats:
        """Return probabilities, shape (rows, actions); NaN where a logit is not finite."""
        logits = np.asarray(self.logits(self.standard(states)), dtype=np.float64) / self.temperature
        if logits.ndim != 2 or not logits.size:
            return logits  # its shape is refused by the model
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Floats = powers / powers.sum(axis=1, keepdims=True)
        return np.where(np.isfinite(logits).all(axis=1, keepdims=True), found, np.nan)


def softmax(
    name: str,
    path: Path,
    found: Mapping[str, Any],
    configured: Sequence[str],
    logits: Callable[[int, int], Callable[[Floats], Floats]],
) -> Model:
    """Build a softmax policy; ``logits`` gets the numbers of features and actions.

    Raises
    ------
    CandidateError
        If a field is wrong; names the file and the field.
    """
    features, actions = feature_order(path, found, configured), names(path, "actions", found["actions"])
    standard = standardised(path, found, len(features))
    temperature = float(positive(path, "temperature", found.get("temperature", 1.0), ()))
    return Model(name, features, actions, Softmax(standard, temperature, logits(len(features), len(actions))))
