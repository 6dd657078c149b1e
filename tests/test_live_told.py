"""What the page, the API and the command line say of candidates: in words, and never green without proof."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash.development.base_component import Component

from dashboard.data import Data
from dashboard.pages.rivals import rivals
from monitor import cli
from monitor.clock import ManualClock
from monitor.live.promotions import promoted
from monitor.report import report
from monitor.runtime import build
from monitor.settings import load
from monitor.status import of
from monitor.tick import Parts
from tests.api_site import Api
from tests.rival_candidates import SERVED_AT, seed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seed(tmp_path_factory.mktemp("rivals"))


@pytest.fixture
def parts(store: Path) -> Iterator[Parts]:
    made = build(load(store / "checkrein.toml"), ManualClock(SERVED_AT))
    yield made
    made.database.close()


@pytest.fixture
def found(parts: Parts) -> dict[str, Any]:
    answer: dict[str, Any] = Data(parts, lambda: None).candidates("p")["compared"]
    return answer


def items(component: Any) -> list[tuple[str, str]]:
    """Return the class of the state and all words of each line of the list."""
    if isinstance(component, list | tuple):
        return [one for part in component for one in items(part)]
    if not isinstance(component, Component) or not hasattr(component, "children"):
        return []
    if type(component).__name__ == "Li":
        return [(component.children[0].className, words(component))]
    return items(component.children)


def words(component: Any) -> str:
    if isinstance(component, Component):
        return words(getattr(component, "children", ""))
    return " ".join(map(words, component)) if isinstance(component, list | tuple) else str(component or "")


def test_only_what_is_shown_to_be_better_is_green(found: dict[str, Any]) -> None:
    states = {one["candidate"]: one["state"] for one in found["candidates"]}
    assert states == {
        "alike": "untold", "good": "better", "rare": "worse", "unlogged": "refused", "worse": "worse",
    }  # fmt: skip
    lines = items(rivals(found))
    assert [text for shape, text in lines if "state-healthy" in shape] == [lines[1][1], lines[-1][1]]
    assert "Better than v6 since 03:00 UTC, over 99.99% anytime confidence: +0.06" in lines[1][1]
    assert lines[-1][1].startswith("● inside good served from 2025-06-16 12:00 UTC: estimated 1.15")
    assert "Not compared with v6: 0 usable rows" in lines[3][1]


def test_all_together_the_calibration_and_the_estimator_are_said(found: dict[str, Any]) -> None:
    text = words(rivals(found))
    assert "Better than v6: good. The chance that this list is ever wrong is at most 5%" in text
    assert "May still be the best: good." in text
    assert "1 of 1 promoted candidates ended inside their interval." in text
    assert "good: snips is quoted: it does not move when all rewards shift" in text
    assert found["selection"]["family"] == 5


@pytest.mark.parametrize("state", ["alone", "untold", "worse", "weak", "refused", "waiting", "stale"])
def test_no_other_state_is_green(found: dict[str, Any], state: str) -> None:
    one = {**found, "candidates": [{**found["candidates"][1], "state": state}]}
    assert "state-healthy" not in items(rivals(one))[0][0]


def test_an_outcome_outside_its_interval_is_a_warning_and_one_too_early_is_no_data(found: dict[str, Any]) -> None:
    [row] = found["calibration"]["rows"]
    rows = [{**row, "inside": False}, {**row, "inside": None}]
    shown = items(rivals({**found, "calibration": {**found["calibration"], "rows": rows}}))[-2:]
    assert ["state-warning" in shown[0][0], "state-no_data" in shown[1][0]] == [True, True]


def test_a_policy_without_candidates_has_no_list(found: dict[str, Any]) -> None:
    assert rivals({**found, "candidates": []}) is None


def test_the_api_answers_with_the_same_and_knows_its_policies(
    parts: Parts, tmp_path: Path, found: dict[str, Any]
) -> None:
    api = Api(parts.database, ManualClock(SERVED_AT), tmp_path, {"p": {"incumbent": "v6"}})
    assert api.get("/policies/p/candidates").json()["candidates"] == []  # this configuration has none
    api.parts.settings = parts.settings
    answer = api.get("/policies/p/candidates")
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(found))
    assert api.get("/policies/q/candidates").status_code == 404


def test_the_status_of_a_terminal_has_a_line_for_each(
    store: Path,
    parts: Parts,
    found: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with parts.database.read() as connection:
        status = of(connection, parts.settings, parts.clock, "p")
    text = report({**status, "candidates": found["candidates"]})
    assert "  good: Better than v6 since 03:00 UTC, " in text
    monkeypatch.setattr(sys, "argv", ["checkrein", "status", "p", "--json", "--config", str(store / "checkrein.toml")])
    with pytest.raises(SystemExit):
        cli.main()
    [shown] = json.loads(capsys.readouterr().out)
    assert [one["candidate"] for one in shown["candidates"]] == ["alike", "good", "rare", "unlogged", "worse"]
    assert {one["state"] for one in shown["candidates"]} == {"stale"}  # by the machine's clock it is long ago


def test_who_makes_most_decisions_was_promoted_and_gaps_and_ties_change_nothing() -> None:
    assert promoted({}) == []
    assert promoted({0: {"v8": 10}}) == []  # it served from the beginning: nobody was replaced
    assert promoted({0: {"v6": 9}, 5: {"v6": 5, "v8": 5}, 6: {"v6": 4, "v8": 5}, 9: {"v8": 1}}) == [("v8", 6)]
