"""From a path, directory or glob to the files below it; what every file source shares."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from monitor.sources.base import Chunk, Position, Problem, SourceError, changed
from monitor.validate.faults import Reject


class FileSource:
    """Reads the files that a path names, in the order of their paths.

    Subclasses say which endings count in a directory and how one file is read. In a directory, names that begin with a
    point or an underscore are other programs' temporary files and are left alone.

    Parameters
    ----------
    path
        File, directory (recursive) or glob (``**`` is recursive).
    name
        Name of the source, default the path.
    version
        Version that the caller sets for rows without one; a source that could tell it from the path then does not.
    """

    endings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    grows = False

    def __init__(self, path: str | Path, name: str = "", version: str | None = None) -> None:
        self.path = str(path)
        self.name = name or self.path
        self.version = version
        self.problems: list[Problem] = []

    def chunks(self, seen: Mapping[str, Position], final: bool) -> Iterator[Chunk]:
        """Yield what is new in each file.

        Raises
        ------
        SourceError
            If ``final`` and there is no file.
        """
        self.problems = []
        files = self.files()
        if not files:
            reason = self._nothing()
            if final:
                raise SourceError(f"{self.path}: {reason}")
            self.problems.append(Problem(self.path, reason, pending=True))
        for path in files:
            was = seen.get(str(path))
            try:
                for chunk in self._checked(path, was, final):
                    was = chunk.after
                    yield chunk
            except OSError as error:
                yield from self.trouble(path, f"cannot be read: {error.strerror or error}", was, final)
            except SourceError as error:
                yield from self.trouble(path, str(error), was, final)

    def files(self) -> list[Path]:
        """Return the files to read, absolute, sorted by path."""
        found: set[str] = set()
        exact = os.path.exists(self.path)
        for match in [self.path] if exact else glob.glob(self.path, recursive=True):
            if os.path.isdir(match):
                found.update(self._below(match))
            else:
                found.add(match)
        return [Path(path) for path in sorted({os.path.abspath(path) for path in found})]

    def limit(self, path: Path, was: Position) -> int:
        """Return the bytes that a file must still have to be the one that was read."""
        return was.size

    def read(self, path: Path, size: int, was: Position | None, final: bool) -> Iterator[Chunk]:
        """Yield the chunks of one file after ``was``."""
        raise NotImplementedError

    def trouble(
        self, path: Path, reason: str, was: Position | None, final: bool, pending: bool = False
    ) -> Iterator[Chunk]:
        """Report a file that cannot be read; a final reading also yields it as a Reject of row 0."""
        self.problems.append(Problem(str(path), reason, pending and not final))
        if final:
            where = was or Position(0, 0, 0, ":0:", False)
            reject = Reject(0, "file", f"{path}: {reason}", "")
            yield Chunk(self.name, str(path), where.rows + 1, pa.table({}), where, (reject,))

    def _checked(self, path: Path, was: Position | None, final: bool) -> Iterator[Chunk]:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a pipe waits for a writer, for ever
            yield from self.trouble(path, "is a pipe or a device, not a file: write the rows to a file", was, final)
            return
        size = found.st_size
        if was is not None and not was.head.startswith(":"):
            reason = changed(path, size, was, self.limit(path, was))
            if was.done and size != was.size and not self.grows:
                reason = (
                    f"had {was.size} bytes when it was read and has {size} now: it was replaced; name new files anew"
                )
            if reason:
                yield from self.trouble(path, reason, was, final)
                return
            if was.done and size == was.size:
                return
        yield from self.read(path, size, was, final)

    def _below(self, directory: str) -> Iterator[str]:
        for folder, folders, names in os.walk(directory):
            folders[:] = [name for name in folders if not name.startswith((".", "_"))]
            for name in names:
                if name.lower().endswith(self.endings) and not name.startswith((".", "_")) and name not in self.skipped:
                    yield os.path.join(folder, name)

    def _nothing(self) -> str:
        wanted = ", ".join(f"*{ending}" for ending in self.endings)
        if os.path.isdir(self.path):
            return f"no {wanted} file below it"
        if glob.has_magic(self.path):
            return f"no file matches it, and below the directories that match there is no {wanted}"
        return "no such file or directory"
