"""Text logs that may still be growing: only whole records are taken, and what is left waits."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.sources.base import MAX_ROWS, Chunk, Position, digest, head, numbered
from monitor.sources.files import FileSource
from monitor.sources.records import Inflated, Plain, gzipped, line_ends
from monitor.validate.faults import RAW_LIMIT, Reject

# Text is decoded in blocks of this many bytes; a longer line is no line.
BLOCK = 32 * 1024 * 1024
# A quote that is still open after so much text was never meant to be closed.
OPEN_QUOTE = 1024 * 1024
_IDENTITY = 65_536
_MARK = b"\xef\xbb\xbf"

# Table, refused rows (numbered from 0 in the block), numbers of the table's rows in it (None: all rows in order).
Decoded = tuple[pa.Table, list[Reject], NDArray[np.int64] | None]


class TextSource(FileSource):
    """Reads lines; subclasses decode a block of them.

    An uncompressed file is taken up at its byte offset. A gzip file is read from its start each time and the rows
    already taken are passed over, until its stream is whole.
    """

    grows = True
    heading = False  # the first record names the columns

    def ends(self, data: bytes) -> NDArray[np.int64]:
        """Return the offset after each whole record."""
        return line_ends(data)

    def decode(self, data: bytes, heading: bytes, path: Path) -> Decoded:
        """Decode whole records."""
        raise NotImplementedError

    def limit(self, path: Path, was: Position) -> int:
        """Return the bytes that the file must still have."""
        return was.size if gzipped(path) else was.position

    def read(self, path: Path, size: int, was: Position | None, final: bool) -> Iterator[Chunk]:
        """Yield the whole records after ``was``."""
        zipped = gzipped(path)
        position, rows = (was.position, was.rows) if was is not None else (0, 0)
        if not zipped and size == position:
            return
        first = self._first(path, zipped)
        heading = b""
        if self.heading:
            ends = self.ends(first)
            if not len(ends) and (not final or len(first) == _IDENTITY):
                reason = "its first line, which names the columns, is " + (
                    "too long" if len(first) == _IDENTITY else "unfinished"
                )
                yield from self.trouble(path, reason, was, final, pending=True)
                return
            heading = first[: ends[0]] if len(ends) else first
        taken = 0 if zipped else max(position, len(heading))
        whole = self.ends(first)
        wanted = 2 if self.heading else 1
        identity = digest(first[: whole[wanted - 1]] if len(whole) >= wanted else first)
        state = Position(rows if zipped else taken, rows, size, head(path, identity), False)
        reader = Inflated(path) if zipped else Plain(path, taken)
        number, pass_over = 0 if zipped else rows, rows if zipped else 0
        last: Chunk | None = None
        for block, bad in self._blocks(reader, final, len(heading) if zipped else 0):
            data = block
            count = 1 if bad else len(self.ends(data)) or 1
            taken += len(data)
            number += count
            if number <= pass_over:
                continue
            if number - count < pass_over:
                data = data[self.ends(data)[pass_over - number + count - 1] :]
                count = number - pass_over
            state = replace(state, position=number if zipped else taken, rows=number)
            if last is not None:
                yield last
            last = self._chunk(path, data, bad, heading, after=state, count=count)
        if isinstance(reader, Inflated):
            if reader.complete:
                state = replace(state, done=True)
                last = (
                    replace(last, after=state) if last else Chunk(self.name, str(path), number + 1, pa.table({}), state)
                )
            if last is not None:
                yield last
            if not reader.complete:
                why = (
                    f"broken gzip ({reader.broken})" if reader.broken else "unfinished gzip: its stream has no end yet"
                )
                fix = "finish writing it or remove it"
                yield from self.trouble(path, f"{why}; {number} rows were read; {fix}", state, final, not reader.broken)
        elif last is not None:
            yield last

    def _first(self, path: Path, zipped: bool) -> bytes:
        first = b""
        for piece in Inflated(path) if zipped else Plain(path):
            first += piece
            if len(first) >= _IDENTITY:
                break
        return first[:_IDENTITY]

    def _chunk(self, path: Path, data: bytes, bad: str, heading: bytes, *, after: Position, count: int) -> Chunk:
        before = after.rows - count
        if bad:
            raw = data.decode("utf-8", "replace").rstrip("\r\n")[:RAW_LIMIT]
            reject = Reject(before + 1, "line", f"{path}: row {before + 1}: {bad}", raw)
            return Chunk(self.name, str(path), before + 1, pa.table({}), after, (reject,))
        if before == 0:
            data = data.removeprefix(_MARK)
        table, rejects, numbers = self.decode(data, heading.removeprefix(_MARK), path)
        table = numbered(table, None if numbers is None else numbers + before + 1)
        found = (
            Reject(r.row + before + 1, r.field, f"{path}: row {r.row + before + 1}: {r.reason}", r.raw) for r in rejects
        )
        return Chunk(self.name, str(path), before + 1, table, after, tuple(found))

    def _blocks(self, reader: Plain | Inflated, final: bool, skip: int) -> Iterator[tuple[bytes, str]]:
        """Yield whole records, at most ``MAX_ROWS`` of them; with a sentence, one line that cannot be a record."""
        data = b""
        for piece in reader:
            data += piece
            if skip:
                data, skip = data[skip:], max(0, skip - len(data))
            if len(data) >= BLOCK:
                data = yield from self._whole(data)
                while len(data) >= BLOCK or (len(data) > OPEN_QUOTE and b"\n" in data):
                    data = yield from self._broken(data)
        data = yield from self._whole(data)
        while b"\n" in data and (final or len(data) > OPEN_QUOTE):
            data = yield from self._broken(data)
        if data and (final or reader.complete):
            yield data, ""

    def _whole(self, data: bytes) -> Generator[tuple[bytes, str], None, bytes]:
        ends = self.ends(data)
        start = 0
        for at in range(0, len(ends), MAX_ROWS):
            end = int(ends[min(at + MAX_ROWS, len(ends)) - 1])
            yield data[start:end], ""
            start = end
        return data[start:]

    def _broken(self, data: bytes) -> Generator[tuple[bytes, str], None, bytes]:
        end = data.find(b"\n") + 1 or len(data)
        quoted = end < len(data)
        yield data[:end], "a quote is opened and never closed" if quoted else f"a line is longer than {BLOCK} bytes"
        rest = yield from self._whole(data[end:])
        return rest


def filled_rows(data: bytes, ends: NDArray[np.int64]) -> list[tuple[int, bytes]]:
    """Return the number (from 0) and the bytes of each record that is not blank."""
    starts = [0, *ends.tolist()]
    if starts[-1] < len(data):
        starts.append(len(data))
    records = (data[a:b].rstrip(b"\r\n") for a, b in pairwise(starts))
    return [(number, record) for number, record in enumerate(records) if record.strip()]
