"""What every test may use, which tests a run takes, and why a skipped test fails it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text

from monitor.clock import ManualClock

if TYPE_CHECKING:
    from monitor.store.database import Database

EPOCH = 1_750_000_000.0  # 2025-06-15 15:06:40 UTC
FULL_ONLY = ("full", "postgres", "spark", "browser")
SKIPPED = pytest.StashKey[list[str]]()

# A failed assert in these shows its values, as one in a test does.
pytest.register_assert_rewrite("tests.decision_rows", "tests.landings", "tests.passes", "tests.rollout_stages")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full."""
    parser.addoption("--full", action="store_true", help="run what takes minutes or needs servers, too")


def pytest_configure(config: pytest.Config) -> None:
    """Start the list of skipped tests."""
    config.stash[SKIPPED] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, visibly and counted, what this run cannot or need not run; nothing is skipped."""
    left_out = set() if config.getoption("--full") else set(FULL_ONLY)
    if not os.environ.get("CHECKREIN_OBD_DIR"):
        left_out.add("obd")
    deselected = [item for item in items if any(mark.name in left_out for mark in item.iter_markers())]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in set(deselected)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what was skipped, or was expected to fail."""
    report = yield
    if report.skipped:
        item.config.stash[SKIPPED].append(item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note a whole file that was skipped."""
    report = yield
    if report.skipped:
        collector.config.stash[SKIPPED].append(collector.nodeid)
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that skipped anything: a test nobody runs protects nothing."""
    if session.config.stash[SKIPPED] and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which tests failed the run by being skipped."""
    for name in config.stash[SKIPPED]:
        terminalreporter.write_line(f"SKIPPED, which fails the run (mark it, or make it run): {name}", red=True)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands at EPOCH until it is moved."""
    return ManualClock(EPOCH)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty SQLite file with the newest schema, to be copied: copying is faster than migrating."""
    from monitor.store.database import Database

    path = tmp_path_factory.mktemp("migrated") / "checkrein.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database, on SQLite and, in full runs, on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'checkrein.db'}"
        return
    server = os.environ.get("CHECKREIN_TEST_POSTGRES")
    if not server:
        pytest.fail("CHECKREIN_TEST_POSTGRES is not set: run `make test-full`, or scripts/servers.sh COMMAND")
    schema = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    url = make_url(server).update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def database(empty_url: str, migrated_file: Path) -> Iterator[Database]:
    """Return a migrated, empty database; the same test runs on SQLite and, in full runs, on PostgreSQL."""
    from monitor.store.database import Database

    opened = Database(empty_url, busy=120.0)  # threads that write at once wait as long as a busy machine needs
    if opened.sqlite:
        shutil.copyfile(migrated_file, str(opened.engine.url.database))
    else:
        opened.migrate()
    yield opened
    opened.close()
