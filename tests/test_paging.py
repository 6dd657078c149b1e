"""Who is woken for an alert: firings of severity page, once each, in the transaction that moves the alert."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from monitor.alerting import silences
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import notices, transitions
from monitor.tick import Parts
from tests.paged import judged, pages, parts_of


@pytest.fixture
def parts(database: Database, clock: ManualClock, tmp_path: Path) -> Parts:
    return parts_of(database, clock, tmp_path)


def later(parts: Parts, seconds: float, bad: bool | None = None) -> int:
    """Move the clock, run a pass that judges this window (None: no window), and count the pages so far."""
    assert isinstance(parts.clock, ManualClock)
    parts.clock.advance(seconds)
    judged(parts, bad)
    return len(pages(parts))


def test_a_firing_of_severity_page_pages_once_however_long_it_lasts(parts: Parts) -> None:
    assert later(parts, 0.0, bad=False) == 0
    assert later(parts, 60.0, bad=True) == 1
    (page,) = pages(parts)
    assert page["text"] == "low fires for p under v7: The reward fell."
    assert (page["trigger"], page["version"], page["keys"], page["why"]) == ("low", "v7", [""], "firing")
    assert later(parts, 60.0, bad=True) == 1
    assert later(parts, 86400.0, bad=True) == 1
    assert later(parts, 60.0) == 1


def test_a_trouble_that_comes_back_is_news_after_half_an_hour_and_before_that_only_if_it_lasts(parts: Parts) -> None:
    assert later(parts, 0.0, bad=True) == 1
    assert later(parts, 60.0, bad=False) == 1
    assert later(parts, 60.0, bad=True) == 1  # whoever was woken is on it
    assert later(parts, 1680.0 - 1.0, bad=True) == 1
    assert later(parts, 1.0) == 2  # still: 30 minutes after the first page
    assert later(parts, 60.0, bad=False) == 2
    assert later(parts, 3600.0, bad=True) == 3


def test_severities_that_wake_nobody_page_nobody(parts: Parts) -> None:
    judged(parts, True, "mild")
    assert pages(parts) == []
    judged(parts, True, "grave")  # the route moves; its actions page about themselves where they do not arrive
    assert pages(parts) == []


def test_series_of_one_trigger_that_fire_together_are_one_page(parts: Parts) -> None:
    judged(parts, True, keys=("inlet", "load", "outside"))
    (page,) = pages(parts)
    assert page["keys"] == ["inlet", "load", "outside"]
    assert page["text"].startswith("low inlet and 2 more series fires for p under v7")


def test_the_page_and_the_transition_are_one_transaction(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(OSError, match="planted"):
        patch.setattr("monitor.alerting.paging.upsert", lambda *_: (_ for _ in ()).throw(OSError("planted")))
        judged(parts, True)
    with parts.database.read() as connection:
        assert connection.execute(select(transitions)).all() == []
        assert connection.execute(select(notices)).all() == []
    assert pages(parts) == []
    judged(parts, True)
    assert len(pages(parts)) == 1


def test_what_a_trigger_left_firing_when_it_was_switched_off_wakes_nobody(
    parts: Parts, database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    with database.begin() as connection:
        until = clock.now() + 60.0
        silences.add(
            connection, parts.settings, clock, "p",
            trigger="", version="", owner="anna", reason="Known.", until=until, actor="cli",
        )  # fmt: skip
    judged(parts, True)
    clock.advance(60.0)
    judged(parts_of(database, clock, tmp_path, trigger={"low": {"enabled": False}}), None)
    assert pages(parts) == []
    judged(parts, None)
    assert len(pages(parts)) == 1
