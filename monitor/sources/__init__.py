"""Where decision logs are read from: a source yields Chunks of a log's own columns after what was read before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor.sources.base import Chunk, Position, Problem, Source, SourceError
from monitor.sources.csv import CsvSource
from monitor.sources.jsonl import JsonLinesSource
from monitor.sources.obd import ObdSource
from monitor.sources.parquet import ParquetSource

SOURCES: Final[dict[str, Callable[..., Source]]] = {
    "parquet": ParquetSource,
    "jsonl": JsonLinesSource,
    "csv": CsvSource,
    "obd": ObdSource,
}

__all__ = ["SOURCES", "Chunk", "Position", "Problem", "Source", "SourceError"]
