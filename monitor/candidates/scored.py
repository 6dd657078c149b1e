"""What a candidate answers about a log, and what it could not answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.settings import ConfigurationError

Floats = NDArray[np.float64]
TOLERANCE = 1e-6  # how far a distribution's sum may be from 1
_ROWS = 65_536  # rows scored at once when only the executed action's probability is kept
_CELLS = 2**22  # and probabilities of them, so that a catalogue of actions does not fill the memory


class CandidateError(ConfigurationError):
    """A candidate policy cannot be used; the message names it, the file or column, and the fix."""


@dataclass(frozen=True, eq=False)
class Scored:
    """A candidate's probabilities over one table.

    Parameters
    ----------
    probability
        Of the executed action, NaN where it is not computable, shape (rows,).
    actions
        Names of the columns of ``distribution``.
    distribution
        Probability of every action, NaN rows where not computable, shape (rows, actions); None where only the
        executed action's is known.
    unscored
        Why rows have no probability: sentence -> number of rows. A row is counted once.
    """

    probability: Floats
    actions: tuple[str, ...] = ()
    distribution: Floats | None = None
    unscored: dict[str, int] = field(default_factory=dict)


class Candidate(Protocol):
    """A policy that is not serving."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def score(self, table: pa.Table, actions: Sequence[str]) -> Scored:
        """Return the probabilities over a table, with what is missing counted by reason."""

    def probabilities(self, table: pa.Table, actions: Sequence[str]) -> Floats:
        """Return the probability of each executed action, NaN where it is not computable, shape (rows,)."""


def in_pieces(
    score: Callable[[pa.Table, Sequence[str]], Scored], table: pa.Table, actions: Sequence[str], width: int = 1
) -> Floats:
    """Return only the executed actions' probabilities, so that memory does not grow with rows times ``width``."""
    rows = max(1, min(_ROWS, _CELLS // width))
    pieces = [score(table.slice(at, rows), actions).probability for at in range(0, len(table), rows)]
    return np.concatenate(pieces) if pieces else np.empty(0)


def executed(name: str, table: pa.Table, actions: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of each executed action among ``actions``, -1 for others, shape (rows,).

    Raises
    ------
    CandidateError
        If the log has no discrete actions.
    """
    if "action" not in table.column_names:
        raise CandidateError(f"candidate {name}: the log has no column action")
    column = table["action"]
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise CandidateError(f"candidate {name}: action has type {column.type}; only discrete actions can be weighted")
    found = pc.index_in(column.cast(pa.string()), value_set=pa.array(list(actions), pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)


class Unscored:
    """Counts rows without a probability, each by the first reason that holds."""

    def __init__(self, rows: int) -> None:
        self.missing = np.zeros(rows, dtype=bool)
        self.reasons: dict[str, int] = {}

    def add(self, rows: NDArray[np.bool_], reason: str) -> None:
        """Mark rows; those already marked keep their reason."""
        count = int((rows & ~self.missing).sum())
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count
            self.missing |= rows
