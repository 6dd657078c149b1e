"""One pass, from files to a rollback: judged once, in order, and only what is mature."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from detectors import DETECTORS
from monitor.bucketing.baseline import freeze
from monitor.landing.pull import pull
from monitor.store.tables import actions, alerts, events, routes, transitions, verdicts
from monitor.tick import Parts, tick, tick_events
from tests.passes import BASE, DAY, HOUR, START, WINDOW, land_baseline, log, parts_at, pass_at, put, rows, states

Make = Callable[..., Parts]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a frozen baseline, to be copied: copying is faster than landing and freezing."""
    folder = tmp_path_factory.mktemp("healthy")
    parts = parts_at(folder)
    land_baseline(parts)
    parts.database.close()
    return folder


@pytest.fixture
def make(tmp_path: Path, healthy: Path) -> Make:
    """Return a builder of parts, with four days of healthy baseline whose log file is gone already."""

    def build_parts(*, baseline: bool = True, **policy: Any) -> Parts:
        if baseline and not policy:
            shutil.copytree(healthy, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("logs"))
            return parts_at(tmp_path)
        parts = parts_at(tmp_path, **policy)
        if baseline:
            land_baseline(parts)
        return parts

    return build_parts


def test_a_fall_of_the_reward_rolls_back_after_two_windows(make: Make) -> None:
    parts = make()
    put(parts, log(BASE, 2))
    put(parts, log(BASE + 2 * HOUR, 1, reward=0.6))
    done = tick(parts, "p", BASE + 3 * HOUR + 60)
    moved = [(c.alert.trigger, c.alert.state, c.at) for c in done.changes if c.alert.trigger == "reward_3sigma"]
    fell = BASE + 2 * HOUR
    assert moved == [("reward_3sigma", "pending", fell + WINDOW), ("reward_3sigma", "firing", fell + 2 * WINDOW)]
    assert rows(parts, routes, "serving", "generation") == [("v6", 2)]
    assert rows(parts, actions, "from_version", "to_version", "trigger", "generation") == [
        ("v7", "v6", "reward_3sigma", 2)
    ]


def test_a_healthy_day_changes_nothing_that_acts(make: Make) -> None:
    parts = make()
    put(parts, log(BASE, 24, seed=5))
    done = tick(parts, "p", BASE + DAY + 60)
    assert not [change for change in done.changes if change.alert.severity != "warn"]
    assert rows(parts, actions, "id") == []
    assert states(parts, "reward_3sigma") == ["ok"] * 96


def test_many_small_passes_and_a_single_one_judge_alike(make: Make, tmp_path: Path) -> None:
    table = pa.concat_tables([log(BASE, 3), log(BASE + 3 * HOUR, 2, reward=0.7)])
    kept = ("version", "trigger", "key", "start", "state", "statistic", "n", "reason")
    changed = ("trigger", "key", "version", "old", "new", "at")
    together = make()
    put(together, table)
    tick(together, "p", BASE + 5 * HOUR + 60)
    at_once, moved_at_once = rows(together, verdicts, *kept), rows(together, transitions, *changed)
    (tmp_path / "checkrein.db").rename(tmp_path / "together.db")
    for path in (tmp_path / "logs").iterdir():
        path.unlink()
    apart = make()
    for step in range(20):
        begin = step * 90
        put(apart, table.slice(begin, 90))
        tick(apart, "p", BASE + (step + 1) * WINDOW + 60)
    assert rows(apart, verdicts, *kept) == at_once
    assert rows(apart, transitions, *changed) == moved_at_once
    assert len(at_once) > 100


def test_a_window_is_judged_once_and_late_rows_never_judge_it_again(make: Make) -> None:
    parts = make()
    table = log(BASE, 1)
    put(parts, table.filter(pa.array(np.arange(360) % 2 == 0)))
    tick(parts, "p", BASE + HOUR + 60)
    before = rows(parts, verdicts, "trigger", "key", "start", "state", "n", "value")
    put(parts, table.filter(pa.array(np.arange(360) % 2 == 1)))
    assert tick(parts, "p", BASE + HOUR + 60).pulled.late == 180
    assert rows(parts, verdicts, "trigger", "key", "start", "state", "n", "value") == before


def test_a_window_waits_for_the_reward_horizon(make: Make) -> None:
    parts = make(reward_horizon="2h")
    put(parts, log(BASE, 3))
    for age, mature in ((HOUR, 0), (2 * HOUR + WINDOW + 59, 0), (2 * HOUR + WINDOW + 60, 1), (5 * HOUR + 60, 12)):
        tick(parts, "p", BASE + age)
        assert len(states(parts, "reward_3sigma")) == mature


def test_one_hard_violation_rolls_back_without_waiting_for_a_window(make: Make) -> None:
    parts = make()
    cost = np.zeros(6)
    cost[3] = 0.001
    put(parts, log(BASE, 1 / 60, {"cost.melt": cost}))
    tick(parts, "p", BASE + 60)
    assert len(tick_events(parts, "p")) == 1
    assert rows(parts, actions, "trigger", "to_version") == [("hard_constraint", "v6")]
    assert tick_events(parts, "p") == ()


