"""Raising exposure takes different people who agree to the same bytes; stopping takes one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import insert

from monitor.acting import by_hand
from monitor.clock import ManualClock
from monitor.rollouts.store import RolloutError
from monitor.store.database import Database
from monitor.store.tables import checklist_items, checklist_runs, events, rollout_approvals
from tests.rollout_desk import ANNA, BEN, CLEO, RULE, Desk, person


@pytest.fixture
def desk(database: Database, clock: ManualClock, tmp_path: Path) -> Desk:
    return Desk(database, clock, tmp_path)


def checked(desk: Desk) -> None:
    run = {"policy": "cooling", "version": "v7", "template": "t", "template_sha256": "s", "code": "1", "actor": "ada"}
    times = {"as_of": 0.0, "recorded": 0.0, "real_recorded": 0.0}
    item = {"item": "GOV-01", "state": "pass", "sentence": "", "unit": "", "evidence": "e"}
    with desk.database.begin() as connection:
        made = connection.execute(insert(checklist_runs).values(**run, **times).returning(checklist_runs.c.id))
        connection.execute(
            insert(checklist_items), [{**item, "run": made.scalar_one(), "collected": 0.0, "expires": 9.0}]
        )


def test_two_people_who_are_not_the_author_approve(desk: Desk) -> None:
    desk.start()
    assert desk.refusal(ANNA)[0] == "forbidden"
    first = desk.agree(BEN)
    assert (first.row.phase, first.refused) == ("draft", False)
    assert "1 more person" in first.sentence
    assert desk.refusal(BEN) == ("conflict", "ben has agreed already: another person is needed")
    assert desk.agree(CLEO).row.phase == "approved"
    assert [row.person for row in desk.rows(rollout_approvals)] == ["ben", "cleo"]
    assert desk.route() == ("v6", {"v6": 1.0}, 1)


def test_another_token_of_the_same_person_is_the_same_person(desk: Desk) -> None:
    desk.start()
    desk.agree(BEN)
    other = type(BEN)("another", "ben", BEN.can)
    assert desk.refusal(other)[0] == "conflict"


def test_a_token_of_nobody_or_of_another_scope_approves_nothing(desk: Desk) -> None:
    with pytest.raises(RolloutError, match="belongs to no person"):
        desk.start(person(None))
    desk.start()
    assert desk.refusal(person(None)) == (
        "forbidden",
        "the token 'None-token' belongs to no person: `checkrein token create NAME --person WHO --can approve`",
    )
    assert desk.refusal(person("ben", "act"))[0] == "forbidden"


def test_an_approval_is_bound_to_what_was_looked_at(desk: Desk) -> None:
    desk.start()
    kind, told = desk.refusal(BEN, "0" * 64)
    assert kind == "conflict"
    assert "look at it" in told


def test_evidence_that_changed_is_refused_with_what_changed_and_voids_earlier_approvals(desk: Desk) -> None:
    desk.start()
    desk.agree(BEN)
    old = desk.row().evidence_sha256
    checked(desk)
    found = desk.agree(CLEO)
    assert (found.refused, found.changed) == (True, ["checklist"])
    assert desk.row().evidence_sha256 != old
    assert desk.agree(CLEO).row.phase == "draft"  # ben agreed to other bytes
    assert desk.agree(BEN).row.phase == "approved"
    assert "rollout.evidence_changed" in [row.kind for row in desk.rows(events)]


def test_a_single_operator_is_enough_where_the_configuration_says_so_and_that_is_written_down(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Desk(database, clock, tmp_path, {**RULE, "single_operator": True})
    assert "Single operator" in desk.start().limitation
    assert desk.agree(ANNA).row.phase == "approved"


def test_three_people_where_the_configuration_says_so(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    desk = Desk(database, clock, tmp_path, {**RULE, "approvals": 3})
    desk.start()
    desk.agree(BEN)
    assert desk.agree(CLEO).row.phase == "draft"
    assert desk.agree(person("dora")).row.phase == "approved"


def test_one_rollout_of_a_policy_at_a_time_and_only_of_a_version_that_does_not_serve(desk: Desk) -> None:
    for version, why in (("v6", "serves"), ("rules", "fallback")):
        with pytest.raises(RolloutError, match=why):
            desk.start(to=version)
    desk.start()
    with pytest.raises(RolloutError, match="abort it first"):
        desk.start(to="v8")
    desk.stop("abort")
    assert desk.start(to="v8").id == 2


def test_a_version_that_was_stopped_is_tried_again_only_by_a_new_rollout_with_new_approvals(desk: Desk) -> None:
    desk.approved()
    desk.stop("abort")
    with pytest.raises(RolloutError, match="new rollout"):
        desk.stop("resume")
    again = desk.start()
    assert (again.phase, again.id) == ("draft", 2)


def test_people_differ_for_each_advance_and_agree_to_the_judgement(desk: Desk) -> None:
    desk.approved()
    desk.put(phase="passed", stage=0, generation=1, judgement="{}", judgement_sha256="a" * 64)
    assert desk.refusal(ANNA, "b" * 64)[0] == "conflict"
    assert desk.agree(ANNA).row.phase == "passed"  # the author may be one of the two
    assert desk.refusal(ANNA)[0] == "conflict"
    found = desk.agree(BEN)
    assert (found.row.phase, found.row.stage) == ("applying", 1)
    assert desk.route() == ("v6", {"v7": 1.0}, 2)


def test_nothing_advances_while_something_is_open_or_nobody_looked(desk: Desk) -> None:
    desk.approved()
    desk.put(phase="passed", stage=0, judgement="{}", judgement_sha256="a" * 64)
    desk.clock.advance(121)
    assert "judges it anew" in desk.refusal(BEN)[1]
    desk.clock.at -= 3600
    assert "judges it anew" in desk.refusal(BEN)[1]


def test_a_file_that_asks_for_one_person_now_is_a_limitation_that_the_rollout_shows(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Desk(database, clock, tmp_path)
    desk.start()
    assert desk.row().limitation == ""
    desk.settings = Desk(database, clock, tmp_path, {**RULE, "single_operator": True}).settings
    assert desk.agree(BEN).changed == ["plan"]
    assert desk.agree(ANNA).row.phase == "approved"
    assert "Single operator" in desk.row().limitation


def test_nobody_alone_brings_a_draft_to_serve_by_calling_it_a_rollback(desk: Desk) -> None:
    desk.start()
    with pytest.raises(ValueError, match="being rolled out"):
        desk.ask(lambda connection: by_hand.request(connection, desk.parts, "cooling", "v7", "Go.", "dora"))
    assert desk.route() == ("v6", {"v6": 1.0}, 1)


def test_every_step_that_one_person_was_enough_for_says_so_in_the_record(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Desk(database, clock, tmp_path, {**RULE, "single_operator": True})
    desk.start()
    desk.agree(ANNA)
    moved = [json.loads(row.body) for row in desk.rows(events) if row.kind in ("rollout.draft", "rollout.approved")]
    assert [body["limitation"][:15] for body in moved] == ["Single operator"] * 2


def test_an_abort_that_could_tell_nobody_is_refused_and_one_that_moves_nothing_is_not(desk: Desk) -> None:
    desk.approved()
    desk.look()
    kept = desk.settings
    desk.settings = kept.model_copy(update={"policy": {}})
    with pytest.raises(RolloutError, match="put it back into checkrein"):
        desk.stop("abort")
    assert (desk.phase, desk.route()[1]) == ("applying", {"v6": 0.5, "v7": 0.5})
    desk.settings = kept
    desk.stop("abort")
    assert (desk.phase, desk.route()[1]) == ("aborted", {"v6": 1.0})
    desk.start()
    desk.settings = kept.model_copy(update={"policy": {}})
    desk.stop("abort", 2)
    assert desk.row(2).phase == "aborted"
