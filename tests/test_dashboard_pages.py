"""The pages over true stores: what is read, what is said, what is refused; without a browser or a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash import no_update
from dash.development.base_component import Component
from sqlalchemy import text

from dashboard import components
from dashboard.data import Data, Refused
from dashboard.findings import finding, grouped
from dashboard.guard import kept
from dashboard.pages import notes, overview, policy, readiness, rollback, standing
from monitor.clock import ManualClock
from monitor.runtime import build
from monitor.settings import load
from monitor.store.tables import events
from monitor.views import spans
from tests.seeds import NOW, TOKEN, seed

DIALOG = {"from": "v7", "generation": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seed(tmp_path_factory.mktemp("firing"), "firing")


@pytest.fixture
def data(store: Path) -> Iterator[Data]:
    parts = build(load(store / "checkrein.toml"), ManualClock(NOW))
    yield Data(parts, lambda: None)
    parts.database.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[tuple[Data, list[str]]]:
    """A store of its own to act on, and how often the action loop was woken."""
    woken: list[str] = []
    parts = build(load(seed(tmp_path, "empty") / "checkrein.toml"), ManualClock(NOW))
    yield Data(parts, lambda: woken.append("woken")), woken
    parts.database.close()


def text_of(component: Any) -> str:
    """All words of a component, in order."""
    if isinstance(component, Component):
        return text_of(component.children) if hasattr(component, "children") else ""
    if isinstance(component, list | tuple):
        return " ".join(text_of(part) for part in component)
    return "" if component is None else str(component)


def test_the_overview_is_worst_first_and_no_data_is_never_healthy(data: Data) -> None:
    found = data.overview()
    states = {row["policy"]: row["state"] for row in found["policies"]}
    assert found["policies"][0]["policy"] == "cooling"
    assert states["cooling"] == "rollback"
    assert states["router"] not in {"healthy", "pending"}
    assert states["pricer"] not in {"healthy", "pending"}
    assert sum(found["counts"].values()) == len(states)


def test_a_rows_strip_is_a_day_and_a_policy_without_data_has_nothing_green(data: Data) -> None:
    rows = {row["policy"]: row for row in data.overview()["policies"]}
    assert len(rows["cooling"]["strip"]) == 48
    assert rows["cooling"]["strip"][-1]["state"] == "rollback"
    assert {cell["state"] for cell in rows["router"]["strip"]} == {"no_data"}


def test_a_row_is_built_again_only_when_something_was_concluded(data: Data) -> None:
    before = data.overview()["policies"]
    after = data.overview()["policies"]
    assert [row["strip"] is other["strip"] for row, other in zip(before, after, strict=True)] == [True] * len(before)


def test_an_alert_says_why_what_was_done_and_where_to_look(data: Data) -> None:
    found = data.alerts("cooling")["open"]
    (reward,) = [item for item in found if item["trigger"] == "reward_3sigma"]
    assert reward["shown"] == "rollback"
    assert "sigma below its baseline" in reward["reason"]
    assert reward["done"]["text"] == "The rollback v7 → v6 was delivered and waits for confirmation."
    words = text_of(finding(reward, NOW))
    assert "■" in words
    assert "rollback" in words
    assert "delivered" in words
    shown = components.link("cooling", span=reward["span"], metric=reward["metric"])
    assert shown == "/policy/cooling?range=1h&metric=reward"


def test_what_cannot_be_judged_is_one_finding_a_version_and_never_silent(data: Data) -> None:
    blind = data.alerts("pricer")["blind"]
    assert [item["shown"] for item in blind] == ["insufficient"]
    assert {"entropy_collapse", "reward_3sigma"} <= set(blind[0]["triggers"])


def test_a_hard_limit_that_was_just_passed_is_counted_before_its_window_closes(data: Data) -> None:
    found, _happened, _serving = data.series("cooling", "1h")
    (cold,) = [row for row in found["constraints"] if row["constraint"] == "supply_too_cold"]
    assert cold["state"] == "over"
    assert cold["violations"] >= 1


@pytest.mark.parametrize("span", list(spans.SPANS))
def test_every_span_can_be_drawn_for_every_policy(data: Data, span: str) -> None:
    for name in data.policies():
        assert len(policy.trends(data, name, span, None)) == 10
        assert data.drift(name, span)["end"] == NOW


def test_the_band_is_the_baselines_of_the_version_that_was_judged(data: Data) -> None:
    found, _happened, _serving = data.series("bidder", "6h")
    reward = found["reward"]
    assert reward["sigma"].notna().all()
    inside = (reward["value"] - reward["expected"]).abs() < 3 * reward["sigma"]
    assert inside.mean() > 0.9


def test_the_situation_names_steps_and_the_next_one(data: Data) -> None:
    found = data.situation("cooling")
    (action,) = found["actions"]
    assert [step["state"] for step in action["steps"]] == ["done", "done", "now", "todo"]
    assert found["next"]["text"] == "Wait: the decision log will show whether the traffic moved."
    assert data.situation("router")["next"]["text"].startswith("Send decisions")
    assert "checkrein baseline freeze pricer" in data.situation("pricer")["next"]["text"]
    assert "under way" in text_of(standing.situation(found, [], NOW))


def test_the_rollback_dialog_says_from_to_traffic_and_what_is_called(data: Data) -> None:
    words = text_of(rollback.plan(data.situation("bidder")))
    assert "v7" in words
    assert "100%" in words
    assert "No hook is configured" in words
    assert data.situation("bidder")["rollback"]["default"] == "v6"


def test_the_runbook_of_a_firing_has_its_values_filled_in(data: Data) -> None:
    found = data.runbook("cooling", "reward_3sigma")
    assert found["fired"]
    assert "{" not in found["text"]
    assert not [step for step in found["front"]["steps"] if "{" in step["do"] + step["expect"]]
    assert (
        "no page" in data.runbook("cooling", "nothing")["fault"]
        or "no trigger" in data.runbook("cooling", "x")["fault"]
    )


def test_readiness_shows_the_run_or_the_command_that_makes_one(data: Data) -> None:
    shown = text_of(readiness.checklist("bidder", data.readiness("bidder"), NOW))
    assert "GOV-05" in shown
    never = text_of(readiness.checklist("router", data.readiness("router"), NOW))
    assert "checkrein checklist run router" in never
    assert "●" not in never


def test_the_empty_state_says_what_was_looked_at() -> None:
    rows = [{"state": "healthy"}, {"state": "healthy"}]
    assert "All 2 policies" in text_of(overview.attention([], {"policies": rows}, NOW))
    some = text_of(overview.attention([], {"policies": [*rows, {"state": "no_data"}]}, NOW))
    assert "only 2 of 3" in some
    assert "○" in some


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"token": ""}, "token"),
        ({"token": "a guess that is long enough"}, "token"),
        ({"typed": "coolin"}, "typed"),
        ({"reason": " "}, "reason"),
        ({"to": "v99"}, "to"),
        ({"to": "v7"}, "to"),
        ({"to": None}, "to"),
        ({"shown": {"from": "v7", "generation": 2}}, "policy"),
        ({"shown": {}}, "policy"),
        ({"policy": "nobody"}, "policy"),
    ],
)
def test_the_server_refuses_what_the_dialog_would_not_have_sent(
    fresh: tuple[Data, list[str]], change: dict[str, Any], field: str
) -> None:
    data, woken = fresh
    asked = {"policy": "cooling", "shown": DIALOG, "to": "v6", "typed": "cooling", "reason": "A test.", "token": TOKEN}
    with pytest.raises(Refused) as refused:
        data.roll_back(**{**asked, **change})
    assert refused.value.field == field
    assert data.situation("cooling")["generation"] == 1
    assert woken == []


def test_a_rollback_from_the_page_moves_the_route_and_can_be_followed(fresh: tuple[Data, list[str]]) -> None:
    data, woken = fresh
    done = data.roll_back("cooling", DIALOG, "v6", "cooling", "A test.", TOKEN)
    assert done["state"] == "requested"
    assert woken == ["woken"]
    (action,) = data.progress(done["actions"])
    assert action["manual"]
    assert data.situation("cooling")["serving"] == "v6"
    with data.parts.database.read() as connection:
        kinds = {row.kind: row.actor for row in connection.execute(events.select())}
    assert kinds["rollback.requested"] == "token:tests"


def test_a_second_click_does_not_roll_back_what_the_first_one_chose(fresh: tuple[Data, list[str]]) -> None:
    data, _woken = fresh
    data.roll_back("cooling", DIALOG, "v6", "cooling", "A test.", TOKEN)
    with pytest.raises(Refused, match="v6 serves now"):
        data.roll_back("cooling", DIALOG, "v6", "cooling", "A test.", TOKEN)
    assert data.situation("cooling")["generation"] == 2


def test_a_panel_that_cannot_be_read_says_so_and_keeps_what_it_showed(fresh: tuple[Data, list[str]]) -> None:
    data, _woken = fresh
    with data.parts.database.begin() as connection:
        connection.execute(text("ALTER TABLE verdicts RENAME TO gone"))
    *values, line, seen = kept(lambda: (data.situation("cooling"), 1), 2, NOW, None)
    assert [*values, seen] == [no_update] * 3
    assert text_of(line).startswith("○ error: the database did not answer at 2025-06-16 ")
    assert text_of(line).endswith("nothing has been read yet.")
    *values, first, second, _seen = kept(lambda: (int("one"),), 1, NOW, {"at": NOW - 120.0}, panels=2)
    assert values == [no_update]
    assert "ValueError" in text_of(first)
    assert "what is shown was read  2 min ago" in text_of(first)
    assert first == second


def test_alerts_stand_by_policy_worst_first_and_what_was_done_is_said_once(data: Data) -> None:
    found = data.alerts()["open"]
    shown = grouped(found, NOW, empty="")
    assert [group.children[0].children[0].children for group in shown.children] == ["cooling", "ranker"]
    words = text_of(shown)
    assert words.count("was delivered and waits for confirmation") == 1
    assert words.index("reward_3sigma") < words.index("state_drift_warn") < words.index("entropy_collapse")
    assert "and 5 alerts more" in text_of(grouped(found, NOW, empty="", most=2))


def test_a_hard_limit_says_how_often_it_was_passed_and_never_a_share_of_a_budget(data: Data) -> None:
    found, _happened, _serving = data.series("cooling", "6h")
    words = text_of(notes.constraints(found["constraints"], "supply_too_cold"))
    assert "passed 2×" in words
    assert "none allowed" in words
    assert "over budget" not in words


def test_what_is_over_is_linked_with_the_time_that_it_went_on(data: Data) -> None:
    assert spans.around(NOW - 20 * 86400, NOW - 20 * 86400 + 1800, NOW) == "2025-05-27T15:25Z/2025-05-27T17:55Z"
    shown = components.link("cooling", span="2025-05-27T15:25Z/2025-05-27T17:55Z", metric="reward")
    assert shown == "/policy/cooling?from=2025-05-27T15%3A25Z&to=2025-05-27T17%3A55Z&metric=reward"
    past = data.alerts(span="2025-06-01T00:00Z/2025-06-02T00:00Z")["past"]
    assert past == []


def test_a_span_from_one_time_to_another_holds_what_lies_in_it_and_nothing_else(data: Data) -> None:
    found, happened, _serving = data.series("cooling", "2025-06-16T15:00Z/2025-06-16T16:00Z")
    assert (found["begin"], found["end"]) == (NOW - 5100.0, NOW - 1500.0)
    for name in ("reward", "minutes", "fired", "fan", "entropy"):
        assert found[name]["time"].between(found["begin"], found["end"]).all(), name
    assert len(found["reward"]) == 4
    assert happened.empty
    shorter, _happened, _serving = data.series("cooling", "2025-06-16T15:01Z/2025-06-16T15:09Z")
    assert shorter["reward"].empty
    assert len(shorter["minutes"]) == 8
    assert {row["state"] for row in shorter["constraints"]} != {"no_data"}
