"""Where decision logs are read from: a source yields Chunks of a log's own columns after what was read before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from monitor.sources.base import Chunk, Position, Problem, Source, SourceError
from monitor.sources.csv import CsvSource
from monitor.sources.files import FileSource
from monitor.sources.jsonl import JsonLinesSource
from monitor.sources.obd import ObdSource
from monitor.sources.parquet import ParquetSource

SOURCES: Final[dict[str, Callable[..., Source]]] = {
    "parquet": ParquetSource,
    "jsonl": JsonLinesSource,
    "csv": CsvSource,
    "obd": ObdSource,
}

GUESSED: Final = ("parquet", "jsonl", "csv")  # formats that the names of their files tell; the others must be named

__all__ = ["GUESSED", "SOURCES", "Chunk", "FileSource", "Position", "Problem", "Source", "SourceError", "readers"]


def readers(path: Path) -> dict[str, FileSource]:
    """Return a reader of ``path`` for each format that the names of files tell.

    >>> {kind: reader.endings for kind, reader in readers(Path("log")).items()}["parquet"]
    ('.parquet', '.pq')
    """
    made = {kind: SOURCES[kind](path) for kind in GUESSED}
    return {kind: reader for kind, reader in made.items() if isinstance(reader, FileSource)}
