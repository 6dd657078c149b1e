"""Dry-run triggers: judged and recorded as ever; they page nobody, and of a rollback it is written what it would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import incidents, status
from monitor.acting import rollback
from monitor.acting.confirm import _withdraw
from monitor.api.exposition import exposition
from monitor.backtest.findings import findings
from monitor.backtest.replay import Moved, Replayed
from monitor.bucketing.plans import configured_plan
from monitor.budgeting import budget
from monitor.budgeting.budget import Share
from monitor.checklists import acted as ledger
from monitor.checklists.span import Span
from monitor.clock import ManualClock
from monitor.judging.parameters import sharing
from monitor.settings import parse
from monitor.store.database import Database
from monitor.store.tables import actions, alerts, events, routes, transitions
from monitor.store.tables import incidents as opened
from monitor.tick import Parts
from monitor.views.acting import acted
from monitor.views.alerts import alerts as shown
from monitor.views.overview import strip
from runbooks.checklist import armed
from runbooks.checklist.facts import Facts, TriggerFact
from tests.paged import judged, pages, parts_of

DRY = {"dry_run": True}


def dry(database: Database, clock: ManualClock, root: Path, *names: str, **policy: Any) -> Parts:
    return parts_of(database, clock, root, trigger=dict.fromkeys(names, DRY), **policy)


def rows(database: Database, table: Any) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(table)).all())


def test_a_dry_run_of_a_page_is_recorded_shown_and_pages_nobody_until_it_is_armed(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = dry(database, clock, tmp_path, "low")
    judged(parts, True)
    assert pages(parts) == []
    (moved,) = rows(database, transitions)
    assert (moved.old, moved.new, moved.severity, moved.dry_run) == ("inactive", "firing", "page", True)
    with database.read() as connection:
        found = status.of(connection, parts.settings, clock, "p")
        (finding,) = shown(connection, parts.settings, clock)["open"]
    (item,) = found["alerts"]
    assert (item["state"], item["shown"], found["state"]) == ("firing", "warning", "insufficient")
    assert item["overlays"][0]["text"] == "dry run: it is judged and recorded, pages nobody."
    assert finding["done"]["text"] == "Nothing: its trigger is a dry run."
    clock.advance(60.0)
    live = parts_of(database, clock, tmp_path)
    judged(live, None)
    assert [page["trigger"] for page in pages(live)] == ["low"]
    assert not rows(database, alerts)[0].dry_run


def test_a_dry_run_of_a_rollback_writes_what_it_would_have_done_and_does_nothing(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = dry(database, clock, tmp_path, "grave", limit_per_day=1)
    before = rows(database, routes)
    for bad in (True, False, True):
        clock.advance(60.0)
        judged(parts, bad, "grave")
    one, other = rows(database, actions)
    assert (one.state, one.from_version, one.to_version, one.incident, one.body) == ("dry_run", "v7", "v6", None, "")
    assert one.last_error == "Dry run: grave would have rolled p back from v7 to v6 as generation 2."
    assert (one.real_due, one.generation, other.state) == (None, 1, "dry_run")
    assert (rows(database, routes), rows(database, opened), pages(parts)) == (before, [], [])
    with database.read() as connection:
        assert acted(connection) == []  # what the pages count as done
        assert [one["sentence"] for one in acted(connection, dry_runs=True)] == [one.last_error, other.last_error]
        assert {cell["state"] for cell in strip(connection, parts.settings, "p", clock.now())} <= {"no_data", "healthy"}
        text = exposition(connection, parts.settings, clock)
        assert status.of(connection, parts.settings, clock, "p")["state"] != "rollback"
    assert "checkrein_alerts_firing{" not in text
    assert 'checkrein_alerts_overlaid{overlay="dry_run",policy="p"} 1.0' in text
    assert 'checkrein_actions{state="dry_run"} 2.0' in text
    with database.begin() as connection:  # the one that is allowed a day is still there
        outcome = rollback.request(
            connection, parts.settings, clock, "p", from_version="v7", reason="Fell.", trigger="low", actor="checkrein",
            mode="automatic",
        )  # fmt: skip
    assert outcome.state == "requested"


def test_it_says_when_a_limit_would_have_held_it_back_or_no_version_is_left(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = dry(database, clock, tmp_path, "grave", limit_per_day=0)
    judged(parts, True, "grave")
    assert "a limit would have held it back: 0 automatic rollbacks in 24 hours" in rows(database, actions)[0].last_error
    with database.begin() as connection:
        connection.execute(actions.delete())
        connection.execute(routes.update().values(serving="v6", split='{"v6":1.0}'))
    clock.advance(60.0)
    judged(parts, False, "grave")
    judged(parts, True, "grave")
    assert rows(database, actions) == []  # v7 does not serve any more: nothing would have been done


def test_a_trigger_that_is_armed_while_it_fires_acts_at_the_next_pass(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    judged(dry(database, clock, tmp_path, "grave"), True, "grave")
    clock.advance(60.0)
    live = parts_of(database, clock, tmp_path)
    judged(live, None)
    judged(live, None)
    assert sorted(one.state for one in rows(database, actions)) == ["delivered", "dry_run"]
    assert rows(database, routes)[0].serving == "v6"


def test_the_ledger_of_the_checklist_and_what_counts_as_armed_leave_dry_runs_out(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = dry(database, clock, tmp_path, "grave")
    judged(parts, True, "grave")
    span = Span(parts.settings, "p", "v7", "v7", 0.0, clock.now(), configured_plan(parts.settings, "p"), None)
    with database.read() as connection:
        facts = ledger.gather(connection, span)
    assert (facts["firings"], facts["returns"]) == ((), ())
    fact = TriggerFact("grave", "reward", "limit", "rollback", True, True, False, ("ok",), 0, (1.0,), dry_run=True)
    asked = {"match": {"metric": ["reward"]}, "proof_days": 90, "false_rollbacks": 1, "false_days": 180}
    answer = armed.evaluate(Facts("p", "v7", triggers=(fact,)), asked)
    assert (answer.state, "grave (dry run)" in answer.sentence) == ("fail", True)


def test_an_incident_does_not_stay_open_for_a_dry_run(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    parts = dry(database, clock, tmp_path, "low")
    with database.begin() as connection:
        incidents.open_incident(connection, clock, "p", "By hand.", by="anna")
    judged(parts, True)
    clock.advance(1801.0)
    with database.begin() as connection:
        assert incidents.close_quiet(connection, clock) != []


def test_a_withdrawal_keeps_the_mark(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    parts = dry(database, clock, tmp_path, "low")
    judged(parts, True)
    judged(parts, True, "grave")
    (action,) = rows(database, actions)
    with database.begin() as connection:
        evidence = {"from_version": "v7", "to_version": "v6", "generation": 2}
        _withdraw(connection, clock, action, evidence)
    marked = {(one.trigger, one.new): one.dry_run for one in rows(database, transitions)}
    assert (marked["low", "resolved"], marked["grave", "resolved"]) == (True, False)


def test_a_backtest_counts_its_rollbacks_apart() -> None:
    settings = parse({"policy": {"p": {"incumbent": "v1", "trigger": {"reward_3sigma": DRY}}}})
    moved = [
        Moved("v2", name, "", "pending", "firing", "rollback", at, "Fell.", "{}", True)
        for name, at in (("reward_3sigma", 900.0), ("entropy_collapse", 1800.0))
    ]
    found = findings(settings, "p", Replayed(moved=moved, windows=2, begin=0.0, end=3600.0), [], 0.0, 3600.0)
    assert [one["dry_run"] for one in found["firings"]] == [True, False]
    assert (found["rollbacks"]["count"], found["dry_run"]["count"]) == (1, 1)


def test_a_dry_run_keeps_its_share_of_the_budget_and_is_not_added_up() -> None:
    live = parse({"policy": {"p": {"incumbent": "v1"}}})
    dry = parse({"policy": {"p": {"incumbent": "v1", "trigger": {"reward_3sigma": DRY}}}})
    assert sharing(live, "p") == sharing(dry, "p")  # arming it moves no threshold of any trigger
    one = Share("a", "d", 1, 900.0, 1, 1.0, 0.5, "k", 0.2, "m", None, 0, 0, True, "", dry_run=False)
    told = budget.document(dry, "p", [one, Share(**{**vars(one), "expected": 9.0, "kept": False, "dry_run": True})])
    assert (told["expected"], told["kept"]) == (0.2, True)


def test_what_was_written_of_it_is_an_event_of_its_own(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    judged(dry(database, clock, tmp_path, "grave"), True, "grave")
    kinds = {row.kind for row in rows(database, events)}
    assert "dry_run.rollback" in kinds
    assert not {kind for kind in kinds if kind.startswith("rollback.")}


@pytest.mark.parametrize("trigger", ["low", "grave"])
def test_the_states_are_those_of_a_live_trigger(
    database: Database, clock: ManualClock, tmp_path: Path, trigger: str
) -> None:
    parts = dry(database, clock, tmp_path, trigger)
    for bad in (True, True, False, True):
        judged(parts, bad, trigger)
    assert [(one.old, one.new) for one in rows(database, transitions)] == [
        ("inactive", "firing"), ("firing", "resolved"), ("resolved", "firing")
    ]  # fmt: skip
