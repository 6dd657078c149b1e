"""A rollback that was confirmed stays watched: the old version coming back is paged and sent again."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, select

from monitor import settings
from monitor.acting import outbox, rollback
from monitor.acting.confirm import acknowledge, confirm
from monitor.acting.relapse import relapsed, reopen
from monitor.clock import ManualClock
from monitor.hooks import Answer
from monitor.store.database import Database
from monitor.store.tables import actions, events, traffic

START = 1_750_000_000.0
SETTINGS = settings.parse(
    {
        "policy": {"cooling": {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6"], "lateness": "1s"}},
        "hook": {"a": {"kind": "command", "command": ["true"]}},
    }
)


@pytest.fixture
def action(database: Database, clock: ManualClock) -> str:
    """A rollback from v7 to v6, confirmed 31 s after the start."""
    with database.begin() as connection:
        rollback.request(
            connection,
            SETTINGS,
            clock,
            "cooling",
            from_version="v7",
            reason="Fell.",
            trigger="t",
            actor="a",
            mode="automatic",
        )
        claim = outbox.claim(connection, clock, "a", 5.0)
        assert claim is not None
        outbox.mark(connection, clock, claim, Answer("delivered", "OK"))
        acknowledge(connection, clock, "cooling", 2, "v6", None, "a")
    serve(database, 0, "v6", "v6", "v6")
    clock.advance(31)
    with database.begin() as connection:
        assert confirm(connection, SETTINGS, clock).confirmed == (claim.id,)
    return claim.id


def serve(database: Database, at: float, *versions: str) -> None:
    rows = [
        {"policy": "cooling", "start": START + at + 10 * index, "version": version, "rows": 10}
        for index, version in enumerate(versions)
    ]
    with database.begin() as connection:
        connection.execute(insert(traffic), rows)


def found(database: Database, clock: ManualClock) -> list[str]:
    with database.read() as connection:
        return relapsed(connection, clock, SETTINGS)


def test_the_old_version_that_decides_again_makes_the_action_unconfirmed_and_pages(
    database: Database, clock: ManualClock, action: str
) -> None:
    serve(database, 40, "v7", "v7", "v7")
    clock.advance(50)
    assert found(database, clock) == [action]
    with database.begin() as connection:
        assert reopen(connection, clock, action)
        assert not reopen(connection, clock, action)
    with database.read() as connection:
        row = connection.execute(select(actions).where(actions.c.id == action)).one()
        pages = connection.execute(select(events.c.body).where(events.c.kind == "page")).scalars().all()
    assert (row.state, row.confirmed, row.real_due) == ("unconfirmed", None, clock.real())
    assert ["v7 of cooling takes decisions again" in json.loads(page)["text"] for page in pages] == [True]
    assert found(database, clock) == []


def test_a_straggler_is_no_relapse(database: Database, clock: ManualClock, action: str) -> None:
    serve(database, 40, "v6", "v7", "v6")
    clock.advance(50)
    assert action
    assert found(database, clock) == []


def test_it_is_confirmed_again_when_the_traffic_moves_again(
    database: Database, clock: ManualClock, action: str
) -> None:
    serve(database, 40, "v7", "v7", "v7")
    clock.advance(50)
    with database.begin() as connection:
        reopen(connection, clock, action)
    serve(database, 90, "v6", "v6", "v6")
    clock.advance(60)
    with database.begin() as connection:
        assert confirm(connection, SETTINGS, clock).confirmed == (action,)
