"""A rollback always wins, and stopping works in every phase: one person, one step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from monitor import breakglass
from monitor.acting import by_hand, outbox
from monitor.acting.confirm import acknowledge, confirm
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import actions, events, traffic
from runbooks.rollouts import OPEN, Phase
from tests.rollout_desk import Desk, stopped

PHASES = sorted(OPEN)
BEFORE = (Phase.DRAFT, Phase.APPROVED)


@pytest.fixture
def desk(database: Database, clock: ManualClock, tmp_path: Path) -> Desk:
    return Desk(database, clock, tmp_path)


def placed(desk: Desk, phase: Phase) -> None:
    """Bring a rollout into a phase; the candidate has half of the traffic from `applying` on."""
    if phase is Phase.DRAFT:
        desk.start()
        return
    desk.approved()
    if phase is not Phase.APPROVED:
        desk.look()
        desk.put(phase=phase.value, note="Reward fell.")


@pytest.mark.parametrize("phase", PHASES)
def test_an_abort_ends_a_rollout_in_every_phase_and_takes_its_traffic_back(desk: Desk, phase: Phase) -> None:
    placed(desk, phase)
    if phase is Phase.ABORTING:
        desk.put(phase="paused")
    desk.stop("abort")
    assert desk.phase == "aborted"
    serving, split, generation = desk.route()
    assert (serving, split) == ("v6", {"v6": 1.0})
    assert generation == (1 if phase in BEFORE else 3)


@pytest.mark.parametrize("phase", PHASES)
def test_the_kill_switch_works_in_every_phase(desk: Desk, phase: Phase) -> None:
    placed(desk, phase)
    desk.ask(lambda connection: by_hand.stop(connection, desk.parts, "cooling", "Fire.", "dora"))
    assert desk.phase == "aborted"
    assert desk.route()[:2] == ("rules", {"rules": 1.0})
    newest = max(desk.rows(actions), key=lambda row: row.generation)
    assert json.loads(newest.stops) == (["v6"] if phase in BEFORE else ["v6", "v7"])


@pytest.mark.parametrize("phase", PHASES)
def test_a_rollback_of_the_candidate_ends_the_rollout_in_the_same_transaction(desk: Desk, phase: Phase) -> None:
    placed(desk, phase)
    outcome = desk.ask(lambda connection: stopped(connection, desk))
    assert outcome.state == ("unneeded" if phase in BEFORE else "requested")
    assert desk.phase == ("aborted" if phase is Phase.ABORTING else "rolled_back")
    assert desk.route()[:2] == ("v6", {"v6": 1.0})


@pytest.mark.parametrize("phase", PHASES)
def test_a_rollback_of_the_incumbent_ends_it_too_and_never_goes_to_the_candidate(desk: Desk, phase: Phase) -> None:
    placed(desk, phase)
    outcome = desk.ask(lambda connection: stopped(connection, desk, "v6"))
    assert (outcome.state, outcome.to_version, desk.phase) == ("requested", "rules", "aborted")


def test_rolling_back_by_hand_during_a_rollout_means_the_version_that_is_tried(desk: Desk) -> None:
    placed(desk, Phase.BAKING)
    outcome = desk.ask(lambda connection: by_hand.request(connection, desk.parts, "cooling", None, "No.", "dora"))
    assert (outcome.from_version, outcome.to_version, desk.phase) == ("v7", "v6", "rolled_back")


def test_nobody_alone_sends_more_traffic_to_what_is_rolled_out(desk: Desk) -> None:
    placed(desk, Phase.BAKING)
    with pytest.raises(ValueError, match="being rolled out"):
        desk.ask(lambda connection: by_hand.request(connection, desk.parts, "cooling", "v7", "Go.", "dora"))


def test_no_limit_holds_back_the_rollback_of_a_failed_stage(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Desk(database, clock, tmp_path, limit_per_day=0)
    placed(desk, Phase.ROLLING_BACK)
    assert desk.ask(lambda connection: stopped(connection, desk, trigger="reward_3sigma")).state == "limited"
    assert desk.look() == "rolled_back"


def test_a_stage_is_told_to_every_hook_and_supersedes_what_is_older(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Desk(database, clock, tmp_path)
    placed(desk, Phase.BAKING)
    (row,) = desk.rows(actions)
    event = json.loads(row.body)
    assert (row.kind, row.hook, row.state, row.share) == ("stage", "", "delivered", 0.5)
    assert event["type"] == "checkrein.rollout.stage.requested.v1"
    data = event["data"]
    assert (data["serving"], data["split"], data["generation"]) == ("v6", {"v6": 0.5, "v7": 0.5}, 2)
    assert "rollout.stage.requested" in [one.kind for one in desk.rows(events)]
    desk.ask(lambda connection: stopped(connection, desk))
    assert min(desk.rows(actions), key=lambda one: one.generation).state == "superseded"


def served(desk: Desk, minutes: float, **rows: int) -> None:
    begin = desk.clock.now() // 10 * 10 + 10
    found = [
        {"policy": "cooling", "start": begin + 10 * number, "version": version, "rows": count}
        for number in range(int(minutes * 6))
        for version, count in rows.items()
    ]
    desk.ask(lambda connection: connection.execute(traffic.insert(), found))
    desk.clock.advance(60 * minutes + 20)


def judged(desk: Desk) -> str:
    desk.ask(lambda connection: confirm(connection, *desk.common))
    return str(max(desk.rows(actions), key=lambda row: row.generation).state)


@pytest.mark.parametrize(("v6", "v7", "state"), [(50, 50, "confirmed"), (80, 20, "delivered"), (100, 0, "delivered")])
def test_a_stage_is_confirmed_when_the_log_shows_its_share(desk: Desk, v6: int, v7: int, state: str) -> None:
    placed(desk, Phase.APPLYING)
    said = ("cooling", 2, "v6", None, "dora")
    assert desk.ask(lambda connection: acknowledge(connection, desk.clock, *said)) == 1
    served(desk, 1.0, v6=v6, v7=v7)
    assert judged(desk) == state
    assert desk.look() == ("baking" if state == "confirmed" else "applying")


def test_a_stage_that_nobody_acknowledges_is_unconfirmed_and_paged(desk: Desk) -> None:
    placed(desk, Phase.APPLYING)
    desk.clock.advance(200)
    assert judged(desk) == "unconfirmed"
    (page,) = [json.loads(row.body) for row in desk.rows(events) if row.kind == "page"]
    assert page["text"].startswith("The rollout stage of cooling to v7 is not confirmed")
    assert desk.look() == "applying"


def test_a_confirmed_stage_is_no_reset_and_no_relapse(desk: Desk) -> None:
    from monitor.acting.relapse import relapsed
    from monitor.judging.standing import standing

    placed(desk, Phase.APPLYING)
    desk.confirmed()
    desk.ask(lambda connection: connection.execute(update(actions).values(acknowledged=desk.clock.now())))
    served(desk, 1.0, v6=50, v7=50)
    with desk.database.read() as connection:
        assert standing(connection, "cooling").resets == {}
        assert relapsed(connection, desk.clock, desk.settings) == []
        assert outbox.undelivered(connection, desk.clock) == []


@pytest.mark.parametrize(("to", "target"), [(None, "v6"), ("v6", "v6"), ("rules", "rules")])
def test_the_break_glass_stops_what_is_rolled_out_and_its_replay_ends_the_rollout(
    desk: Desk, to: str | None, target: str
) -> None:
    placed(desk, Phase.BAKING)
    with desk.database.read() as connection:
        breakglass.refresh(connection, *desk.common)
    done = breakglass.roll_back(*desk.common, "cooling", to, "It endangers people.")
    assert (done.from_version, done.to_version) == ("v6" if to == "rules" else "v7", target)
    assert desk.phase == "baking"
    assert breakglass.replay(desk.database, *desk.common) == 1
    assert desk.phase == ("aborted" if to == "rules" else "rolled_back")
    assert desk.route()[:2] == (target, {target: 1.0})
    newest = max(desk.rows(actions), key=lambda row: row.generation)
    assert json.loads(newest.stops) == sorted({"v6", "v7"} - {target})


def test_the_artefact_that_serves_beside_the_candidate_is_not_taken_for_the_candidates(desk: Desk) -> None:
    placed(desk, Phase.APPLYING)
    for version, kept in (("v6", None), ("v7", "ab")):
        with desk.database.begin() as connection:
            connection.execute(update(actions).values(acknowledged=None))
            assert acknowledge(connection, desk.clock, "cooling", 2, version, "ab", "dora") == 1
        (row,) = desk.rows(actions)
        assert row.artifact_sha256 == kept
