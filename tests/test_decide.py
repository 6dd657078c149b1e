"""The alert's life: durations, hysteresis, and no resolution by silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detectors import State, Verdict
from monitor.clock import ManualClock
from monitor.judging import decide
from monitor.judging.decide import Alert, Change, step
from monitor.settings import Trigger
from monitor.store.database import Database

TWO_WINDOWS = Trigger.model_validate(
    {"metric": "reward", "detector": "frozen_sigma", "for": "2 windows", "clear": "2 windows", "severity": "rollback"}
)


def run(answers: str, trigger: Trigger = TWO_WINDOWS) -> tuple[Alert, list[Change]]:
    """Step through windows: F fires, O is healthy, N has no data, I too few rows, E fails."""
    states = {"F": State.FIRE, "O": State.OK, "N": State.NO_DATA, "I": State.INSUFFICIENT, "E": State.ERROR}
    alert, changes = Alert("p", "v7", "reward_3sigma", "", "rollback"), []
    for window, letter in enumerate(answers):
        verdict = Verdict(states[letter], 0.0, None, None, 9, letter)
        alert, change = step(alert, verdict, 900.0 * (window + 1), trigger, {})
        changes += [change] if change else []
    return alert, changes


def path(changes: list[Change]) -> list[str]:
    return [change.alert.state for change in changes]


def test_one_bad_window_is_pending_and_two_in_a_row_fire() -> None:
    assert run("F")[0].state == "pending"
    assert path(run("FF")[1]) == ["pending", "firing"]


def test_a_good_window_between_two_bad_ones_starts_the_count_again() -> None:
    assert path(run("FOFOFO")[1]) == ["pending", "inactive"] * 3


def test_a_firing_alert_needs_good_windows_in_a_row_to_resolve() -> None:
    assert path(run("FFOO")[1]) == ["pending", "firing", "recovering", "resolved"]
    assert path(run("FFOF")[1]) == ["pending", "firing", "recovering", "firing"]


def test_an_alert_is_never_resolved_by_absence_of_data() -> None:
    for absent in "NIE":
        alert, changes = run("FF" + absent * 50)
        assert (alert.state, path(changes)) == ("firing", ["pending", "firing"])
        assert alert.health == {"N": "no_data", "I": "insufficient", "E": "error"}[absent]


def test_a_resolved_alert_fires_again() -> None:
    assert path(run("FFOOFF")[1])[-2:] == ["pending", "firing"]


def test_a_trigger_for_one_window_fires_at_once() -> None:
    at_once = TWO_WINDOWS.model_copy(update={"for_": 1})
    assert path(run("F", at_once)[1]) == ["firing"]


def test_every_window_moves_judged_until() -> None:
    alert, _ = run("FONIE")
    assert alert.judged_until == 5 * 900.0


def test_an_alert_that_moved_while_it_was_judged_is_not_written_over(database: Database, clock: ManualClock) -> None:
    mine = Alert("p", "v7", "reward_3sigma", "", "rollback", since=1.0)
    theirs = replace(mine, trigger="hard_constraint")
    with database.begin() as connection:
        decide.save(connection, clock, [mine, theirs], [])
        seen = decide.load(connection, "p")
        decide.save(connection, clock, [replace(theirs, state="firing")], [])
        judged = [replace(mine, judged_until=60.0), theirs]  # as it was read: nothing of it to write
        assert decide.changed(connection, "p", seen, judged) == judged[:1]
        with pytest.raises(decide.OvertakenError, match="hard_constraint of p moved"):
            decide.changed(connection, "p", seen, [replace(theirs, judged_until=60.0)])
