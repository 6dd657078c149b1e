"""Features as a model takes them: shifted, scaled, and with a constant where the model wants one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monitor.candidates.files import numbers, positive
from monitor.candidates.scored import CandidateError, Floats

STANDARD_KEYS = ("mean", "scale")


@dataclass(frozen=True, eq=False)
class Standardised:
    """(x - mean) / scale, with a 1 behind it if there is an intercept.

    >>> Standardised(np.array([20.0]), np.array([2.0]), intercept=True)(np.array([[23.0]])).tolist()
    [[1.5, 1.0]]
    """

    mean: Floats
    scale: Floats
    intercept: bool = False

    @property
    def size(self) -> int:
        """How many numbers the model gets."""
        return len(self.mean) + self.intercept

    def __call__(self, states: Floats) -> Floats:
        """Return what the model gets, shape (rows, size)."""
        x: Floats = (states - self.mean) / self.scale
        return np.column_stack([x, np.ones(len(x))]) if self.intercept else x


def standardised(path: Path, found: Mapping[str, Any], features: int) -> Standardised:
    """Read ``mean``, ``scale`` and, where the kind has one, ``intercept``.

    Raises
    ------
    CandidateError
        If a field is wrong; names the file and the field.
    """
    mean = numbers(path, "mean", found.get("mean", [0.0] * features), (features,))
    scale = positive(path, "scale", found.get("scale", [1.0] * features), (features,))
    intercept = found.get("intercept", False)
    if not isinstance(intercept, bool):
        raise CandidateError(f"{path}: intercept must be true or false")
    return Standardised(mean, scale, intercept)
