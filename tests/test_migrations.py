"""Rows that are there survive a migration, and mean afterwards what they meant before."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

from monitor.store import database as module
from monitor.store.carried import CARRIED
from monitor.store.database import Database
from monitor.store.tables import incidents, notices


def at_revision(url: str, revision: str) -> Database:
    """Return a database as a release with this newest migration left it."""
    database = Database(url)
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    with database.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return database


def test_incidents_from_before_there_was_an_escalation_are_carried(empty_url: str) -> None:
    database = at_revision(empty_url, "0001")
    told = "INSERT INTO incidents (policy, opened, closed, rolled_back, reason)"
    told += " VALUES (:policy, 1.0, :closed, :gone, 'R')"
    with database.begin() as connection:
        for policy, closed, gone in (("p", 2.0, "[]"), ("q", None, '["v7"]')):
            connection.execute(text(told), {"policy": policy, "closed": closed, "gone": gone})
    database.migrate()
    with database.read() as connection:
        over, open_one = connection.execute(select(incidents).order_by(incidents.c.id)).all()
        assert connection.execute(select(notices)).all() == []
    database.close()
    assert (over.id, over.policy, over.state, over.closed, over.resolved) == (1, "p", "closed", 2.0, 2.0)
    assert (open_one.state, open_one.closed, open_one.rolled_back) == ("triggered", None, '["v7"]')
    assert (open_one.level, open_one.reopened, open_one.severity, open_one.asks) == (0, 0, "rollback", None)
    assert open_one.real_next_escalation is None, "the next pass of the action loop tells people"


def test_what_a_migration_carries_is_written_into_its_file() -> None:
    folder = Path(module.__file__).parent / "migrations/versions"
    for revision, statements in CARRIED.items():
        (path,) = folder.glob(f"{revision}_*.py")
        written = path.read_text("utf-8")
        assert [one for one in statements if one not in written] == [], "run scripts/migration.py again"
