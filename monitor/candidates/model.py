"""What every parametric candidate shares: features from the state, softmax over actions, answers that are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.candidates.column import TOLERANCE
from monitor.candidates.files import features as feature_order
from monitor.candidates.files import names, numbers
from monitor.candidates.scored import CandidateError, Floats, Scored, Unscored, executed, in_pieces

BATCH = 4096
_TRUTH = pa.array(["true", "false", None])
_NUMERIC = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating)


@dataclass(frozen=True, eq=False)
class Model:
    r"""A softmax policy over standardised features.

    .. math:: \pi(a|x) = \mathrm{softmax}_a\big(f((x - mean) / scale) / temperature\big)

    Parameters
    ----------
    name
        What messages call it.
    features
        Names of state features, read from ``state.<name>``, in the order that the model takes them.
    actions
        Names of the model's outputs.
    mean, scale
        Standardisation, shape (features,).
    temperature
        Above 0; larger is closer to uniform.
    logits
        f: (rows, features) -> (rows, actions).
    """

    name: str
    features: tuple[str, ...]
    actions: tuple[str, ...]
    mean: Floats
    scale: Floats
    temperature: float
    logits: Callable[[Floats], Floats]

    def probabilities(self, table: pa.Table, actions: Sequence[str]) -> Floats:
        """Return the probability of each executed action, shape (rows,)."""
        return in_pieces(self.score, table, actions)

    def score(self, table: pa.Table, actions: Sequence[str]) -> Scored:
        """Return the model's probabilities, computed in batches.

        An action that the model does not know but ``actions`` lists has probability 0; one that nobody knows, and a
        row without all features, has none.

        Raises
        ------
        CandidateError
            If a feature is text, or the model answers something that is no distribution.
        """
        unscored = Unscored(len(table))
        states = self._states(table, unscored)
        index = executed(self.name, table, self.actions)
        elsewhere = executed(self.name, table, actions) >= 0
        unscored.add(
            (index < 0) & ~elsewhere, "the executed action is known neither to the candidate nor to the policy"
        )
        distribution = np.full((len(table), len(self.actions)), np.nan)
        rows = np.flatnonzero(~unscored.missing)
        for at in range(0, len(rows), BATCH):
            batch = rows[at : at + BATCH]
            distribution[batch] = self._distribution(states[batch])
        probability = np.full(len(table), np.nan)
        probability[rows] = np.where(index[rows] >= 0, distribution[rows, index[rows]], 0.0)
        return Scored(probability, self.actions, distribution, unscored.reasons)

    def _states(self, table: pa.Table, unscored: Unscored) -> Floats:
        states = np.empty((len(table), len(self.features)))
        for position, feature in enumerate(self.features):
            role = f"state.{feature}"
            if role not in table.column_names:
                unscored.add(np.ones(len(table), dtype=bool), f"the log has no column {role}")
                continue
            states[:, position] = self._numbers(table[role], role)
            unscored.add(~np.isfinite(states[:, position]), f"{role} is missing")
        return states

    def _numbers(self, column: pa.ChunkedArray, role: str) -> Floats:
        kind = column.type
        if pa.types.is_string(kind) and pc.all(pc.is_in(column, value_set=_TRUTH)).as_py():
            column = pc.equal(column, "true")  # the canonical log has booleans as text
        elif not any(test(kind) for test in _NUMERIC):
            raise CandidateError(
                f"candidate {self.name}: feature {role} has type {kind}, but the model takes numbers: log it as one"
            )
        return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)

    def _distribution(self, states: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found just below
            logits = np.asarray(self.logits((states - self.mean) / self.scale), dtype=np.float64) / self.temperature
        if logits.shape != (len(states), len(self.actions)):
            raise CandidateError(f"candidate {self.name}: answered shape {logits.shape}, not one number an action")
        if not np.isfinite(logits).all():
            raise CandidateError(
                f"candidate {self.name}: answered a number that is not finite: check mean, scale and weights"
            )
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Floats = powers / powers.sum(axis=1, keepdims=True)
        if (np.abs(found.sum(axis=1) - 1) > TOLERANCE).any():
            raise CandidateError(f"candidate {self.name}: probabilities do not sum to 1")
        return found


def model(
    name: str,
    path: Path,
    found: Mapping[str, Any],
    configured: Sequence[str],
    logits: Callable[[int, int], Callable[[Floats], Floats]],
) -> Model:
    """Build a Model from the keys that all architectures share; ``logits`` gets the numbers of features and actions.

    Raises
    ------
    CandidateError
        If a field is wrong; names the file and the field.
    """
    features, actions = feature_order(path, found, configured), names(path, "actions", found["actions"])
    count = len(features)
    mean = numbers(path, "mean", found.get("mean", [0.0] * count), (count,))
    scale = numbers(path, "scale", found.get("scale", [1.0] * count), (count,))
    temperature = float(numbers(path, "temperature", found.get("temperature", 1.0), ()))
    if (scale <= 0).any() or temperature <= 0:
        raise CandidateError(f"{path}: scale and temperature must be above 0")
    return Model(name, features, actions, mean, scale, temperature, logits(count, len(actions)))
