"""A silence mutes pages and nothing else: the alert moves, rollbacks go on, and what still fires pages when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dashboard.findings import findings
from monitor import status
from monitor.acting import rollback
from monitor.alerting import silences
from monitor.alerting.silences import LONGEST, SilenceError
from monitor.clock import ManualClock, stamp
from monitor.report import report
from monitor.store.database import Database
from monitor.store.tables import actions, events, routes
from monitor.tick import Parts
from monitor.views.alerts import alerts
from tests.paged import judged, pages, parts_of

HOUR = 3600.0


@pytest.fixture
def parts(database: Database, clock: ManualClock, tmp_path: Path) -> Parts:
    return parts_of(database, clock, tmp_path)


def silence(parts: Parts, seconds: float = HOUR, **changes: Any) -> dict[str, Any]:
    named = {"trigger": "low", "version": "", "owner": "anna", "reason": "The probe is being replaced.", **changes}
    until = parts.clock.now() + seconds
    with parts.database.begin() as connection:
        return silences.add(connection, parts.settings, parts.clock, "p", **named, until=until, actor="cli")


def move(parts: Parts, seconds: float) -> None:
    assert isinstance(parts.clock, ManualClock)
    parts.clock.advance(seconds)


def alert(parts: Parts, trigger: str = "low") -> dict[str, Any]:
    with parts.database.read() as connection:
        found = status.of(connection, parts.settings, parts.clock, "p")["alerts"]
    return next(item for item in found if item["trigger"] == trigger)


def test_a_silenced_alert_fires_and_is_recorded_and_pages_nobody_until_the_silence_is_over(parts: Parts) -> None:
    made = silence(parts)
    judged(parts, True)
    shown = alert(parts)
    assert (shown["state"], shown["shown"]) == ("firing", "page")
    (overlay,) = shown["overlays"]
    end = stamp(parts.clock.now() + HOUR)
    assert overlay["text"] == f"silenced until {end} by anna: The probe is being replaced."
    assert (overlay["kind"], overlay["name"]) == ("silence", str(made["id"]))
    move(parts, HOUR - 1.0)
    judged(parts, None)
    assert pages(parts) == []
    move(parts, 1.0)
    judged(parts, None)
    assert [page["trigger"] for page in pages(parts)] == ["low"]
    assert alert(parts)["overlays"] == []
    judged(parts, None)
    assert len(pages(parts)) == 1


def test_what_paged_before_a_silence_pages_again_after_it(parts: Parts) -> None:
    judged(parts, True)
    made = silence(parts)
    move(parts, 60.0)
    judged(parts, True)
    assert len(pages(parts)) == 1
    with parts.database.begin() as connection:
        assert silences.end(connection, parts.clock, made["id"], "token:bo")
        assert not silences.end(connection, parts.clock, made["id"], "token:bo")
    judged(parts, None)
    assert len(pages(parts)) == 2


def test_what_is_over_when_the_silence_ends_pages_nobody(parts: Parts) -> None:
    silence(parts)
    judged(parts, True)
    move(parts, 60.0)
    judged(parts, False)
    with parts.database.read() as connection:
        (left,) = status.alerts_of(connection, parts.settings, parts.clock, "p", all_states=True)
    assert left["state"] == "resolved"
    move(parts, HOUR)
    judged(parts, None)
    assert pages(parts) == []


@pytest.mark.parametrize(("trigger", "version"), [("mild", ""), ("low", "v6"), ("", "v6")])
def test_a_silence_of_something_else_mutes_nothing(parts: Parts, trigger: str, version: str) -> None:
    silence(parts, trigger=trigger, version=version)
    judged(parts, True)
    assert len(pages(parts)) == 1
    assert alert(parts)["overlays"] == []


def test_a_rollback_and_its_pages_are_never_muted(parts: Parts) -> None:
    silence(parts, trigger="", version="")
    judged(parts, True, "grave")
    with parts.database.read() as connection:
        assert connection.execute(select(routes.c.serving)).scalar_one() == "v6"
        assert connection.execute(select(actions.c.state)).scalar_one() == "delivered"
    assert "a rollback and its pages are never muted" in alert(parts, "grave")["overlays"][0]["text"]
    with parts.database.begin() as connection:  # v6 fires too, and nothing is left
        outcome = rollback.request(
            connection, parts.settings, parts.clock, "p", from_version="v6", reason="Fell.", trigger="hard_constraint",
            actor="checkrein", mode="automatic",
        )  # fmt: skip
    assert outcome.state == "blocked"
    assert [page["why"] for page in pages(parts)] == ["blocked"]


def test_whoever_looks_sees_who_silenced_it_and_why_once(parts: Parts) -> None:
    silence(parts)
    judged(parts, True, keys=("inlet", "load"))
    with parts.database.read() as connection:
        found = alerts(connection, parts.settings, parts.clock)
        told = report({**status.of(connection, parts.settings, parts.clock, "p"), "candidates": []})
    (finding,) = found["open"]
    text = f"◇ silenced until {stamp(parts.clock.now() + HOUR)} by anna: The probe is being replaced."
    assert told.count(text) == 1
    shown = str(findings(found["open"], parts.clock.now(), empty=""))
    assert (shown.count("anna: The probe is being replaced."), shown.count("state-silenced")) == (1, 1)
    assert finding["count"] == 2
    assert [one["kind"] for one in finding["overlays"]] == ["silence"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seconds": LONGEST + 1.0}, "at most 7 days"),
        ({"seconds": 0.0}, "in the future"),
        ({"seconds": float("nan")}, "in the future"),
        ({"seconds": float("inf")}, "at most 7 days"),
        ({"trigger": "lo"}, "did you mean low"),
        ({"owner": " "}, "needs an owner"),
        ({"reason": " a "}, "a reason"),
    ],
)
def test_a_silence_that_cannot_be_says_what_to_change(parts: Parts, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SilenceError, match=said):
        silence(parts, **wrong)
    silence(parts, LONGEST)


def test_who_muted_what_stays_on_record(parts: Parts) -> None:
    made = silence(parts)
    move(parts, 60.0)
    with parts.database.begin() as connection:
        silences.end(connection, parts.clock, made["id"], "token:bo")
        assert silences.listed(connection, parts.clock, "p") == []
        (row,) = silences.listed(connection, parts.clock, "p", every=True)
        kinds = list(connection.execute(select(events.c.kind).order_by(events.c.id)).scalars())
    assert (row["state"], row["ended_by"], row["owner"]) == ("ended", "token:bo", "anna")
    assert kinds[-2:] == ["silence.added", "silence.ended"]


def test_a_silence_is_there_for_a_process_that_starts_later(parts: Parts, clock: ManualClock, tmp_path: Path) -> None:
    silence(parts)
    parts.database.close()  # as after kill -9: nothing but the file is left
    url = parts.database.engine.url.render_as_string(hide_password=False)
    again = parts_of(Database(url), clock, tmp_path)
    judged(again, True)
    assert pages(again) == []
    again.database.close()


@pytest.mark.parametrize(
    ("trigger", "said"), [("grave", "mutes nothing"), ("mild", "pages nobody anyway"), ("low", "")]
)
def test_a_silence_says_what_it_is_good_for(parts: Parts, trigger: str, said: str) -> None:
    assert said in silence(parts, trigger=trigger)["sentence"]
