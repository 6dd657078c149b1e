"""Rows that are refused, and why: one reason a row, its first."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# A raw column of this name carries each row's number in its file, when lines before it were blank or broken.
ROW = "__row__"
RAW_LIMIT = 500

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reject:
    """One refused row: ``row`` counts from 1 in the file or request, 0 is the file itself; ``reason`` has the fix."""

    row: int
    field: str
    reason: str
    raw: str


@dataclass(frozen=True)
class Accepted:
    """What is left of a batch after validation.

    Parameters
    ----------
    table
        The good rows, in their order, with the roles of ``monitor.log_store.schema`` as columns.
    rejects
        The others.
    missing
        Optional roles that the log lacks or has only nulls in; ``cost.*`` stands for a family without any column.
    derived_ids
        Whether any ``decision_id`` was derived from the file's digest and the row number.
    ignored
        Columns of the log that are no role and that nothing maps.
    notes
        Sentences about mapped columns that a schemaless batch lacks.
    numbers
        Each good row's number in its file or request, shape (rows,); None: counted on from the first.
    """

    table: pa.Table
    rejects: tuple[Reject, ...] = ()
    missing: tuple[str, ...] = ()
    derived_ids: bool = False
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    numbers: NDArray[np.int64] | None = field(default=None, compare=False)


class Faults:
    """Collects masks of bad rows; a row keeps the first fault that is added for it.

    Examples
    --------
    >>> faults = Faults(3)
    >>> faults.add(np.array([False, True, True]), "reward", lambda i: f"reward of row {i} is NaN")
    >>> faults.add(np.array([False, True, False]), "ts", lambda i: "never seen")
    >>> faults.good.tolist(), [r.reason for r in faults.rejects(pa.table({"a": [1, 2, 3]}), np.arange(1, 4))]
    ([True, False, False], ['reward of row 1 is NaN', 'reward of row 2 is NaN'])
    """

    def __init__(self, rows: int) -> None:
        self._code = np.zeros(rows, np.int32)
        self._kinds: list[tuple[str, Callable[[int], str]]] = []

    def add(self, mask: Mask | None, field: str, reason: Callable[[int], str]) -> None:
        """Note the rows of ``mask`` that have no fault yet; ``reason`` gets a row's index in the batch."""
        if mask is None or not mask.any():
            return
        self._kinds.append((field, reason))
        self._code[mask & (self._code == 0)] = len(self._kinds)

    @property
    def any(self) -> bool:
        """Whether a row is bad."""
        return bool(self._kinds)

    @property
    def good(self) -> Mask:
        """Rows without a fault, shape (rows,)."""
        mask: Mask = self._code == 0
        return mask

    def rejects(self, raw: pa.Table, numbers: NDArray[np.int64]) -> tuple[Reject, ...]:
        """Return a Reject for each bad row of ``raw``; ``numbers`` are the rows' numbers in their file."""
        bad = np.flatnonzero(self._code)
        if not len(bad):
            return ()
        keep = [name for name in raw.column_names if name != ROW]
        rows = raw.select(keep).take(pa.array(bad)).to_pylist() if keep else [{}] * len(bad)
        found = []
        for index, row in zip(bad.tolist(), rows, strict=True):
            field, reason = self._kinds[self._code[index] - 1]
            found.append(Reject(int(numbers[index]), field, reason(index), raw_text(row)))
        return tuple(found)


def raw_text(row: dict[str, Any]) -> str:
    """Return a row as JSON without its nulls, cut to 500 characters.

    >>> raw_text({"ts": None, "reward": 1.5})
    '{"reward": 1.5}'
    """
    return json.dumps({k: v for k, v in row.items() if v is not None}, default=str, ensure_ascii=False)[:RAW_LIMIT]


def show(value: Any) -> str:
    """Return a value as an error message quotes it: JSON, cut to 60 characters."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean X?' for the nearest known name, else nothing.

    >>> nearest("rewrd", ["ts", "reward"])
    '; did you mean reward?'
    """
    by_lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""
