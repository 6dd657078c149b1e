"""Where one record of a text file ends, and the bytes behind a gzip stream."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PIECE = 4 * 1024 * 1024


def line_ends(data: bytes) -> NDArray[np.int64]:
    r"""Return the offset after each newline.

    >>> line_ends(b"a\nb\nc").tolist()
    [2, 4]
    """
    return np.flatnonzero(np.frombuffer(data, np.uint8) == 10) + 1


def quoted_ends(data: bytes) -> NDArray[np.int64]:
    r"""Return the offset after each newline that is not inside double quotes (RFC 4180).

    >>> quoted_ends(b'a,"x\ny"\nb\n').tolist()
    [8, 10]
    """
    ends = line_ends(data)
    if b'"' not in data:
        return ends
    inside = np.bitwise_xor.accumulate(np.frombuffer(data, np.uint8) == ord('"'))
    return ends[~inside[ends - 1]]


def gzipped(path: Path) -> bool:
    """Return whether a file is gzip by its first two bytes, or, while it has none, by its name."""
    with path.open("rb") as file:
        magic = file.read(2)
    return magic == b"\x1f\x8b" if len(magic) == 2 else path.suffix == ".gz"


class Plain:
    """The bytes of a file after an offset, in pieces; nobody knows whether it is ``complete``."""

    complete = False

    def __init__(self, path: Path, start: int = 0) -> None:
        self._path, self._start = path, start

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            while piece := file.read(PIECE):
                yield piece


class Inflated:
    """The text of a gzip file, in bounded pieces; ``complete`` tells afterwards whether the stream was whole.

    Unlike ``gzip.open`` it yields everything that precedes the cut of a truncated stream. Several members in a row are
    one text, as in RFC 1952.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.complete = False
        self.broken = ""

    def __iter__(self) -> Iterator[bytes]:
        stream = zlib.decompressobj(31)
        begun = False
        with self._path.open("rb") as file:
            while data := file.read(PIECE):
                while data:
                    if stream.eof:
                        stream = zlib.decompressobj(31)
                    begun = True
                    try:
                        piece = stream.decompress(data, PIECE)
                    except zlib.error as error:
                        self.broken = str(error)
                        return
                    data = stream.unused_data if stream.eof else stream.unconsumed_tail
                    if piece:
                        yield piece
            while begun and not stream.eof and (piece := stream.decompress(b"", PIECE)):
                yield piece
        self.complete = begun and stream.eof
