"""What every parametric candidate shares: features from the state, and answers that are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.candidates.scored import TOLERANCE, CandidateError, Floats, Scored, Unscored, executed, in_pieces

BATCH = 4096
_TRUTH = pa.array(["true", "false", None])
_NUMERIC = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating)


def numeric(column: pa.ChunkedArray, role: str) -> Floats:
    """Return a feature as numbers, NaN where it is missing.

    Raises
    ------
    CandidateError
        If it is text.
    """
    kind = column.type
    if pa.types.is_string(kind) and pc.all(pc.is_in(column, value_set=_TRUTH)).as_py():
        column = pc.equal(column, "true")  # the canonical log has booleans as text
    elif not any(test(kind) for test in _NUMERIC):
        raise CandidateError(f"feature {role} has type {kind}, but the model takes numbers: log it as one")
    return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Model:
    """A policy that is computed from features of the state.

    Whatever computes it, its answer passes the same checks here: one finite number from 0 to 1 for every row and
    action, and rows that sum to 1.

    Parameters
    ----------
    name
        What messages call it.
    features
        Names of state features, read from ``state.<name>``, in the order that ``answer`` takes them.
    actions
        Names of the columns that ``answer`` gives.
    answer
        (rows, features) -> (rows, actions), probabilities.
    read
        How a feature's column becomes numbers, NaN where it is missing.
    """

    name: str
    features: tuple[str, ...]
    actions: tuple[str, ...]
    answer: Callable[[Floats], Floats]
    read: Callable[[pa.ChunkedArray, str], Floats] = numeric

    def probabilities(self, table: pa.Table, actions: Sequence[str]) -> Floats:
        """Return the probability of each executed action, shape (rows,)."""
        return in_pieces(self.score, table, actions, max(len(self.actions), len(self.features)))

    def score(self, table: pa.Table, actions: Sequence[str]) -> Scored:
        """Return the model's probabilities, computed in batches.

        An action that the model does not know but ``actions`` lists has probability 0; one that nobody knows, and a
        row without all features, has none.

        Raises
        ------
        CandidateError
            If a feature is of a type that the model does not take, or it answers something that is no distribution.
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
            try:
                states[:, position] = self.read(table[role], role)
            except CandidateError as error:
                raise CandidateError(f"candidate {self.name}: {error}") from None
            unscored.add(~np.isfinite(states[:, position]), f"{role} is missing")
        return states

    def _distribution(self, states: Floats) -> Floats:
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what overflows is found just below
                found = np.asarray(self.answer(states), dtype=np.float64)
        except (RuntimeError, MemoryError, ValueError) as error:  # of the library that computes it
            raise CandidateError(f"candidate {self.name}: failed to answer: {error}") from None
        if found.shape != (len(states), len(self.actions)):
            raise CandidateError(f"candidate {self.name}: answered shape {found.shape}, not one number an action")
        if not np.isfinite(found).all():
            raise CandidateError(
                f"candidate {self.name}: answered a number that is not finite: check the standardisation and weights"
            )
        if (found < 0).any():
            raise CandidateError(f"candidate {self.name}: answered {found.min():g}, a negative probability")
        total: Floats = found.sum(axis=1, keepdims=True)
        if (off := np.abs(total - 1)).max(initial=0.0) > TOLERANCE:
            raise CandidateError(
                f"candidate {self.name}: probabilities do not sum to 1 but to {float(total[off.argmax(), 0]):.9g}"
            )
        clipped: Floats = found.clip(max=1.0)
        return clipped