def test_an_irreversible_action_without_approval_rolls_back_and_one_with_it_does_not(make: Make) -> None:
    parts = make()
    flags: dict[str, Any] = {
        "irreversible": [False, True, False, False, False, False],
        "override": [None, "ana", None, None, None, None],
    }
    put(parts, log(BASE, 1 / 60, flags))
    tick(parts, "p", BASE + 60)
    assert tick_events(parts, "p") == ()
    put(parts, log(BASE + 60, 1 / 60, flags | {"override": [None] * 6}))
    tick(parts, "p", BASE + 120)
    assert len(tick_events(parts, "p")) == 1
    assert rows(parts, actions, "trigger") == [("irreversible_action",)]


def test_imported_history_acts_on_nothing(make: Make) -> None:
    parts = make(baseline=False)
    put(parts, log(START, 1, {"cost.melt": np.ones(360)}))
    tick(parts, "p", BASE)
    assert tick_events(parts, "p") == ()
    freeze(parts, "p", START, START + HOUR, "test")
    assert rows(parts, actions, "id") == []


def test_a_violation_that_lands_before_the_first_pass_acts(make: Make) -> None:
    parts = make(baseline=False)
    put(parts, log(BASE + 10 * DAY, 1 / 60, {"cost.melt": np.ones(6)}))
    pull(parts.settings, parts.database, parts.landing, "p")
    assert len(tick_events(parts, "p")) == 1


def test_silence_fires_and_resolves_nothing(make: Make) -> None:
    parts = make()
    put(parts, log(BASE, 1, reward=0.6))
    pass_at(parts, BASE + HOUR + 60)
    pass_at(parts, BASE + 5 * HOUR)
    found = {row[:2]: row[2:] for row in rows(parts, alerts, "trigger", "version", "state", "health")}
    assert found["no_data", "*"][0] == "firing"
    assert found["reward_3sigma", "v7"][0] == "firing"
    assert found["reward_3sigma", "v6"] == ("inactive", "no_data")


def test_without_a_baseline_nothing_is_ever_called_healthy(make: Make) -> None:
    parts = make(baseline=False)
    put(parts, log(START, 2))
    tick(parts, "p", START + HOUR)
    tick(parts, "p", START + 2 * HOUR + 60)
    assert set(states(parts, "reward_3sigma")) == {"insufficient"}
    put(parts, log(START + 2 * HOUR, 2, {"cost.heat": np.ones(720)}))
    tick(parts, "p", START + 4 * HOUR + 60)
    assert "fire" in states(parts, "violation_budget", "heat")


def test_drift_of_a_feature_is_found_and_named(make: Make) -> None:
    parts = make()
    rng = np.random.default_rng(3)
    put(parts, log(BASE, 6, {"state.load": rng.normal(1.5, 1, 2160)}))
    done = tick(parts, "p", BASE + 6 * HOUR + 60)
    fired = {(c.alert.trigger, c.alert.key) for c in done.changes if c.alert.state == "firing"}
    assert ("state_drift", "load") in fired


def test_a_collapse_to_one_action_is_found(make: Make) -> None:
    parts = make()
    put(parts, log(BASE, 1, {"action": ["hold"] * 360}))
    done = tick(parts, "p", BASE + HOUR + 60)
    assert "entropy_collapse" in {c.alert.trigger for c in done.changes if c.alert.state == "firing"}


def test_a_broken_trigger_is_an_error_and_the_others_go_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make()
    put(parts, log(BASE, 1, reward=0.6))
    healthy = DETECTORS["entropy_floor"]

    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setitem(DETECTORS, "entropy_floor", type(healthy)(**{**vars(healthy), "scan": broken}))
    tick(parts, "p", BASE + HOUR + 60)
    assert set(states(parts, "entropy_collapse")) == {"error"}
    assert states(parts, "reward_3sigma") == ["fire"] * 4
    assert [kind for (kind,) in rows(parts, events, "kind")].count("trigger.failed") == 1


def test_every_transition_leads_to_its_evidence(make: Make) -> None:
    parts = make()
    put(parts, log(BASE, 1, reward=0.6))
    done = tick(parts, "p", BASE + HOUR + 60)
    for change in done.changes:
        assert {"metric", "window", "plan", "baseline"} <= set(change.evidence)
        assert change.verdict.reason.endswith(".")


def test_the_version_that_takes_over_is_not_blamed_for_the_time_before(make: Make) -> None:
    parts = make()
    put(parts, log(BASE, 24, reward=0.6))
    pass_at(parts, BASE + DAY + 60)
    assert rows(parts, routes, "serving") == [("v6",)]
    put(parts, log(BASE + DAY + 60, 1, version="v6"))
    pass_at(parts, BASE + DAY + 2 * HOUR)
    judged = [row[1] for row in rows(parts, verdicts, "version", "start", "trigger") if row[0] == "v6"]
    assert judged
    assert min(judged) >= BASE + DAY
