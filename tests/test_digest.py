"""The digest: what pages nobody, in one message a policy, once for each time it is due."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor.alerting import silences
from monitor.clock import ManualClock
from monitor.notify import digest
from monitor.running.jobs import UPKEEP
from monitor.running.scheduler import Scheduler
from monitor.running.slots import LEASE
from monitor.settings import ConfigurationError, Digest, parse
from monitor.store.database import Database
from monitor.store.tables import notifications
from monitor.tick import Parts
from tests.paged import judged, pages, parts_of
from tests.woken import channel

DAY, HOUR = 86400.0, 3600.0
EIGHT = 1_750_060_800.0  # 2025-06-16 08:00 UTC


def of(parts: Parts, **channels: Any) -> Parts:
    """Give the parts a channel that takes digests, and one that does not."""
    made = {"desk": channel(digest=True), "phone": channel(digest=False), **channels}
    parts.settings = parts.settings.model_copy(update={"notify": made})
    return parts


@pytest.fixture
def parts(database: Database, clock: ManualClock, tmp_path: Path) -> Parts:
    clock.at = EIGHT - HOUR
    return of(parts_of(database, clock, tmp_path))


def sent(parts: Parts) -> list[dict[str, Any]]:
    with parts.database.read() as connection:
        found = connection.execute(select(notifications).order_by(notifications.c.real_requested, notifications.c.id))
        return [{**json.loads(row.body), "channel": row.channel} for row in found]


def written(parts: Parts, at: float) -> list[dict[str, Any]]:
    assert isinstance(parts.clock, ManualClock)
    parts.clock.at = at
    digest.run(parts)
    return sent(parts)


def test_a_warning_pages_nobody_and_is_in_the_next_digest_with_its_counts(parts: Parts) -> None:
    judged(parts, True, "mild", ("inlet", "load"))
    parts.clock.at += 60.0  # type: ignore[attr-defined]
    judged(parts, False, "mild", ("load",))
    assert pages(parts) == []
    (message,) = written(parts, EIGHT)
    assert (message["channel"], message["kind"], message["policy"], message["severity"]) == (
        "desk",
        "digest",
        "p",
        "warn",
    )
    assert message["title"] == "p: 2 fired, 1 resolved, 1 still firing"
    assert message["text"] == (
        "mild, 2 series, under v7 (warn) fired twice, resolved once, and 1 of 2 still fire. The reward fell.\n"
        "Nobody was paged about this."
    )
    assert message["dedup"] == f"digest:p:{int(EIGHT)}"
    assert [one["key"] for one in message["details"]["alerts"]] == ["inlet", "load"]


def test_four_changes_in_half_an_hour_are_pages_first_and_then_the_digest(parts: Parts) -> None:
    for turn in range(8):
        parts.clock.at += 15.0  # type: ignore[attr-defined]
        judged(parts, turn % 2 == 0)
    assert [page["why"] for page in pages(parts)] == ["firing", "flapping"]
    (message,) = written(parts, EIGHT)
    assert message["details"]["flapping"] == 1
    assert "It flaps: 8 changes." in message["text"]
    assert len(pages(parts)) == 2


def test_nothing_happened_no_message(parts: Parts) -> None:
    assert written(parts, EIGHT) == []
    judged(parts, True)  # who was paged knows
    assert written(parts, EIGHT + DAY) == []


def test_what_was_told_is_not_told_again_and_what_still_fires_is(parts: Parts) -> None:
    judged(parts, True, "mild")
    assert len(written(parts, EIGHT)) == 1
    assert len(written(parts, EIGHT + HOUR)) == 1  # the same digest
    second = written(parts, EIGHT + DAY)[1]
    assert second["title"] == "p: 0 fired, 0 resolved, 1 still firing"
    judged(parts, False, "mild")
    assert written(parts, EIGHT + 2 * DAY)[2]["title"] == "p: 0 fired, 1 resolved, 0 still firing"
    assert len(written(parts, EIGHT + 3 * DAY)) == 3


def test_after_days_without_a_worker_one_digest_tells_of_all_of_them(parts: Parts) -> None:
    written(parts, EIGHT)
    for day in range(3):
        parts.clock.at = EIGHT + day * DAY + HOUR  # type: ignore[attr-defined]
        judged(parts, True, "mild")
        judged(parts, False, "mild")
    (message,) = written(parts, EIGHT + 3 * DAY + 2 * HOUR)
    assert message["details"]["fired"] == 3


def test_a_clock_that_is_set_back_repeats_nothing_and_loses_nothing(parts: Parts) -> None:
    judged(parts, True, "mild")
    assert len(written(parts, EIGHT)) == 1
    assert len(written(parts, EIGHT - DAY)) == 1
    judged(parts, False, "mild")  # on record with a time before the first digest
    assert written(parts, EIGHT + DAY)[1]["details"]["resolved"] == 1


def test_several_schedulers_and_a_start_again_write_one(parts: Parts) -> None:
    judged(parts, True, "mild")
    parts.clock.at = EIGHT + 5.0  # type: ignore[attr-defined]
    slot, work = UPKEEP["digest"]
    for owner in ("one", "other", "one started again"):
        Scheduler(parts, owner)._once("digest", partial(slot, parts), partial(work, parts))
    assert len(sent(parts)) == 1


def test_a_worker_that_dies_after_writing_leaves_nothing_to_write_twice(parts: Parts) -> None:
    judged(parts, True, "mild")
    parts.clock.at = EIGHT + 5.0  # type: ignore[attr-defined]
    slot, _work = UPKEEP["digest"]

    def dies() -> None:
        digest.run(parts)
        raise OSError("planted")

    with pytest.raises(OSError, match="planted"):
        Scheduler(parts, "one")._once("digest", partial(slot, parts), dies)
    parts.clock.advance(LEASE + 1.0)  # type: ignore[attr-defined]
    Scheduler(parts, "other")._once("digest", partial(slot, parts), partial(digest.run, parts))
    assert len(sent(parts)) == 1


def test_pages_that_a_silence_muted_are_listed_and_silences_that_end_are_named(parts: Parts) -> None:
    with parts.database.begin() as connection:
        silences.add(
            connection, parts.settings, parts.clock, "p", trigger="low", version="", owner="anna", reason="New probe.",
            until=parts.clock.now() + 2 * HOUR, actor="cli",
        )  # fmt: skip
    judged(parts, True)
    (message,) = written(parts, EIGHT)
    assert "It is silenced until" in message["text"]
    assert "The silence of low by anna ends at 2025-06-16T09:00:00Z: New probe." in message["text"]


def test_dry_runs_are_listed(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    clock.at = EIGHT - HOUR
    parts = of(parts_of(database, clock, tmp_path, trigger={"grave": {"dry_run": True}}))
    judged(parts, True, "grave")
    assert "It is dry run" in written(parts, EIGHT)[0]["text"]


def test_a_channel_of_other_policies_gets_none_and_off_is_off(parts: Parts) -> None:
    judged(parts, True, "mild")
    off = parts.settings.model_copy(update={"digest": Digest(enabled=False)})
    whole, parts.settings = parts.settings, off
    assert written(parts, EIGHT) == []
    other = {"desk": channel(digest=True, policies=("q",))}
    parts.settings = whole.model_copy(update={"notify": other})
    assert written(parts, EIGHT) == []


@pytest.mark.parametrize(
    ("settings", "now", "due"),
    [
        ({}, EIGHT - 1.0, EIGHT - DAY),
        ({}, EIGHT, EIGHT),
        ({"every": "6h"}, EIGHT + 5.9 * HOUR, EIGHT),
        ({"every": "6h"}, EIGHT + 6 * HOUR, EIGHT + 6 * HOUR),
        ({"every": "6h"}, EIGHT - 0.1 * HOUR, EIGHT - 6 * HOUR),
        ({"every": "7d"}, EIGHT + 6.9 * DAY, EIGHT),  # a Monday
        ({"every": "7d"}, EIGHT - 1.0, EIGHT - 7 * DAY),
        ({"at": "20:30", "zone": "Asia/Kolkata"}, EIGHT, EIGHT - 17 * HOUR),
    ],
)
def test_a_digest_is_due_at_a_time_of_day_of_people(settings: dict[str, Any], now: float, due: float) -> None:
    found = parse({"policy": {"p": {"incumbent": "v1"}}, "digest": settings}).digest
    assert found.due(now) == due


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"every": "5h"}, "hours that divide a day"),
        ({"every": "8d"}, "at most"),
        ({"every": "90m"}, "hours"),
        ({"every": "0h"}, "hours"),
        ({"at": "8"}, "digest.at"),
        ({"zone": "Berlin"}, "is not a zone"),
    ],
)
def test_a_digest_that_cannot_be_says_what_to_change(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse({"policy": {"p": {"incumbent": "v1"}}, "digest": wrong})
