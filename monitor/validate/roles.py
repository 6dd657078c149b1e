"""Which column of a log plays which role, and what is said when one does not exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.log_store.schema import FAMILIES, FIXED
from monitor.validate.cast import one
from monitor.validate.faults import ROW, nearest

# Marks that decoders leave: a table whose rows need not have every field (JSON), text that may be numbers (CSV).
_KEY = b"checkrein"
OPEN = {_KEY: b"open"}
UNTYPED = {_KEY: b"untyped"}
# ... and text beside which lists or objects stood, as their JSON.
_MIXED_KEY = b"checkrein.mixed"
MIXED = {_MIXED_KEY: b"yes"}

# The names that count; one that ends in a point is a family.
DECISION = (*FIXED, *FAMILIES)
EVENT = ("decision_id", "ts", "event_id", "decision_ts", "reward", "outcome.")


class MappingError(Exception):
    """What is configured for a source does not fit its log; names the key, the nearest column and the fix."""


@dataclass(frozen=True)
class Roles:
    """The columns of a batch by role."""

    columns: dict[str, pa.Array]
    untyped: frozenset[str]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    open: bool
    rows: NDArray[np.int64]
    source: dict[str, str]
    mixed: frozenset[str] = frozenset()

    def missing(self, optional: Iterable[str]) -> tuple[str, ...]:
        """Return which of ``optional`` are absent or have only nulls; a family without any column is ``cost.*``."""
        there = tuple(
            role for role, column in self.columns.items() if column.null_count < len(column) or not len(column)
        )
        families = tuple(name for name in optional if name.endswith(".") and not any(r.startswith(name) for r in there))
        return (*(n for n in optional if not n.endswith(".") and n not in there), *(f"{name}*" for name in families))


def is_role(name: str, vocabulary: Collection[str] = DECISION) -> bool:
    """Return whether a column of this name is a role; one with a NUL is none, because no database can hold it.

    >>> is_role("state.inlet"), is_role("inlet"), is_role("state.")
    (True, False, False)
    """
    if name.endswith(".") or "\x00" in name:
        return False
    return name in vocabulary or any(family.endswith(".") and name.startswith(family) for family in vocabulary)


def resolve(raw: pa.Table, columns: Mapping[str, str], first_row: int, vocabulary: Collection[str] = DECISION) -> Roles:
    """Find each role's column: the one that ``columns`` names, else the one of its own name.

    Parameters
    ----------
    raw
        The batch as the log has it.
    columns
        Role = column of the log.
    first_row
        Number in the file of the batch's first row, unless a column ``__row__`` numbers them.
    vocabulary
        The roles that count: ``DECISION`` or ``EVENT``.

    Raises
    ------
    MappingError
        If a role does not exist, or if a log of fixed columns lacks a mapped one.
    """
    schemaless = (raw.schema.metadata or {}).get(_KEY) == b"open"
    while any(pa.types.is_struct(kind) for kind in raw.schema.types):
        raw = raw.flatten()
    names = [name for name in raw.column_names if name != ROW]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise MappingError(f"the log has two columns named {twice[0]}: give each its own name")
    source: dict[str, str] = {}
    notes = []
    for role, column in columns.items():
        if not is_role(role, vocabulary):
            families = ", ".join(f"{name}<name>" for name in vocabulary if name.endswith("."))
            raise MappingError(f"columns.{role}: no such role{nearest(role, vocabulary)} (families: {families})")
        if column in names:
            source[role] = column
            continue
        said = f'columns.{role} = "{column}": the log has no column {column}{nearest(column, names)}'
        if not schemaless:
            raise MappingError(f"{said}; it has {', '.join(names) or 'none'}")
        notes.append(said)
    for name in names:
        if is_role(name, vocabulary) and name not in columns:
            source.setdefault(name, name)
    used = set(source.values())
    numbered = ROW in raw.column_names
    rows = one(raw[ROW]).to_numpy() if numbered else np.arange(first_row, first_row + raw.num_rows)
    return Roles(
        columns={role: one(raw[name]) for role, name in source.items()},
        untyped=frozenset(r for r, name in source.items() if (raw.field(name).metadata or {}).get(_KEY) == b"untyped"),
        ignored=tuple(name for name in names if name not in used),
        notes=tuple(notes),
        open=schemaless,
        rows=rows.astype(np.int64),
        source=source,
        mixed=frozenset(r for r, name in source.items() if _MIXED_KEY in (raw.field(name).metadata or {})),
    )
