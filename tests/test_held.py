"""A firing under the version that everything was just rolled back to: a page while it lasts, and over with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from detectors import State, Verdict
from monitor import events, settings, status, tick
from monitor.acting import rollback
from monitor.acting.held import let_go, without_target
from monitor.clock import ManualClock
from monitor.judging.decide import Alert, Change
from monitor.judging.judge import Judgement
from monitor.runtime import build
from monitor.store.database import Database
from monitor.store.tables import actions, alerts
from monitor.store.tables import events as log
from monitor.views.acting import acted

TABLE = {"policy": {"cooling": {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6"]}}}
SETTINGS = settings.parse(TABLE)


def alert(version: str, key: str, state: str = "firing") -> dict[str, Any]:
    named = {"policy": "cooling", "version": version, "trigger": "state_drift", "key": key, "severity": "rollback"}
    return {**named, "state": state, "health": "ok", "since": 1.0, "streak": 0, "judged_until": 2.0, "reason": "Drift."}


@pytest.fixture
def blocked(database: Database, clock: ManualClock) -> Database:
    """v7 was rolled back to v6, and two features drift under v6 as well."""
    with database.begin() as connection:
        connection.execute(insert(alerts), [alert("v6", "inlet"), alert("v6", "outside")])
        for version, trigger in (("v7", "hard_constraint"), ("v6", "state_drift")):
            outcome = rollback.request(
                connection, SETTINGS, clock, "cooling", from_version=version, reason="Drift.", trigger=trigger,
                actor="checkrein", mode="automatic",
            )  # fmt: skip
            if version == "v7":  # the traffic moved, as the decision log showed
                here = update(actions).where(actions.c.id == outcome.actions[0])
                connection.execute(here.values(state="confirmed", confirmed=clock.now()))
    return database


def rows(database: Database, table: Any) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(table)).all())


def test_the_page_says_that_the_fallback_has_the_same_trouble_and_that_nothing_rolls_back(
    blocked: Database, clock: ManualClock
) -> None:
    with blocked.read() as connection:
        assert without_target(connection) == {("cooling", "v6")}
        found = status.of(connection, SETTINGS, clock, "cooling")
        told = acted(connection, "cooling")
    assert found["state"] == "page"
    assert {item["shown"] for item in found["alerts"]} == {"page"}
    (paged,) = [json.loads(row.body) for row in rows(blocked, log) if row.kind == events.PAGE]
    assert "state_drift fires under v6 too, which took over from v7" in paged["text"]
    assert "would not help if the cause is not the policy" in paged["text"]
    assert "No version is left" in told[0]["sentence"] or "No version is left" in told[1]["sentence"]


def test_it_is_over_when_the_last_firing_is_and_not_before(blocked: Database, clock: ManualClock) -> None:
    def resolve(key: str, state: str) -> list[str]:
        with blocked.begin() as connection:
            connection.execute(update(alerts).where(alerts.c.key == key).values(state=state))
            return let_go(connection, clock, "cooling", "v6")

    assert resolve("inlet", "resolved") == []
    assert resolve("outside", "recovering") == []
    (gone,) = resolve("outside", "resolved")
    assert resolve("outside", "resolved") == []
    assert {row.id: row.state for row in rows(blocked, actions)}[gone] == "cancelled"
    (body,) = [json.loads(row.body) for row in rows(blocked, log) if row.kind == "action.cancelled"]
    assert (body["action"], body["from_version"]) == (gone, "v6")
    with blocked.read() as connection:
        assert without_target(connection) == set()
        assert "was left" in next(item["sentence"] for item in acted(connection, "cooling") if item["id"] == gone)


def test_the_pass_that_finds_the_firing_over_ends_the_page(tmp_path: Path, clock: ManualClock) -> None:
    parts = build(settings.parse(TABLE, tmp_path), clock)

    def passed(old: str, new: str, answer: State) -> str:
        now = Alert("cooling", "v6", "state_drift", "inlet", "rollback", state=new)
        verdict = Verdict(answer, 0.5, None, 0.1, 900, "Drift of inlet.")
        where = (now.version, now.trigger, now.key)
        found = Judgement(alerts={where: now}, changes=[Change(now, old, clock.now(), verdict, {})])
        with parts.database.begin() as connection:
            tick._write(connection, parts, "cooling", found, [now])
            return str(status.of(connection, parts.settings, clock, "cooling")["state"])

    with parts.database.begin() as connection:
        first = rollback.request(
            connection, SETTINGS, clock, "cooling", from_version="v7", reason="Fell.", trigger="hard_constraint",
            actor="checkrein", mode="automatic",
        )  # fmt: skip
        connection.execute(update(actions).where(actions.c.id == first.actions[0]).values(state="confirmed"))
    assert passed("pending", "firing", State.FIRE) == "page"
    assert sorted(row.state for row in rows(parts.database, actions)) == ["blocked", "confirmed"]
    passed("firing", "recovering", State.OK)
    assert sorted(row.state for row in rows(parts.database, actions)) == ["blocked", "confirmed"]
    passed("recovering", "resolved", State.OK)
    assert sorted(row.state for row in rows(parts.database, actions)) == ["cancelled", "confirmed"]


def test_a_rollback_that_can_be_sent_is_never_let_go(database: Database, clock: ManualClock) -> None:
    with database.begin() as connection:
        rollback.request(
            connection, SETTINGS, clock, "cooling", from_version="v7", reason="Fell.", trigger="reward_3sigma",
            actor="checkrein", mode="automatic",
        )  # fmt: skip
        assert let_go(connection, clock, "cooling", "v7") == []
    assert {row.state for row in rows(database, actions)} == {"delivered"}
