"""A drill of a trigger: the fault is found, the rollback confirmed, and nothing of the policy's own is touched."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from monitor import events as events_module
from monitor import views
from monitor.api.exposition import exposition
from monitor.checklists import watching
from monitor.checklists.gather import span_of
from monitor.clock import ManualClock
from monitor.drill import kept
from monitor.drill.kill import drill_kill
from monitor.drill.perform import drill
from monitor.drill.receiver import Loopback
from monitor.drill.site import PREFIX, workspace
from monitor.drill.steps import State, Steps
from monitor.settings import ConfigurationError, Drill, parse
from monitor.store.tables import drills, events, notifications
from monitor.tick import Parts
from tests.drilled import DAY, held, steps, world

ROLLBACKS = (
    "reward_3sigma",
    "hard_constraint",
    *(pytest.param(name, marks=pytest.mark.full) for name in ("reward_slow", "violation_budget", "state_drift")),
)  # and irreversible_action, below


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let drills make their directories where no other test's are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return world(tmp_path_factory.mktemp("drill"))


@pytest.fixture(scope="module")
def found(parts: Parts) -> dict[str, Any]:
    """Drill a trigger once, for all tests of what is kept of it."""
    return drill(parts, "p", "irreversible_action", by="ada", wait=advance(parts))


def changed(parts: Parts, trigger: str, **values: Any) -> Parts:
    """Return the same parts under another configuration of one trigger."""
    rules = {**parts.settings.trigger, trigger: parts.settings.trigger[trigger].model_copy(update=values)}
    settings = parts.settings.model_copy(update={"trigger": rules})
    return Parts(settings, parts.database, parts.clock, parts.landing)


def pages(parts: Parts) -> int:
    with parts.database.read() as connection:
        return len(connection.execute(select(events.c.id).where(events.c.kind == events_module.PAGE)).all())


def advance(parts: Parts) -> Any:
    assert isinstance(parts.clock, ManualClock)
    return parts.clock.advance


@pytest.mark.parametrize("trigger", ROLLBACKS)
def test_every_rollback_trigger_fires_on_its_fault_and_its_rollback_is_confirmed(parts: Parts, trigger: str) -> None:
    before = held(parts)
    found = drill(parts, "p", trigger, by="ada", wait=advance(parts))
    assert found["state"] == "passed", found["sentence"]
    expected = ["healthy", "fault", "judged", "fired", "paged", "requested", "attempted", "delivered", "acknowledged"]
    assert [step["step"] for step in found["steps"]] == [*expected, "confirmed", "incident"]
    assert (found["version"], found["to_version"]) == ("v7", "v6")
    assert held(parts) == before
    assert not list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*/drill.db"))


def test_a_drill_is_kept_as_evidence_with_its_digest_and_an_event(parts: Parts, found: dict[str, Any]) -> None:
    with parts.database.read() as connection:
        ended = connection.execute(select(events.c.body).where(events.c.kind == kept.ENDED)).scalars()
        assert found["sha256"] in [json.loads(body)["sha256"] for body in ended]
        assert found["id"] in [row["id"] for row in views.drills(connection, "p")]
        shown = views.drill(connection, found["id"])
        assert shown is not None
        assert shown["intact"]
        assert shown["steps"] == found["steps"]
        line = 'checkrein_drill_age_seconds{policy="p",trigger="irreversible_action"} '
        assert line in exposition(connection, parts.settings, parts.clock)


def test_a_stored_drill_that_was_changed_afterwards_proves_nothing(parts: Parts, found: dict[str, Any]) -> None:
    mine = update(drills).where(drills.c.id == found["id"])
    with parts.database.begin() as connection:
        connection.execute(mine.values(by="eve"))
        assert ("p", "irreversible_action") not in kept.newest_passed(connection)
        connection.execute(mine.values(by="ada"))
        assert ("p", "irreversible_action") in kept.newest_passed(connection)


def test_only_the_recipients_of_drills_hear_of_one_and_are_told_that_it_is_one(parts: Parts) -> None:
    before = pages(parts)
    drill(parts, "p", "hard_constraint", by="ada", wait=advance(parts))
    with parts.database.read() as connection:
        rows = connection.execute(select(notifications)).all()
    assert {row.channel for row in rows} == {"oncall"}
    assert all(row.drill for row in rows)
    assert all(json.loads(row.body)["title"].startswith("[DRILL]") for row in rows)
    assert pages(parts) == before


@pytest.mark.full
def test_a_threshold_that_nothing_passes_fails_the_drill(parts: Parts) -> None:
    absurd = changed(parts, "reward_3sigma", min_effect="100000%")
    found = drill(absurd, "p", "reward_3sigma", by="ada", wait=advance(parts))
    assert (found["state"], steps(found)["fired"]) == ("failed", "failed"), found["sentence"]
    assert "did not fire in 12 windows" in found["sentence"]


def test_a_trigger_that_is_off_cannot_be_drilled(parts: Parts) -> None:
    off = changed(parts, "reward_3sigma", enabled=False)
    found = drill(off, "p", "reward_3sigma", by="ada")
    assert found["state"] == "insufficient"
    assert "is switched off for p" in found["sentence"]
    found = drill(changed(parts, "reward_3sigma", dry_run=True), "p", "reward_3sigma", by="ada")
    assert (found["state"], "is a dry run: it would do nothing" in found["sentence"]) == ("insufficient", True)
    with pytest.raises(ConfigurationError, match="no detector 'sigma'"):
        drill(changed(parts, "reward_3sigma", detector="sigma"), "p", "reward_3sigma", by="ada")


def test_a_receiver_that_answers_200_and_does_nothing_is_unconfirmed(parts: Parts) -> None:
    deaf = Loopback(parts.clock, obeys=False)
    settings = parts.settings.model_copy(update={"drill": Drill.model_validate({"rollback_within": "3s"})})
    hasty = Parts(settings, parts.database, parts.clock, parts.landing)
    found = drill(hasty, "p", "hard_constraint", by="ada", serving=deaf, wait=advance(parts))
    assert found["state"] == "failed"
    assert steps(found)["delivered"] == "passed"
    assert "Unconfirmed" in found["sentence"]


def test_a_recipient_of_drills_that_is_not_configured_is_refused(tmp_path: Path) -> None:
    settings = {"policy": {"p": {"incumbent": "v6"}}, "drill": {"notify": ["drils"]}}
    with pytest.raises(ConfigurationError, match=r"drill.notify: there is no \[notify.drils\]; did you mean drills"):
        parse({**settings, "notify": {"drills": {"urls": ["env:X"]}}}, tmp_path)
    with pytest.raises(ConfigurationError, match=r"drill.notify: there is no \[notify.drils\]"):
        parse(settings, tmp_path)


def test_a_drill_that_says_nothing_of_an_unknown_name_is_refused(parts: Parts) -> None:
    with pytest.raises(ConfigurationError, match="no trigger 'reward'"):
        drill(parts, "p", "reward", by="ada")
    with pytest.raises(ConfigurationError, match="no policy 'q'"):
        drill(parts, "q", "reward_3sigma", by="ada")
    with pytest.raises(ConfigurationError, match="no hook is configured"):
        drill(parts, "p", "reward_3sigma", by="ada", receiver="hook:serving")


def test_the_kill_switch_works_with_the_database_and_without_it(parts: Parts) -> None:
    before = held(parts)
    found = drill_kill(parts, "p", by="ada", wait=advance(parts))
    assert found["state"] == "passed", found["sentence"]
    assert {"confirmed", "database_stopped", "break_glass", "replayed"} <= set(steps(found))
    assert found["trigger"] == "kill"
    assert held(parts) == before


@pytest.mark.usefixtures("found")
def test_a_drill_counts_for_the_settings_that_were_drilled_and_until_it_is_overdue(parts: Parts) -> None:
    with parts.database.read() as connection:
        passed = kept.newest_passed(connection, "p")["p", "irreversible_action"]
        rule = parts.settings.triggers("p")["irreversible_action"]
        assert passed.parameters == kept.digest(rule)
        assert passed.parameters != kept.digest(rule.model_copy(update={"for_": 7}))
        due = [one["trigger"] for one in kept.overdue(connection, parts.settings, parts.clock, "p")]
        assert "irreversible_action" not in due
        later = ManualClock(parts.clock.now() + 31 * DAY)
        late = kept.overdue(connection, parts.settings, later, "p")
    sentence = "irreversible_action of p was last drilled 31 days ago; due every 30 days."
    assert sentence in [one["sentence"] for one in late]


def test_a_drill_that_failed_takes_back_what_an_older_one_proved_and_one_that_shows_nothing_does_not(
    parts: Parts,
) -> None:
    def ended(state: State) -> tuple[bool, list[str]]:
        now, steps = parts.clock.now(), Steps()
        steps.add("fired", state, f"It {state}.")
        begun = kept.Begun("p", "irreversible_action", "v7", "builtin", "ada", now, now)
        rule = parts.settings.trigger["irreversible_action"]
        with parts.database.begin() as connection:
            kept.write(connection, parts.settings, parts.clock, begun, steps, to_version="", seconds=None, trigger=rule)
            proven = ("p", "irreversible_action") in kept.newest_passed(connection)
            late = kept.overdue(connection, parts.settings, parts.clock, "p")
        return proven, [one["sentence"] for one in late if one["trigger"] == "irreversible_action"]

    said = "The drill of irreversible_action for p failed: It failed. Repair it and drill it again."
    assert [ended("passed"), ended("insufficient"), ended("failed"), ended("insufficient"), ended("passed")] == [
        (True, []),
        (True, []),
        (False, [said]),
        (False, [said]),
        (True, []),
    ]


@pytest.mark.usefixtures("found")
def test_a_passed_drill_is_the_proof_that_the_checklist_asks_for(parts: Parts) -> None:
    def proofs(these: Parts) -> tuple[float, ...]:
        with these.database.read() as connection:
            span = span_of(connection, these.settings, "p", None)
            found = watching.gather(connection, span, these.clock)["triggers"]
        return next(tuple(one.drills) for one in found if one.name == "irreversible_action")

    assert proofs(parts) == (0.0,)
    assert proofs(changed(parts, "irreversible_action", clear=9)) == ()


def test_what_a_killed_drill_left_is_removed_by_the_next_one_and_a_running_one_is_left_alone() -> None:
    dead = Path(tempfile.mkdtemp(prefix=PREFIX))
    (dead / "lock").touch()
    (dead / "drill.db").write_bytes(b"left")
    with workspace() as first:
        assert not dead.exists()
        with workspace() as second:
            assert first.exists()
        assert not second.exists()
    assert not first.exists()
