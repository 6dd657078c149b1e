"""What a source yields, and how far it was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.validate.faults import ROW, Reject

MAX_ROWS = 131_072
_HEAD = 4096


class SourceError(Exception):
    """There is nothing to read, or it is no log; says what was looked for."""


@dataclass(frozen=True)
class Position:
    """How far one file was read.

    Parameters
    ----------
    position
        Bytes of text, or rows of a compressed or Parquet file.
    rows
        Rows taken so far, blank and refused lines included.
    size
        Size of the file, bytes.
    head
        ``identity:length:digest``: the identity stays the same while the file grows (ids are derived from it); the
        digest of the first ``length`` bytes shows that the file is still the one that was read.
    done
        Whether nothing can follow: a whole Parquet file, a finished gzip stream.
    """

    position: int
    rows: int
    size: int
    head: str
    done: bool


@dataclass(frozen=True)
class Chunk:
    """Rows of one file, at most 131,072; one without rows only moves the position.

    ``table`` has the log's own columns. Its rows are numbered from ``first_row``, unless it has a column ``__row__``.
    """

    source: str
    path: str
    first_row: int
    table: pa.Table
    after: Position
    rejects: tuple[Reject, ...] = ()

    @property
    def digest(self) -> str:
        """What ids are derived from where the log has none; the same in every reading of the file."""
        return self.after.head.partition(":")[0]


@dataclass(frozen=True)
class Problem:
    """A file that cannot be read now; ``pending``: it may merely be unfinished, and is tried again."""

    path: str
    reason: str
    pending: bool = False


class Source(Protocol):
    """A place that logs are read from.

    ``chunks`` goes on after the positions of ``seen`` (by absolute path), in the order of the paths. ``final`` is for a
    one-shot ingest: nothing will be added any more, so that an unfinished line or file is a Reject now, and nothing to
    read raises SourceError. Otherwise both wait, and ``problems`` says so after each pass.
    """

    problems: list[Problem]

    def chunks(self, seen: Mapping[str, Position], final: bool) -> Iterator[Chunk]:
        """Yield what is new."""
        ...


def numbered(table: pa.Table, numbers: NDArray[np.int64] | None) -> pa.Table:
    """Return a table with its rows' numbers as ``__row__``, None: without, whatever the log has under that name."""
    table = table.drop_columns([ROW]) if ROW in table.column_names else table
    return table if numbers is None else table.append_column(ROW, pa.array(numbers, pa.int64()))


def digest(data: bytes) -> str:
    """Return sixteen hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def head(path: Path, identity: str) -> str:
    """Return the ``head`` of a Position."""
    with path.open("rb") as file:
        first = file.read(_HEAD)
    return f"{identity}:{len(first)}:{digest(first)}"


def changed(path: Path, size: int, was: Position, limit: int) -> str:
    """Say what tells that a file is not the one that was read before, nothing if it is.

    Parameters
    ----------
    path, size
        The file and its present size, bytes.
    was
        How far it was read.
    limit
        Bytes that it must still have.
    """
    fix = "nothing more is read from it; give new rows a new file name"
    if size < limit:
        return f"has {size} bytes but {limit} were already read: it was replaced or cut; {fix}"
    _, length, expected = was.head.split(":")
    with path.open("rb") as file:
        first = file.read(int(length))
    return "" if digest(first) == expected else f"begins differently than when it was read: it was replaced; {fix}"
