"""Parquet files: whole or not yet there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from monitor.sources.base import MAX_ROWS, Chunk, Position, digest, head, numbered
from monitor.sources.files import FileSource

_END = 65_536


class ParquetSource(FileSource):
    """Reads Parquet files by row group; against the text sources, a file counts only when its footer is there.

    Rows land chunk by chunk, so that a large file that was left half-way goes on after the last row taken.
    """

    endings = (".parquet", ".pq")

    def read(self, path: Path, size: int, was: Position | None, final: bool) -> Iterator[Chunk]:
        """Yield the rows after ``was``, or report why there are none."""
        fault = _unfinished(path, size)
        if fault:
            yield from self.trouble(path, fault, was, final, pending=True)
            return
        done = was.rows if was is not None else 0
        here = head(path, _identity(path, size))
        try:
            with pq.ParquetFile(path) as file:
                total = file.metadata.num_rows
                if total == 0 or done >= total:
                    yield self._chunk(path, done, pa.table({}), Position(done, done, size, here, True))
                for table in _after(file, done):
                    taken = done + table.num_rows
                    yield self._chunk(path, done, table, Position(taken, taken, size, here, taken == total))
                    done = taken
        except (pa.ArrowException, OSError) as error:
            where = was if done == 0 else Position(done, done, size, here, False)
            yield from self.trouble(
                path, f"broken Parquet after row {done}: {str(error).strip()}; write it again", where, final
            )

    def _chunk(self, path: Path, done: int, table: pa.Table, after: Position) -> Chunk:
        return Chunk(self.name, str(path), done + 1, numbered(table, None), after)


def _unfinished(path: Path, size: int) -> str:
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(max(0, size - 4))
        end = file.read(4)
    if size and start not in (b"PAR1", b"PARE"[: len(start)], b"PAR1"[: len(start)]):
        return "not a Parquet file: it does not begin with PAR1"
    if size < 12 or end not in (b"PAR1", b"PARE"):
        return "truncated Parquet: no footer; finish writing it or remove it"
    return ""


def _identity(path: Path, size: int) -> str:
    """Digest both ends and the size: the footer holds the offset and statistics of every column chunk."""
    with path.open("rb") as file:
        start = file.read(_END)
        file.seek(max(0, size - _END), os.SEEK_SET)
        return digest(start + file.read(_END) + str(size).encode())


def _after(file: pq.ParquetFile, done: int) -> Iterator[pa.Table]:
    """Yield tables of the rows after the first ``done``, skipping whole row groups unread."""
    groups: list[int] = []
    skip = done
    for index in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(index).num_rows
        if not groups and skip >= rows:
            skip -= rows
        else:
            groups.append(index)
    for batch in file.iter_batches(batch_size=MAX_ROWS, row_groups=groups):
        rows = batch.num_rows
        if skip < rows:
            yield pa.Table.from_batches([batch.slice(skip)])
        skip = max(0, skip - rows)
