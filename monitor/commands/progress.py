"""A bar for an import that takes longer than a second, on a terminal; nothing otherwise."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor.sources import Chunk

AFTER = 1.0  # seconds that pass without a bar


class ImportBar:
    """Counts rows, and bytes of the files that are known to be read.

    Parameters
    ----------
    console
        Where to draw.
    sizes
        Bytes of each file that may be read, by absolute path.
    quiet
        Never draw.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.sources import Position
    >>> with ImportBar(Console(quiet=True), {"a.csv": 100, "b.parquet": 300}, quiet=False) as bar:
    ...     half = Position(50, 5, 100, "", False)
    ...     bar.add(Chunk("p", "a.csv", 1, pa.table({"x": range(5)}), half))
    ...     bar.add(Chunk("p", "b.parquet", 1, pa.table({"x": range(9)}), Position(9, 9, 300, "", True)))
    ...     bar.rows, bar.read
    (14, 400)
    """

    def __init__(self, console: Console, sizes: Mapping[str, int], *, quiet: bool) -> None:
        self._console, self._sizes = console, dict(sizes)
        self._quiet = quiet or not console.is_terminal
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._finished: dict[str, int] = {}
        self._open = ("", 0)
        self.rows = 0

    @property
    def read(self) -> int:
        """Bytes read: files are read one after the other, so that all but the last one are finished."""
        return sum(self._finished.values()) + self._open[1]

    def add(self, chunk: Chunk) -> None:
        """Count a chunk that has landed."""
        self.rows += chunk.table.num_rows
        size = self._sizes.get(chunk.path, chunk.after.size)
        if self._open[0] not in {"", chunk.path}:
            self._finished[self._open[0]] = self._sizes.get(self._open[0], self._open[1])
        # A position is in bytes for plain text; elsewhere, in rows, it is no measure and only a finished file counts.
        plain = not chunk.path.endswith((".gz", ".parquet", ".pq"))
        self._open = (chunk.path, size if chunk.after.done else min(chunk.after.position, size) if plain else 0)
        self._draw()

    def __enter__(self) -> ImportBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _draw(self) -> None:
        if self._quiet or time.monotonic() - self._began < AFTER:
            return
        if self._progress is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._progress = Progress(
                *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self._console, transient=True
            )
            self._progress.start()
            self._progress.add_task("", total=sum(self._sizes.values()) or None)
        task = self._progress.tasks[0].id
        self._progress.update(task, completed=self.read, description=f"{self.rows:,} rows")
