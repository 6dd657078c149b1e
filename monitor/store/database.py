"""Transactions on SQLite and PostgreSQL with one meaning: ``begin`` is the only writer's door."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

BUSY_SECONDS = 5.0


class DatabaseUnavailableError(Exception):
    """The database does not answer or is locked; nothing was written, so the caller may try again."""


class Database:
    """One control-state database.

    A write transaction on SQLite begins IMMEDIATE: a deferred one that upgrades its lock fails with
    "database is locked" without waiting. ``FOR UPDATE`` is silently dropped on SQLite, so claims are
    conditional updates, which mean the same on both. Connections are kept: opening one costs more than a read, and
    closing the last one writes the whole log of changes back. Writers of one process queue for a lock of their own,
    because SQLite's waiting is a sleep of up to 100 ms and no queue: under load the last one waits for seconds.

    Parameters
    ----------
    url
        SQLAlchemy URL, ``sqlite:///...`` or ``postgresql+psycopg://...``.
    busy
        Seconds to wait for another writer before ``DatabaseUnavailableError``.
    """

    def __init__(self, url: str, busy: float = BUSY_SECONDS) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ValueError(f"store.url: {url!r} is not a database URL: {error}") from None
        self.url = url
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._busy, self._writer = busy, threading.Lock()
        options: dict[str, Any] = {"connect_args": {"timeout": busy}} if self.sqlite else _patience(busy, parsed.query)
        if self.sqlite and parsed.database:
            options |= {"poolclass": QueuePool, "max_overflow": -1}  # a thread never waits for a connection
        self.engine: Engine = create_engine(url, **options)
        if self.sqlite:
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a write transaction; commit at the end, roll back on any error."""
        with _translated(), self._turn() as patience, self.engine.connect() as connection:
            connection.info["write"], connection.info["patience"] = True, patience
            with connection.begin():
                yield connection

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """Wait for the other writers of this process; yield the seconds that are left to wait for other processes."""
        if not self.sqlite:
            yield self._busy
            return
        begun = time.monotonic()
        if not self._writer.acquire(timeout=self._busy):
            raise DatabaseUnavailableError(f"another thread of this process has been writing for {self._busy:g} s")
        try:
            yield max(0.0, self._busy - (time.monotonic() - begun))
        finally:
            self._writer.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read transaction: one consistent view, no lock that a writer waits for."""
        with _translated(), self.engine.connect() as connection:
            connection.info["write"], connection.info["patience"] = False, self._busy
            if not self.sqlite:  # its default, READ COMMITTED, shows each statement another view
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the schema to this version; only reads when it is there, so that looking never waits for a writer."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        head = ScriptDirectory.from_config(config).get_current_head()
        with self.read() as connection:
            if MigrationContext.configure(connection).get_current_revision() == head:
                return
        with self.begin() as connection:
            if not self.sqlite:  # two processes that start together must not both migrate
                connection.execute(text("SELECT pg_advisory_xact_lock(7281930)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close idle connections."""
        self.engine.dispose()


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, add: Sequence[str] = ()) -> None:
    """Insert rows, or overwrite those with the same primary key; columns in ``add`` are summed instead."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changes = {
        name: (table.c[name] + statement.excluded[name]) if name in add else statement.excluded[name]
        for name in rows[0]
        if name not in keys
    }
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), [dict(row) for row in rows])


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows whose primary key is not there yet; leave the others as they are."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), [dict(row) for row in rows])


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnavailableError(str(error.orig)) from error
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError(str(error)) from error


def _patience(busy: float, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a PostgreSQL engine under which a network that swallows everything is an error soon.

    Without them a connection is waited for as long as the kernel tries, two minutes, and an answer that never comes for
    a quarter of an hour, by a thread that should be rolling something back. What the URL says goes first.
    """
    seconds = max(2, math.ceil(busy))  # libpq's own smallest
    limits = {"connect_timeout": seconds, "tcp_user_timeout": 3000 * seconds}  # milliseconds: bytes nobody took
    limits |= {"keepalives_idle": seconds, "keepalives_interval": seconds, "keepalives_count": 2}  # nothing to send
    given = {name: value for name, value in limits.items() if name not in query}
    return {"pool_pre_ping": True, "connect_args": given}


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # what was answered with 2xx survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    if "patience" in connection.info:  # anew each time: what a writer had left is no patience for the next reader
        connection.exec_driver_sql(f"PRAGMA busy_timeout={connection.info['patience'] * 1000:.0f}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("write") else "BEGIN")
