"""A trigger that cannot be evaluated is a finding: error at once, a page after three windows, over when it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detectors import DETECTORS, Detector
from monitor import status
from monitor.backtest import replay
from monitor.clock import ManualClock
from monitor.judging import parameters
from monitor.store.tables import alerts, events, transitions
from monitor.tick import Parts
from tests.passes import BASE, HOUR, WINDOW, land_baseline, log, parts_at, pass_at, put, rows, states


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    found = parts_at(tmp_path)
    assert isinstance(found.clock, ManualClock)
    found.clock.at = BASE + 61.0
    land_baseline(found)
    return found


def planted(*_args: Any, **_kwargs: Any) -> Any:
    raise ZeroDivisionError("planted")


def passes(parts: Parts, first: int, last: int) -> None:
    for window in range(first, last):
        put(parts, log(BASE + window * WINDOW, 0.25))
        pass_at(parts, BASE + (window + 1) * WINDOW + 60.0)


def moves(parts: Parts) -> list[tuple[Any, ...]]:
    found = rows(parts, transitions, "at", "trigger", "key", "version", "old", "new")
    return [((at - BASE) / WINDOW, *rest) for at, trigger, *rest in found if trigger == "evaluation_error"]


def test_three_failing_windows_in_a_row_page_and_two_good_ones_resolve(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes(parts, 0, 2)
    healthy = DETECTORS["entropy_floor"]
    with monkeypatch.context() as broken:
        broken.setitem(DETECTORS, "entropy_floor", Detector(**{**vars(healthy), "scan": planted}))
        passes(parts, 2, 4)
        of = ("entropy_collapse", "v7")
        assert moves(parts) == [(3.0, *of, "inactive", "pending")]
        passes(parts, 4, 5)
        assert moves(parts) == [(3.0, *of, "inactive", "pending"), (5.0, *of, "pending", "firing")]
        with parts.database.read() as connection:
            found = status.of(connection, parts.settings, parts.clock, "p")
        assert found["state"] == "page"
    (reason,) = (r for t, r in rows(parts, alerts, "trigger", "reason") if t == "evaluation_error")
    assert "entropy_collapse could not judge 1 of 1 series" in reason
    assert "ZeroDivisionError: planted" in reason
    passes(parts, 5, 8)
    assert [(at, new) for at, *_of, new in moves(parts)][2:] == [(6.0, "recovering"), (7.0, "resolved")]
    judged = len(states(parts, "evaluation_error", "entropy_collapse"))
    assert judged == 5, "windows of a trigger that answers are not judged a second time"
    assert [kind for (kind,) in rows(parts, events, "kind")].count("trigger.failed") == 1


def test_two_failing_windows_and_a_good_one_page_nobody(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = DETECTORS["entropy_floor"]
    with monkeypatch.context() as broken:
        broken.setitem(DETECTORS, "entropy_floor", Detector(**{**vars(healthy), "scan": planted}))
        passes(parts, 0, 2)
    passes(parts, 2, 3)
    assert [new for *_of, new in moves(parts)] == ["pending", "inactive"]


def test_many_windows_at_once_and_one_by_one_say_the_same(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = DETECTORS["entropy_floor"]
    monkeypatch.setitem(DETECTORS, "entropy_floor", Detector(**{**vars(healthy), "scan": planted}))
    passes(parts, 0, 5)
    with parts.database.read() as connection:
        again = replay(connection, parts.settings, "p", BASE, BASE + 2 * HOUR).moved
    live = rows(parts, transitions, "at", "trigger", "key", "new", "evidence")
    assert sorted((m.at, m.trigger, m.key, m.new, m.evidence) for m in again) == live
    assert [row[3] for row in live if row[1] == "evaluation_error"] == ["pending", "firing"]


def test_a_trigger_whose_scan_cannot_even_be_set_up_is_an_error_and_the_others_go_on(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = parameters.parameters_of

    def broken(settings: Any, policy: str, trigger: Any, *rest: Any) -> Any:
        if trigger.metric == "violation_rate":
            raise KeyError("planted")
        return real(settings, policy, trigger, *rest)

    monkeypatch.setattr("monitor.judging.judge.parameters_of", broken)
    passes(parts, 0, 4)
    health = {(t, h) for t, v, h in rows(parts, alerts, "trigger", "version", "health") if v == "v7"}
    assert ("violation_budget", "error") in health
    assert ("reward_3sigma", "ok") in health
    firing = [(k, s) for t, k, s in rows(parts, alerts, "trigger", "key", "state") if t == "evaluation_error"]
    assert ("violation_budget", "firing") in firing
    body = next(json.loads(b) for k, b in rows(parts, events, "kind", "body") if k == "trigger.failed")
    assert "KeyError: 'planted'" in body["reason"]
