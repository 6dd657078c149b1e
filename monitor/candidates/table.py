"""Table candidates: a distribution for each listed state, and one for all others. One JSON file.

.. code-block:: json

   {"kind": "table", "features": ["zone", "open"], "actions": ["hold", "cool"],
    "states": [["north", true], ["south", false]], "probabilities": [[0.9, 0.1], [0.2, 0.8]],
    "default": [0.5, 0.5]}

A feature is text, numbers or true and false, in every listed state the same; numbers are compared exactly. Without
``features``, ``states`` and ``probabilities`` the default is the whole policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.candidates.files import described, distributions, features, names, numbers
from monitor.candidates.model import Model, numeric
from monitor.candidates.scored import CandidateError, Floats


def load_table(name: str, path: Path, configured: tuple[str, ...] = (), digest: str | None = None) -> Model:
    """Load a table; ``configured`` is the configuration's order of features, ``digest`` the file's SHA-256.

    Raises
    ------
    CandidateError
        If the file is missing or too large, or a field is wrong; names the file and the field.
    """
    optional = ("features", "states", "probabilities")
    found = described(path, digest, "table", ("actions", "default"), optional)
    listed = found.get("states", [])
    order = features(path, found, configured, none=listed == [])
    actions = names(path, "actions", found["actions"])
    if not isinstance(listed, list) or not all(isinstance(row, list) and len(row) == len(order) for row in listed):
        raise CandidateError(f"{path}: states must be a list with {len(order)} values a state, one a feature")
    if order and not listed:
        raise CandidateError(f"{path}: states is missing: list the values of {', '.join(order)}, or name no features")
    levels = [_levels(path, feature, [row[at] for row in listed]) for at, feature in enumerate(order)]
    rows = np.empty((0, len(actions)))
    if listed:
        rows = distributions(path, "probabilities", found.get("probabilities"), (len(listed), len(actions)))
    elif found.get("probabilities", []) != []:
        raise CandidateError(f"{path}: probabilities without states: list the states that they belong to")
    default = distributions(path, "default", found["default"], (len(actions),))
    codes = np.array(
        [[level.index(value) for level, value in zip(levels, row, strict=True)] for row in listed], dtype=np.float64
    ).reshape(len(listed), len(order))
    places = dict(zip((f"state.{feature}" for feature in order), levels, strict=True))
    table = Table(codes, rows, default, path)
    return Model(name, order, actions, table, lambda column, role: places[role].read(column, role))


@dataclass(frozen=True, eq=False)
class Levels:
    """The values of one feature that the table lists, in order: text, or numbers."""

    values: tuple[Any, ...]
    where: dict[Any, int]
    text: bool

    def index(self, value: Any) -> int:
        """Return a listed value's place."""
        return self.where[value if self.text else float(value)]

    def read(self, column: pa.ChunkedArray, role: str) -> Floats:
        """Return each row's place, -1 for values that are not listed, NaN for missing ones.

        Raises
        ------
        CandidateError
            If the table lists text and the log has numbers, or the other way round.
        """
        if not self.text:
            numbers = numeric(column, role)
            listed = np.array(self.values, dtype=np.float64)
            at = np.searchsorted(listed, numbers).clip(max=len(listed) - 1)
            return np.where(np.isnan(numbers), np.nan, np.where(listed[at] == numbers, at, -1.0))
        kind = column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
            raise CandidateError(f"feature {role} has type {kind}, but the table lists text: list what the log has")
        text = column.cast(pa.string())
        places = pc.fill_null(pc.index_in(text, value_set=pa.array(self.values, pa.string())), -1)
        missing = pc.is_null(text).to_numpy()
        return np.where(missing, np.nan, places.to_numpy().astype(np.float64))


def _levels(path: Path, feature: str, values: list[Any]) -> Levels:
    """Return the distinct values of a feature, which must be of one kind.

    Raises
    ------
    CandidateError
        If they are not.
    """
    text = all(isinstance(value, str) for value in values)
    truth = all(isinstance(value, bool) for value in values)
    number = all(type(value) in (int, float) for value in values)
    if not (text or truth or number):
        raise CandidateError(f"{path}: states of {feature} must be all text, all numbers, or all true and false")
    known: tuple[Any, ...]
    if text:
        known = names(path, f"states of {feature}", sorted(set(values)))
    else:
        listed = numbers(path, f"states of {feature}", [*map(_float, values)], (len(values),))
        known = tuple(np.unique(listed).tolist())
    return Levels(known, {value: at for at, value in enumerate(known)}, text)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return np.inf


class Table:
    """Looks states up by the places of their values."""

    def __init__(self, codes: NDArray[np.float64], rows: Floats, default: Floats, path: Path) -> None:
        self._rows = np.vstack([rows, default])
        self._steps: list[NDArray[np.float64]] = []
        prefix = np.zeros(len(codes))
        for column in codes.T:  # the product of many levels could be too large a number; prefixes never are
            combined = self._combine(prefix, column)
            known = np.unique(combined)
            self._steps.append(known)
            prefix = np.searchsorted(known, combined).astype(np.float64)
        if len(np.unique(prefix)) != len(codes):
            twice = np.flatnonzero(np.bincount(prefix.astype(np.int64)) > 1)[0]
            raise CandidateError(f"{path}: states[{np.flatnonzero(prefix == twice)[1]}] is listed twice")
        self._place = np.full(len(codes) + 1, len(codes))  # of each prefix
        self._place[prefix.astype(np.int64)] = np.arange(len(codes))

    @staticmethod
    def _combine(prefix: Floats, place: Floats) -> Floats:
        """Return one number for a known prefix and the place of the next value; exact: both are below 2^24."""
        combined: Floats = prefix * 2.0**25 + place
        return np.where((prefix < 0) | (place < 0), -1.0, combined)

    def __call__(self, states: Floats) -> Floats:
        """Return each state's distribution, or the default, shape (rows, actions)."""
        prefix = np.full(len(states), 0.0 if self._steps else -1.0)
        for known, place in zip(self._steps, states.T, strict=True):
            combined = self._combine(prefix, place)
            at = np.searchsorted(known, combined).clip(max=len(known) - 1)
            prefix = np.where(known[at] == combined, at, -1.0)
        count = len(self._rows) - 1
        entry = (
            np.where(prefix >= 0, self._place[prefix.astype(np.int64)], count) if count else np.zeros(len(states), int)
        )
        found: Floats = self._rows[entry]
        return found
