"""Items of a version that shares the traffic: what makes them fail, and how their facts come from the route's stage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from monitor.bucketing.plans import current_plan
from monitor.checklists import beside
from monitor.checklists.span import Span
from monitor.landing.land import Landing
from monitor.store.tables import routes
from monitor.views.comparison import comparison
from runbooks.checklist import EVALUATORS, State, judge
from runbooks.checklist.stage_facts import Stage
from tests.checklist_facts import STAGE, TEMPLATE, answer, healthy
from tests.landings import START, open_landing
from tests.rollout_stages import ROWS, SHARES, columns, stage

FAIL, FEW = State.FAIL, State.INSUFFICIENT


@pytest.mark.parametrize(
    ("item", "changes", "state", "words"),
    [
        ("LIM-04", {"ratio_p": 0.0009}, FAIL, "did not get their planned shares"),
        ("LIM-04", {"smd": 0.11}, FAIL, "load differs by 0.11"),
        ("LIM-04", {"ratio_p": None}, FEW, "The shares were not tested"),
        ("LIM-04", {"smd": None, "feature": ""}, FEW, "no state of the two versions was compared"),
        ("LIM-04", {"n": 9_999}, FEW, "9,999 decisions of the smaller arm"),
        ("AB-01", {"both": 1}, FAIL, "1 of 9,000 subjects met both"),
        ("AB-01", {"subjects": None, "both": None}, FEW, "policy.cooling.comparison.subject"),
        ("AB-02", {"matured": 0.94}, FEW, "94.0% of the decisions are mature"),
        ("AB-02", {"length": 3599.0 * 3}, FEW, "Not long enough yet"),
        ("AB-02", {"n": 0}, FEW, "Not long enough yet"),
        ("AB-03", {"last": (0.0, -0.1, 0.1), "change": (-0.2, -0.3, -0.1)}, FAIL, "The gain fades"),
        ("AB-03", {"last": (0.1, -0.1, 0.3)}, FEW, "No gain is shown among those who are used to it"),
        ("AB-03", {"last": (None, None, None)}, FEW, "no ends yet"),
    ],
)
def test_what_does_not_pass(item: str, changes: dict[str, Any], state: State, words: str) -> None:
    found = answer(item, healthy(stage=replace(STAGE, **changes)))
    assert found.state is state
    assert words in found.sentence


@pytest.mark.parametrize("item", ["LIM-04", "AB-01", "AB-02", "AB-03"])
def test_a_version_that_shares_nothing_is_not_asked(item: str) -> None:
    found = judge(TEMPLATE, TEMPLATE.spec(item), replace(healthy(), context={"splitting": False}), EVALUATORS)
    assert found.state is State.NOT_APPLICABLE


def gathered(landing: Landing, split: dict[str, float], version: str = "v2") -> Stage | None:
    row = {"policy": "bids", "serving": "v1", "generation": 2, "changed": START - 120.0, "reason": "canary"}
    with landing.database.begin() as connection:
        connection.execute(insert(routes), [{**row, "split": json.dumps(split)}])
        plan, _id = current_plan(connection, landing.settings, "bids")
        span = Span(landing.settings, "bids", version, "v1", 0.0, START + ROWS, plan, None)
        found: Stage | None = beside.gather(connection, span).get("stage")
    return found


def test_the_stage_of_the_route_is_compared(tmp_path: Path) -> None:
    found = gathered(stage(tmp_path, columns(gain=0.5), baseline=True), SHARES)
    assert found is not None
    assert (found.other, found.verdict, found.n + found.n_other, found.feature) == ("v1", "better", ROWS, "load")
    assert found.ratio_p is not None
    assert found.ratio_p > 0.001
    assert (found.length, found.subjects) == (ROWS, None)
    states = {item: answer(item, healthy(stage=found), decisions=1000).state for item in ("LIM-04", "AB-02", "AB-03")}
    assert set(states.values()) == {State.PASS}


def test_a_page_shows_the_same(tmp_path: Path) -> None:
    landing = stage(tmp_path, columns(gain=0.5))
    gathered(landing, SHARES)
    with landing.database.read() as connection:
        found = comparison(connection, landing.settings, "bids", "v2")
        assert comparison(connection, landing.settings, "bids", "v3") is None
    assert found is not None
    assert (found["verdict"], found["incumbent"], found["shares"]) == ("better", "v1", SHARES)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("split", [{"v1": 1.0}, {"v1": 0.5, "v3": 0.5}, {"v2": 1.0, "v1": 0.0}])
def test_without_another_version_beside_it_there_is_no_stage(tmp_path: Path, split: dict[str, float]) -> None:
    assert gathered(open_landing(tmp_path), split) is None
