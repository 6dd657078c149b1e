"""The log store: Parquet files by policy and event hour, of which only those that the manifest names exist."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, delete, insert, select, text

from monitor.clock import instant
from monitor.log_store.arrow import concat, within
from monitor.log_store.durable import LakeFullError, store
from monitor.log_store.schema import FIXED, REWARD_EVENT, TIMESTAMP
from monitor.store.database import Database
from monitor.store.tables import manifest

__all__ = ["GRACE", "HOUR", "TIME", "File", "Lake", "LakeFullError"]

HOUR = 3600
GRACE = 3600.0  # seconds for which a file that nobody names is kept: a reader or an open landing may still need it
_UNIQUE = ("decision_id", "event_id")  # a dictionary of values that never repeat costs time and saves nothing
# The column that says in which hour a row is kept: a reward lies beside its decision.
TIME = {"decisions": "ts", "rewards": "decision_ts"}


class _OvertakenError(Exception):
    """The manifest changed while its files were being merged."""


@dataclass(frozen=True)
class File:
    """One Parquet file of the lake: what its manifest row says."""

    file: str  # relative to the lake
    policy: str
    kind: str
    hour: int
    rows: int
    first_ts: float
    last_ts: float
    bytes: int
    sha256: str


class Lake:
    """Parquet files under ``root``, by policy, kind and event hour.

    A file is written under a temporary name, synced, renamed, and counts only once a transaction names it in
    ``manifest``. Its name ends in the digest of its bytes, so a landing that is repeated after a crash writes the same
    file again, and two landings never write different bytes under one name.

    Parameters
    ----------
    root
        Directory of the lake; created when the first file is written.

    Examples
    --------
    >>> Lake(Path("lake")).folder("bids", "decisions", 0)
    'policy=bids/decisions/date=1970-01-01/hour=00'
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, policy: str, kind: str, hour: int) -> str:
        """Return the directory of an event hour, relative to the lake."""
        at = instant(hour * HOUR)
        return f"policy={quote(policy, safe='')}/{kind}/date={at:%Y-%m-%d}/hour={at:%H}"

    def write(self, policy: str, kind: str, hour: int, name: str, table: pa.Table) -> File:
        """Write the rows of one event hour as one file, durable when this returns, and return its manifest row.

        ``name`` is a readable stem, such as the digest of the source's offset; the digest of the bytes is appended.

        Raises
        ------
        LakeFullError
            If the disk, a quota or the file size limit is reached; nothing half written is left visible.
        """
        body = _encode(table)
        digest = hashlib.sha256(body).hexdigest()
        relative = f"{self.folder(policy, kind, hour)}/{name}-{digest[:16]}.parquet"
        path = self.root / relative
        store(path, body)
        bounds = pc.min_max(table.column(TIME[kind]).cast(pa.int64())).as_py()
        first, last = bounds["min"] / 1e6, bounds["max"] / 1e6
        return File(relative, policy, kind, hour, table.num_rows, first, last, len(body), digest)

    def open(self, file: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one file, or those of ``columns`` that it has."""
        with pq.ParquetFile(self.root / file) as parquet:
            if columns is not None:
                columns = [name for name in columns if name in parquet.schema_arrow.names]
            return parquet.read(columns=columns, use_threads=False)

    def files(self, connection: Connection, policy: str, kind: str, begin: float, end: float) -> list[File]:
        """Return the manifested files that may have rows in [begin, end), oldest hour first, then by first row."""
        statement = select(manifest).where(
            manifest.c.policy == policy,
            manifest.c.kind == kind,
            manifest.c.hour.between(int(begin // HOUR), int(end // HOUR)),
            manifest.c.first_ts <= end,
            manifest.c.last_ts >= begin,
        )
        rows = connection.execute(statement.order_by(manifest.c.hour, manifest.c.first_ts, manifest.c.file))
        return [File(**{name: row[name] for name in File.__dataclass_fields__}) for row in rows.mappings()]

    def read(
        self,
        connection: Connection,
        policy: str,
        kind: str,
        begin: float,
        end: float,
        *,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Read the rows of [begin, end) (seconds since 1970) from manifested files, as one table.

        Columns that some files lack are null there; a column that is a number in one file and text in another is text.
        Rewards are selected by the time of their decision.
        """
        time = TIME[kind]
        wanted = None if columns is None else [*columns, *([] if time in columns else [time])]
        files = self.files(connection, policy, kind, begin, end)
        tables = [within(self.open(item.file, wanted), time, begin, end) for item in files]
        table = concat(tables) if tables else _empty(kind)
        if columns is None:
            return table
        for name in columns:
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows, _type(name)))
        return table.select(list(columns))

    def compact(self, database: Database, policy: str, kind: str, hour: int, now: float) -> File | None:
        """Merge the files of a closed hour into one, in one transaction; None where there is nothing to merge.

        The old files stay for ``GRACE`` seconds of real time after ``now``, for readers that hold the manifest of
        before; then ``orphans`` removes them.
        """
        with database.read() as connection:
            old = [f for f in self.files(connection, policy, kind, hour * HOUR, (hour + 1) * HOUR) if f.hour == hour]
            landed = connection.execute(select(manifest.c.landed).where(manifest.c.file.in_([f.file for f in old])))
            first_landed = min(landed.scalars(), default=0.0)
        if len(old) < 2:
            return None
        new = self.write(policy, kind, hour, "compact", concat([self.open(item.file) for item in old]))
        try:
            with database.begin() as connection:
                gone = delete(manifest).where(manifest.c.file.in_([item.file for item in old]))
                if connection.execute(gone).rowcount != len(old):
                    raise _OvertakenError
                connection.execute(insert(manifest), [{**vars(new), "landed": first_landed}])
        except _OvertakenError:  # somebody compacted meanwhile: theirs stands, ours is an orphan or the same file
            return None
        for item in old:
            with suppress(FileNotFoundError):
                os.utime(self.root / item.file, (now, now))
        return new

    def orphans(self, database: Database, now: float, grace: float = GRACE) -> list[str]:
        """Remove files that no manifest row names and that are older than ``grace``; return their names.

        Landing checks inside its own write transaction that its files are there, and this runs inside one too, so a
        file is never removed between being written again and being named.
        """
        found = [path for path in self.root.rglob("*") if re.search(r"\.(parquet|tmp)$", path.name)]
        removed = []
        with database.begin() as connection:
            if not database.sqlite:
                connection.execute(text("LOCK TABLE manifest IN EXCLUSIVE MODE"))
            named = set(connection.execute(select(manifest.c.file)).scalars())
            for path in found:
                relative = path.relative_to(self.root).as_posix()
                with suppress(FileNotFoundError):
                    if relative not in named and path.stat().st_mtime < now - grace:
                        path.unlink()
                        removed.append(relative)
        return sorted(removed)


def _encode(table: pa.Table) -> pa.Buffer:
    strings = [f.name for f in table.schema if pa.types.is_string(f.type) and f.name not in _UNIQUE]
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", use_dictionary=strings, write_statistics=["ts"])
    return sink.getvalue()


def _type(name: str) -> Any:
    known = FIXED.get(name) or REWARD_EVENT.get(name)
    return known or (pa.string() if name.startswith("segment.") else pa.float64())


def _empty(kind: str) -> pa.Table:
    names = ("decision_id", "ts", "policy", "version", "action") if kind == "decisions" else tuple(REWARD_EVENT)
    return pa.table({name: pa.array([], TIMESTAMP if name.endswith("ts") else _type(name)) for name in names})
