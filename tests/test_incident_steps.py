"""What people follow and what they did: the frozen runbook with its clocks, notes, follow-ups, the timeline."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from monitor import incidents, views
from monitor.clock import ManualClock, stamp
from monitor.store.database import Database
from monitor.store.tables import incident_steps
from tests.woken import House

SHIPPED = (Path(__file__).parents[1] / "runbooks/alerts/reward_3sigma.md").read_text("utf-8")


@pytest.fixture
def house(database: Database, clock: ManualClock, tmp_path: Path) -> House:
    folder = tmp_path / "runbooks/alerts"
    folder.mkdir(parents=True)
    (folder / "low.md").write_text(SHIPPED.replace("reward_3sigma firing for", "{reason} Fires for"), "utf-8")
    (folder / "grave.md").write_text(SHIPPED, "utf-8")
    return House(database, clock, tmp_path)


def states(house: House) -> list[str]:
    return [step.state for step in house.steps()]


def do(house: House, number: int, *, skip: bool = False) -> bool:
    with house.database.begin() as connection:
        return incidents.take_step(connection, house.clock, 1, number, "anna", skip=skip)


def test_the_page_is_frozen_with_what_was_measured_and_hashed(house: House, tmp_path: Path) -> None:
    house.fire()
    first, *rest = house.steps()
    assert (first.trigger, first.kind, first.text, first.within) == ("low", "evidence", "checkrein status p", 120.0)
    assert first.expect.startswith("The reward fell. Fires for v7")
    assert first.evidence_sha256 == hashlib.sha256(first.evidence.encode()).hexdigest()
    assert '"value":' in first.evidence or '"statistic":0.1' in first.evidence
    assert {step.evidence for step in rest} == {None}
    (tmp_path / "runbooks/alerts/low.md").write_text(SHIPPED.replace("checkrein status", "look at"), "utf-8")
    house.go(60.0)
    house.fire(bad=False)
    house.go(1900.0)
    house.go(1800.0)
    house.fire()
    old, new = ([step for step in house.steps() if step.incident == number] for number in (1, 2))
    assert old[0].text == "checkrein status p"
    assert new[0].text == "look at p"
    assert new[0].page_sha256 != old[0].page_sha256


def test_each_trigger_of_an_incident_brings_its_page_once(house: House) -> None:
    house.fire()
    house.fire("grave")
    house.fire()
    assert [(step.number, step.trigger) for step in house.steps()] == [
        *((number, "low") for number in range(1, 7)),
        *((number, "grave") for number in range(7, 13)),
    ]


def test_a_step_that_is_not_done_in_time_says_what_then_and_the_next_one_begins(house: House) -> None:
    house.fire()
    real = house.clock.real()
    assert [step.real_deadline for step in house.steps()] == [real + 120.0, *[None] * 5]
    house.go(120.0)
    assert states(house) == ["timed_out", *["pending"] * 5]
    assert house.steps()[1].real_deadline == house.clock.real() + 600.0
    with house.database.read() as connection:
        found = views.incident(connection, 1)
    assert found is not None
    (said,) = [entry["text"] for entry in found["timeline"] if entry["kind"] == "incident.step"]
    assert said.endswith("Then: act as if the alarm were right")
    assert do(house, 1), "late is better than never"
    assert house.steps()[1].real_deadline == house.clock.real() + 600.0, "the running clock goes on"


def test_steps_are_done_or_skipped_once(house: House) -> None:
    house.fire()
    assert do(house, 1)
    assert not do(house, 1, skip=True)
    assert do(house, 2, skip=True)
    assert states(house)[:3] == ["done", "skipped", "pending"]
    assert house.steps()[2].real_deadline == house.clock.real() + 300.0
    with pytest.raises(incidents.IncidentError, match="has no step 40"):
        do(house, 40)


def test_a_clock_that_is_set_back_keeps_no_step_waiting(house: House) -> None:
    house.fire()
    house.go(-3600.0)
    assert states(house)[0] == "timed_out"


def test_what_is_mitigated_has_no_clocks(house: House) -> None:
    house.fire()
    house.fire(bad=False)
    house.go(1000.0)
    assert states(house) == ["pending"] * 6


def test_notes_and_follow_ups_have_names_and_times(house: House) -> None:
    house.fire()
    at = house.clock.now()
    with house.database.begin() as connection:
        assert incidents.note(connection, house.clock, 1, "anna", " The probe is wet. ")
        assert not incidents.note(connection, house.clock, 9, "anna", "Nothing.")
        made = incidents.follow_up(connection, house.clock, 1, "anna", "Seal the probe.", "bo", at + 86400.0)
        assert made == 1
        assert not incidents.follow_up_done(connection, house.clock, 2, 1, "bo")
        for text, due in (("", None), ("Late.", at), ("Later.", at + 1e9)):
            with pytest.raises(incidents.IncidentError):
                incidents.follow_up(connection, house.clock, 1, "anna", text, "bo", due)
    house.clock.advance(3600.0)
    with house.database.begin() as connection:
        assert incidents.follow_up_done(connection, house.clock, 1, 1, "bo")
        assert not incidents.follow_up_done(connection, house.clock, 1, 1, "bo")
        found = views.incident(connection, 1)
    assert found is not None
    assert [(note["author"], note["text"], note["at"]) for note in found["notes"]] == [
        ("anna", "The probe is wet.", stamp(at))
    ]
    (task,) = found["follow_ups"]
    assert (task["owner"], task["due"], task["done"], task["done_by"]) == (
        "bo", stamp(at + 86400.0), stamp(at + 3600.0), "bo",
    )  # fmt: skip


def test_the_timeline_is_what_happened_in_order(house: House) -> None:
    house.fire("grave")
    house.ack()
    house.confirm()
    house.go(1800.0)
    with house.database.read() as connection:
        found = views.incident(connection, 1)
        assert views.incident(connection, 2) is None
    assert found is not None
    kinds = [entry["kind"] for entry in found["timeline"] if entry["kind"] != "incident.step"]
    assert kinds == [
        "transition", "incident.opened", "rollback.requested", "incident.escalated", "incident.acknowledged",
        "notification", "notification", "action.confirmed", "transition", "incident.mitigated",
        "incident.resolved", "incident.closed", "notification",
    ]  # fmt: skip
    assert all(entry["text"].rstrip().endswith((".", "!")) for entry in found["timeline"]), found["timeline"]
    assert [entry["at"] for entry in found["timeline"]] == sorted(entry["at"] for entry in found["timeline"])


def test_the_timeline_has_what_happened_after_the_clock_was_set_back_and_after_the_end(house: House) -> None:
    house.fire()
    house.clock.at -= 86400.0
    house.go()
    house.ack()
    house.clock.at += 86400.0
    house.fire(bad=False)
    house.go(1800.0)
    assert house.one.state == "closed"
    house.clock.advance(60.0)
    with house.database.begin() as connection:
        incidents.note(connection, house.clock, 1, "anna", "It was the probe.")
    with house.database.read() as connection:
        found = views.incident(connection, 1)
    assert found is not None
    kinds = [entry["kind"] for entry in found["timeline"]]
    assert "incident.acknowledged" in kinds
    assert kinds[-1] == "incident.note"


def test_a_page_that_cannot_be_read_leaves_no_steps(house: House, tmp_path: Path) -> None:
    (tmp_path / "runbooks/alerts/low.md").write_text("nothing", "utf-8")
    house.fire()
    assert house.rows(incident_steps, "number") == []
    assert house.sent("page")
