"""A real firing gets its explanation: right for what was planted, the same again, and never in a rollback's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor.clock import ManualClock, SpedClock
from monitor.events import canonical
from monitor.running.scheduler import Scheduler
from monitor.store.tables import actions, explanations, transitions
from monitor.tick import Parts
from monitor.why import job
from monitor.why.case import waiting
from monitor.why.explain import explain
from tests.firings import FAULT, JUDGED, faulty, fired, healthy_at, log, opened, send_all
from tests.passes import BASE, DAY, pass_at, put


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return healthy_at(tmp_path_factory.mktemp("healthy"))


@pytest.fixture
def site(healthy: Path, tmp_path: Path) -> Callable[..., Parts]:
    return partial(faulty, healthy, tmp_path / "site")


def lost(parts: Parts) -> None:
    """Make the baseline's files in the lake unreadable."""
    for path in sorted(parts.landing.lake.root.rglob("*.parquet")):
        if path.stat().st_size:
            path.write_bytes(b"not a parquet file")


@pytest.mark.parametrize(
    ("fault", "reason", "said", "back"),
    [
        ("pays", "environment", "It came mostly from the environment", "v6 falls too (-0."),
        ("states", "state_mix", "It came mostly from other states", "v6 falls too (-0."),
        ("actions", "action_mix", "It came mostly from other actions", "v6 is expected to earn +0."),
        ("far", "not_attributable", "outside what the baseline saw, by load", "v6 falls too (-3."),
    ],
)
def test_each_planted_fault_is_told_for_its_firing(
    site: Callable[..., Parts], fault: str, reason: str, said: str, back: str
) -> None:
    found = fired(site(fault))
    assert found["state"] == "told"
    assert found["parts"][reason]["value"] / found["change"]["value"] > 0.9
    assert said in found["why"]
    assert found["help"].startswith(back)
    if fault in {"pays", "states"}:
        assert "consider the fallback rule" in found["help"]
    assert found["case"]["end"] - found["case"]["begin"] == 1800.0  # two windows in a row
    assert found["sampled"]["window"] == 180


def test_the_concurrent_incumbent_speaks_before_any_weights(site: Callable[..., Parts]) -> None:
    found = fired(site("pays", log(FAULT, 1.0, "", "v6", seed=5)))
    assert found["comparisons"][0]["method"] == "concurrent"
    assert found["help"].startswith("v6 is expected to earn +0.")
    assert "it acts in the same windows" in found["help"]


def test_a_segment_is_told_apart(site: Callable[..., Parts]) -> None:
    found = fired(site("north"))
    first, second = found["segments"]  # of two triggers that fired over other windows, both have the same order
    assert (first["segment"], first["level"]) == ("site", "south")
    assert abs(first["parts"]["environment"]["value"]) > 0.6
    assert abs(second["change"]["value"]) < 0.15


def test_an_explanation_is_computed_again_to_the_bit(site: Callable[..., Parts]) -> None:
    parts = site("states")
    with parts.database.read() as connection:
        cases = waiting(connection, parts.settings, "p", parts.clock.now())
    assert fired(parts)["state"] == "told"
    again = opened(parts.settings.base, ManualClock(JUDGED))
    again.landing.compact("p", BASE + DAY)  # other files, the same rows
    with again.database.read() as connection:
        stored = {row.transition: row for row in connection.execute(select(explanations))}
        case = cases[0]
        body = canonical(explain(connection, again.landing.lake, again.settings, case))
    assert stored[case.transition].body == body
    assert len(stored) == len(cases)


def test_two_workers_write_one_explanation_a_firing(site: Callable[..., Parts]) -> None:
    parts = site("pays")
    send_all(parts)
    other = opened(parts.settings.base, ManualClock(JUDGED))
    wrote: list[int] = []
    workers = [
        threading.Thread(target=lambda p=p, name=name: wrote.append(job.run(p, "p", name)))
        for p, name in ((parts, "one"), (other, "two"))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while job.run(parts, "p", "one"):
        pass
    with parts.database.read() as connection:
        firings = connection.execute(
            select(transitions.c.id).where(transitions.c.new == "firing", transitions.c.old != "recovering")
        ).all()
        assert len(connection.execute(select(explanations)).all()) == len(firings) > 0


def test_a_rollback_that_waits_to_be_sent_goes_first(site: Callable[..., Parts]) -> None:
    parts = site("pays", hook={"serving": {"kind": "command", "command": ["true"]}})
    with parts.database.read() as connection:
        assert connection.execute(select(actions.c.state)).scalars().all() == ["pending"]
    assert job.run(parts, "p", "one") == 0
    send_all(parts)
    assert job.run(parts, "p", "one") > 0


def test_a_broken_explanation_is_a_note_and_the_rollback_is_delivered(site: Callable[..., Parts]) -> None:
    hook = {"serving": {"kind": "command", "command": ["true"]}}
    parts = site("pays", hook=hook)
    lost(parts)
    parts.database.close()
    running = Scheduler(opened(parts.settings.base, SpedClock(JUDGED + 1.0, 1.0, time.time()), hook=hook), "one")
    running.start()
    try:
        deadline, pause = time.monotonic() + 120.0, threading.Event()
        while time.monotonic() < deadline:
            with running.parts.database.read() as connection:
                sent = connection.execute(select(actions.c.state, actions.c.attempts)).all()
                notes = connection.execute(select(explanations)).all()
            if notes and sent[0].state == "delivered":
                break
            pause.wait(0.05)
    finally:
        running.stop()
    assert [(row.state, row.attempts) for row in sent] == [("delivered", 1)]
    assert {row.state for row in notes} == {"failed"}
    assert notes[0].why.startswith("It cannot be said why it moved: ")
    assert "arquet" in notes[0].why


def test_what_cannot_be_told_says_why(tmp_path: Path) -> None:
    parts = opened(tmp_path)
    put(parts, log(FAULT, 0.5))
    pass_at(parts, JUDGED)
    with parts.database.begin() as connection:
        row: dict[str, Any] = {
            "policy": "p",
            "version": "v7",
            "trigger": "hard_constraint",
            "key": "melt",
            "old": "inactive",
        }
        row |= {"new": "firing", "severity": "rollback", "at": FAULT + 600, "created": JUDGED, "real_created": JUDGED}
        connection.execute(transitions.insert().values(**row, evidence='{"ts":1}'))
    found = fired(parts, "hard_constraint")
    assert found["state"] == "failed"
    assert found["why"] == (
        "It cannot be said why it moved: no baseline was frozen when it fired: there is nothing to compare with."
    )
