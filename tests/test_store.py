"""The control state's transactions mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, text, update

from monitor.store.database import Database, DatabaseUnavailableError, _patience, insert_new, upsert
from monitor.store.tables import heartbeats, metadata, policies, traffic


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(policies)) or 0


def add_policy(database: Database, name: str) -> None:
    with database.begin() as connection:
        insert_new(connection, policies, [{"policy": name, "landing_seq": 0, "sealed_until": 0.0}])


def rows_in_traffic(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {row.version: row.rows for row in connection.execute(select(traffic))}


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    add_policy(database, "cooling")
    database.migrate()
    database.migrate()
    assert count(database) == 1
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    code = "import os; from monitor.store.database import Database; Database(os.environ['URL']).migrate()"
    starting = [subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "URL": empty_url}) for _ in range(3)]
    assert [process.wait(300) for process in starting] == [0, 0, 0]
    database = Database(empty_url)
    assert count(database) == 0
    database.close()


def test_an_error_inside_a_transaction_undoes_all_of_it(database: Database) -> None:
    with pytest.raises(RuntimeError, match="half way"), database.begin() as connection:
        insert_new(connection, policies, [{"policy": "cooling", "landing_seq": 0, "sealed_until": 0.0}])
        raise RuntimeError("half way")
    assert count(database) == 0


def test_a_database_is_open_to_the_next_writer_after_an_error(database: Database) -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError), database.begin() as connection:
            connection.execute(text("DELETE FROM policies"))
            raise RuntimeError
    add_policy(database, "cooling")
    assert count(database) == 1


def test_upsert_overwrites_what_is_there(database: Database) -> None:
    for at in (1.0, 2.0):
        with database.begin() as connection:
            upsert(connection, heartbeats, [{"part": "tick", "real_at": at, "at": at, "note": f"pass {at:.0f}"}])
    with database.read() as connection:
        assert connection.execute(select(heartbeats)).all() == [("tick", 2.0, 2.0, "pass 2")]


def test_upsert_adds_the_columns_that_it_is_told_to_add(database: Database) -> None:
    for rows in ({"v6": 3, "v7": 1}, {"v7": 5}):
        with database.begin() as connection:
            counted = [{"policy": "p", "start": 0.0, "version": version, "rows": n} for version, n in rows.items()]
            upsert(connection, traffic, counted, add=["rows"])
    assert rows_in_traffic(database) == {"v6": 3, "v7": 6}


def test_inserting_what_is_there_leaves_it_as_it_is(database: Database) -> None:
    with database.begin() as connection:
        insert_new(connection, traffic, [{"policy": "p", "start": 0.0, "version": "v6", "rows": 1}])
    with database.begin() as connection:
        again = [{"policy": "p", "start": 0.0, "version": version, "rows": 9} for version in ("v6", "v7")]
        insert_new(connection, traffic, again)
    assert rows_in_traffic(database) == {"v6": 1, "v7": 9}


def test_no_rows_are_no_statement(database: Database) -> None:
    with database.begin() as connection:
        upsert(connection, traffic, [])
        insert_new(connection, traffic, [])
    assert rows_in_traffic(database) == {}


def test_a_reader_keeps_the_view_that_it_began_with(database: Database) -> None:
    add_policy(database, "cooling")
    names = select(policies.c.policy).order_by(policies.c.policy)
    with database.read() as connection:
        before = connection.scalars(names).all()
        add_policy(database, "heating")
        assert connection.scalars(names).all() == before == ["cooling"]
    assert count(database) == 2


def test_a_reader_does_not_keep_a_writer_waiting(database: Database) -> None:
    with database.read() as connection:
        connection.execute(select(policies)).all()
        add_policy(database, "cooling")
    assert count(database) == 1


def test_of_concurrent_conditional_updates_each_number_is_won_once(database: Database) -> None:
    add_policy(database, "cooling")

    def win(_: int) -> int:
        while True:
            with database.begin() as connection:
                seen = connection.scalar(select(policies.c.landing_seq)) or 0
                mine = update(policies).where(policies.c.landing_seq == seen).values(landing_seq=seen + 1)
                if connection.execute(mine).rowcount == 1:
                    return seen

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(win, range(40))) == list(range(40))


def test_a_second_writer_on_sqlite_is_told_within_its_patience(database: Database) -> None:
    if not database.sqlite:
        return  # PostgreSQL lets both write; what they both change is decided by conditional updates
    second = Database(database.url, busy=0.05)
    with database.begin():
        with pytest.raises(DatabaseUnavailableError, match="locked"), second.begin():
            raise AssertionError("the second writer was let in")
        assert count(second) == 0  # it may read all the same
    add_policy(second, "cooling")
    assert count(database) == 1


def test_writers_of_one_process_take_turns_and_do_not_wait_for_ever(database: Database) -> None:
    if not database.sqlite:
        return
    hasty = Database(database.url, busy=0.05)

    def write(_: int) -> None:
        with database.begin() as connection:
            connection.execute(update(policies).values(landing_seq=policies.c.landing_seq + 1))

    add_policy(database, "cooling")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
        with hasty.begin(), pytest.raises(DatabaseUnavailableError, match="another thread of this process"):
            pool.submit(lambda: add_policy(hasty, "bids")).result()
    with database.read() as connection:
        assert connection.scalar(select(policies.c.landing_seq)) == 40
    hasty.close()


def test_what_a_writer_had_left_to_wait_is_not_all_that_the_next_reader_has(database: Database) -> None:
    if not database.sqlite:
        return
    with database.begin() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=1")  # as after a long queue
    with database.read() as connection:  # the same connection: the pool has one
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 120_000


def test_a_write_transaction_never_starts_as_a_reader_that_must_upgrade(database: Database) -> None:
    """Two deferred transactions that read and then write fail at once with "database is locked", patience or not."""
    add_policy(database, "cooling")

    def read_then_write(_: int) -> None:
        with database.begin() as connection:
            connection.execute(select(policies)).all()
            connection.execute(update(policies).values(landing_seq=policies.c.landing_seq + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read_then_write, range(40)))
    with database.read() as connection:
        assert connection.scalar(select(policies.c.landing_seq)) == 40


def test_a_database_that_does_not_answer_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    missing = tmp_path_factory.mktemp("nothing") / "no" / "such" / "directory.db"
    with pytest.raises(DatabaseUnavailableError, match="unable to open"), Database(f"sqlite:///{missing}").begin():
        raise AssertionError("opened what cannot be there")


def test_a_url_that_is_none_names_the_key() -> None:
    with pytest.raises(ValueError, match=r"store\.url: 'checkrein' is not a database URL"):
        Database("checkrein")


def test_a_database_that_swallows_everything_is_an_error_soon() -> None:
    """Somebody listens and never answers, as behind a network that loses every packet."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(f"postgresql+psycopg://me@127.0.0.1:{silent.getsockname()[1]}/db", busy=1.0)
        with pytest.raises(DatabaseUnavailableError, match="timeout"), database.read():
            pass
        database.close()


def test_what_the_url_says_of_patience_goes_first() -> None:
    limits = _patience(5.0, {"connect_timeout": "60"})["connect_args"]
    assert "connect_timeout" not in limits
    assert limits["tcp_user_timeout"] == 15_000
