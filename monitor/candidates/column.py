"""A candidate whose probabilities are already in the log: the cheapest and the least likely to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.candidates.scored import TOLERANCE, CandidateError, Floats, Scored, Unscored, executed, in_pieces


@dataclass(frozen=True)
class Column:
    """Reads ``candidate_probs.<column>``, or the column of that literal name.

    A list holds the probability of every action, in the order of the configuration's ``actions`` (or 0..K-1); a number
    is the probability of the executed action. A row whose value is no such thing is left out and counted: the rest of
    its batch is not its fault.
    """

    name: str
    column: str

    def probabilities(self, table: pa.Table, actions: Sequence[str]) -> Floats:
        """Return the probability of each executed action, shape (rows,)."""
        return in_pieces(self.score, table, actions)

    def score(self, table: pa.Table, actions: Sequence[str]) -> Scored:
        """Return the logged probabilities.

        Raises
        ------
        CandidateError
            If the column holds neither numbers nor lists of numbers.
        """
        found = next((c for c in (self.column, f"candidate_probs.{self.column}") if c in table.column_names), None)
        unscored = Unscored(len(table))
        if found is None:
            unscored.add(np.ones(len(table), dtype=bool), f"the log has no column {self.column}")
            return Scored(np.full(len(table), np.nan), unscored=unscored.reasons)
        values = table[found].combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # a table without rows keeps its chunks
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
        kind = values.type
        if pa.types.is_null(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind):
            return self._numbers(values, found, unscored)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            try:
                lists = values.cast(pa.list_(pa.float64()))
            except pa.ArrowException:
                raise CandidateError(f"candidate {self.name}: column {found} has lists of {kind.value_type}") from None
            return self._lists(lists, found, table, actions, unscored)
        raise CandidateError(
            f"candidate {self.name}: column {found} has type {kind}; it must be a list of probabilities, "
            "one an action, or the executed action's probability"
        )

    def _numbers(self, values: pa.Array, found: str, unscored: Unscored) -> Scored:
        probability = np.array(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        unscored.add(np.isnan(probability), f"{found} is missing")
        unscored.add(~((probability >= 0) & (probability <= 1)), f"{found} is outside [0, 1]")
        probability[unscored.missing] = np.nan
        return Scored(probability, unscored=unscored.reasons)

    def _lists(
        self, lists: pa.ListArray, found: str, table: pa.Table, actions: Sequence[str], unscored: Unscored
    ) -> Scored:
        lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), -1).to_numpy(zero_copy_only=False))
        names = tuple(actions) or tuple(str(i) for i in range(int(lengths.max(initial=0))))
        unscored.add(lengths < 0, f"{found} is missing")
        unscored.add(lengths != len(names), f"{found} does not have one probability for each of {len(names)} actions")
        whole = ~unscored.missing
        distribution = np.full((len(table), len(names)), np.nan)
        flat = lists.filter(pa.array(whole)).flatten()
        distribution[whole] = flat.to_numpy(zero_copy_only=False).reshape(int(whole.sum()), len(names))
        unscored.add(~np.isfinite(distribution).all(axis=1), f"{found} has a probability that is not a finite number")
        distribution[unscored.missing] = np.nan
        unscored.add(np.any(distribution < 0, axis=1), f"{found} has a negative probability")
        total: Floats = distribution.sum(axis=1)
        unscored.add(np.greater(np.abs(total - 1), TOLERANCE), f"{found} does not sum to 1")
        index = executed(self.name, table, names)
        unscored.add(index < 0, f"the executed action is not one of the {len(names)} actions that {found} is about")
        distribution[unscored.missing] = np.nan
        probability = np.full(len(table), np.nan)
        rows = np.flatnonzero(~unscored.missing)
        probability[rows] = distribution[rows, index[rows]].clip(max=1.0)
        return Scored(probability, names, distribution, unscored.reasons)


def load_column(name: str, column: str, digest: str | None = None) -> Column:
    """Return a candidate that is a column of the log.

    Raises
    ------
    CandidateError
        If the configuration has a SHA-256 for it: there is no file.
    """
    if digest is not None:
        raise CandidateError(f"candidate {name}: sha256 is of a file, but column:{column} is in the log: remove it")
    return Column(name, column)
