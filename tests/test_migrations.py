"""Rows that are there survive a migration, and mean afterwards what they meant before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, insert, select, text

from monitor import tokens
from monitor.clock import ManualClock
from monitor.store import database as module
from monitor.store.carried import CARRIED
from monitor.store.database import Database
from monitor.store.tables import actions, alerts, incidents, metadata, notices, silences


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


OLD: dict[str, dict[str, object]] = {
    "policies": {"policy": "p", "landing_seq": 4, "sealed_until": 60.0},
    "routes": {
        "policy": "p", "serving": "v6", "generation": 7, "split": '{"v6":1.0}', "changed": 1.0, "reason": "Fell.",
    },
    "tokens": {"sha256": hashlib.sha256(b"cr_old").hexdigest(), "name": "first", "created": 1.0},
    "actions": {
        "id": "act_1", "policy": "p", "kind": "rollback", "hook": "", "state": "delivered", "generation": 7,
        "from_version": "v7", "to_version": "v6", "reason": "Fell.", "trigger": "t", "actor": "ada", "body": "{}",
        "requested": 1.0, "real_requested": 1.0, "attempts": 1, "fence": 0,
    },
    "alerts": {
        "policy": "p", "version": "v7", "trigger": "t", "key": "", "state": "firing", "health": "ok",
        "severity": "page", "since": 1.0, "streak": 1, "judged_until": 60.0, "reason": "Fell.",
    },
    "silences": {
        "policy": "p", "trigger": "t", "version": "", "owner": "ada", "reason": "Known.", "created": 1.0, "until": 9e9,
    },
}  # fmt: skip


def test_all_else_that_was_there_means_what_it_meant(empty_url: str, clock: ManualClock) -> None:
    database = at_revision(empty_url, "0001")
    old = MetaData()
    old.reflect(database.engine)
    with database.begin() as connection:
        for name, row in OLD.items():
            connection.execute(insert(old.tables[name]), [row])
    database.migrate()
    with database.read() as connection:
        for name, row in OLD.items():
            found = connection.execute(select(metadata.tables[name])).one()._mapping
            assert {key: found[key] for key in row} == row, name
        token = tokens.bearer(connection, "cr_old", clock)
        alert = connection.execute(select(alerts)).one()
        action = connection.execute(select(actions)).one()
        silence = connection.execute(select(silences)).one()
    database.close()
    assert token == tokens.Bearer("first", None, frozenset(tokens.SCOPES)), "it keeps all rights, and expires never"
    assert (alert.dry_run, action.stops, action.share, silence.key) == (False, None, None, None)


def test_what_a_migration_carries_is_written_into_its_file() -> None:
    folder = Path(module.__file__).parent / "migrations/versions"
    for revision, statements in CARRIED.items():
        (path,) = folder.glob(f"{revision}_*.py")
        written = path.read_text("utf-8")
        assert [one for one in statements if one not in written] == [], "run scripts/migration.py again"
