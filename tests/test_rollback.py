"""Deciding to roll back: the target, the generation, the limits, the incident, the route."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from monitor import settings
from monitor.acting import rollback, route
from monitor.acting.rollback import Outcome
from monitor.clock import ManualClock
from monitor.incidents import close_quiet
from monitor.incidents.rows import spent
from monitor.store.database import Database
from monitor.store.tables import actions, alerts, events, incidents, policies, routes

POLICY = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"], "cooldown": "0s"}
HOOKS = {
    "serving": {"kind": "webhook", "url": "http://127.0.0.1:9/rollback", "secret": "env:S"},
    "flags": {"kind": "command", "command": ["true"], "policies": ["cooling"]},
    "bidding": {"kind": "command", "command": ["true"], "policies": ["bids"]},
}


def configured(hooks: dict[str, Any] | None = None, **changes: Any) -> settings.Settings:
    both = {"cooling": POLICY | changes, "bids": {"incumbent": "v1"}}
    return settings.parse({"policy": both, "hook": HOOKS if hooks is None else hooks})


class Desk:
    """Asks for rollbacks, one transaction each, and reads what they left."""

    def __init__(self, database: Database, clock: ManualClock, configuration: settings.Settings) -> None:
        self.database, self.clock, self.settings = database, clock, configuration

    def ask(self, from_version: str | None = "v7", policy: str = "cooling", **changes: Any) -> Outcome:
        options = {"reason": "Reward fell.", "trigger": "reward_3sigma", "actor": "checkrein", "mode": "automatic"}
        with self.database.begin() as connection:
            return rollback.request(
                connection, self.settings, self.clock, policy, from_version=from_version, **options | changes
            )

    def serve(self, split: dict[str, float], serving: str, policy: str = "cooling") -> None:
        with self.database.begin() as connection:
            rollback.ensure_route(connection, self.settings, self.clock, policy)
            here = update(routes).where(routes.c.policy == policy)
            connection.execute(here.values(serving=serving, split=json.dumps(split)))

    def route(self, policy: str = "cooling") -> route.Route:
        with self.database.read() as connection:
            return route.current(connection, self.settings, self.clock, policy)

    def rows(self, table: Any = actions) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key)).all())

    def kinds(self) -> list[str]:
        return [row.kind for row in self.rows(events)]


@pytest.fixture
def desk(database: Database, clock: ManualClock) -> Desk:
    return Desk(database, clock, configured())


def test_a_rollback_moves_the_route_and_queues_one_action_for_each_hook_of_the_policy(desk: Desk) -> None:
    outcome = desk.ask()
    assert (outcome.state, outcome.from_version, outcome.to_version, outcome.generation) == ("requested", "v7", "v6", 2)
    assert (desk.route().serving, desk.route().generation, desk.route().split) == ("v6", 2, {"v6": 1.0})
    rows = desk.rows()
    assert {row.hook for row in rows} == {"serving", "flags"}
    assert {row.id for row in rows} == set(outcome.actions)
    assert {(row.state, row.real_due, row.attempts) for row in rows} == {("pending", desk.clock.real(), 0)}
    for row in rows:
        event = json.loads(row.body)
        assert event["id"] == row.id
        assert event["data"] | {"reason": ""} == {
            "policy": "cooling",
            "from_version": "v7",
            "to_version": "v6",
            "generation": 2,
            "reason": "",
            "trigger": "reward_3sigma",
            "incident": outcome.incident,
            "evidence_url": f"/api/v1/incidents/{outcome.incident}",
            "requested_at": "2025-06-15T15:06:40Z",
            "mode": "automatic",
        }
    assert desk.kinds() == ["incident.opened", "rollback.requested"]


def test_without_a_hook_the_route_is_the_whole_message(database: Database, clock: ManualClock) -> None:
    desk = Desk(database, clock, configured(hooks={}))
    desk.ask()
    (row,) = desk.rows()
    assert (row.hook, row.state, row.real_due, row.real_delivered) == ("", "delivered", None, clock.real())


def test_a_version_that_does_not_serve_is_left_alone(desk: Desk) -> None:
    outcome = desk.ask("v5")
    assert (outcome.state, outcome.actions, outcome.generation) == ("unneeded", (), 1)
    assert "v7 does" in outcome.sentence
    assert desk.rows() == desk.rows(incidents) == []
    assert desk.kinds() == ["rollback.unneeded"]


def test_a_second_firing_of_the_same_version_changes_nothing(desk: Desk) -> None:
    desk.ask()
    assert desk.ask(trigger="state_drift").state == "unneeded"
    assert desk.route().generation == 2


def test_a_failing_canary_leaves_the_version_that_serves(desk: Desk) -> None:
    desk.serve({"v6": 0.95, "v8": 0.05}, "v6")
    outcome = desk.ask("v8")
    assert (outcome.to_version, desk.route().serving, desk.route().split) == ("v6", "v6", {"v6": 1.0})


def test_the_chain_is_followed_and_no_version_is_gone_back_to_in_one_incident(desk: Desk) -> None:
    first, second, third = desk.ask("v7"), desk.ask("v6"), desk.ask("rules")
    assert [first.to_version, second.to_version, third.to_version] == ["v6", "rules", None]
    assert first.incident == second.incident == third.incident
    assert third.state == "blocked"
    assert desk.route().serving == "rules"
    (incident,) = desk.rows(incidents)
    assert json.loads(incident.rolled_back) == ["v6", "v7"]


def test_an_exhausted_chain_is_visible_once_and_paged(desk: Desk) -> None:
    for version in ("v7", "v6", "rules", "rules"):
        desk.ask(version)
    blocked = [row for row in desk.rows() if row.state == "blocked"]
    assert [(row.from_version, row.to_version, row.real_due, row.body) for row in blocked] == [("rules", "", None, "")]
    assert "No version is left" in blocked[0].last_error
    assert desk.kinds().count("page") == desk.kinds().count("rollback.blocked") == 1


def test_a_person_may_name_any_other_version_even_one_that_failed(desk: Desk) -> None:
    for version in ("v7", "v6", "rules"):
        desk.ask(version)
    outcome = desk.ask(None, mode="manual", actor="ada", to_version="v7")
    assert (outcome.from_version, outcome.to_version, desk.route().serving) == ("rules", "v7", "v7")
    assert "blocked" not in {row.state for row in desk.rows()}  # the new generation supersedes it


def test_a_person_cannot_name_the_version_to_be_stopped_and_a_trigger_can_name_none(desk: Desk) -> None:
    with pytest.raises(ValueError, match="v7 is the version to be stopped"):
        desk.ask("v7", mode="manual", to_version="v7")
    with pytest.raises(ValueError, match="only a person"):
        desk.ask("v7", to_version="rules")


def test_a_policy_without_fallbacks_goes_back_to_its_incumbent(database: Database, clock: ManualClock) -> None:
    assert Desk(database, clock, configured(fallbacks=[])).ask().to_version == "v6"


def test_a_higher_generation_supersedes_what_the_older_one_still_had_to_do(desk: Desk) -> None:
    old = desk.ask("v7").actions
    new = desk.ask("v6").actions
    states = {row.id: (row.state, row.real_due) for row in desk.rows()}
    assert {states[identity] for identity in old} == {("superseded", None)}
    assert {states[identity] for identity in new} == {("pending", desk.clock.real())}


def again(desk: Desk, times: int, **changes: Any) -> list[str]:
    """Let v7 serve and fail so many times, ten minutes apart."""
    states: list[str] = []
    for _ in range(times):
        desk.serve({"v7": 1.0}, "v7")
        desk.clock.advance(600)
        states.append(desk.ask("v7", **changes).state)
    return states


def test_the_fourth_automatic_rollback_of_a_day_is_limited_and_paged(desk: Desk) -> None:
    assert again(desk, 4) == ["requested"] * 3 + ["limited"]
    assert (desk.route().serving, desk.route().generation) == ("v7", 4)
    (row,) = [row for row in desk.rows() if row.state == "limited"]
    assert (row.to_version, row.real_due) == ("v6", None)
    assert "limit_per_day is 3" in row.last_error
    assert desk.kinds().count("page") == 1
    assert again(desk, 1) == ["limited"]
    assert [row.state for row in desk.rows()].count("limited") == desk.kinds().count("page") == 1


def test_the_limit_ends_24_hours_after_the_rollbacks_that_used_it_up(desk: Desk) -> None:
    again(desk, 3)
    desk.clock.advance(86400 - 600 - 1201)
    assert again(desk, 1) == ["limited"]
    desk.clock.advance(1)
    assert desk.ask("v7").state == "requested"


@pytest.mark.parametrize(
    "changes", [{"mode": "manual"}, {"trigger": "hard_constraint"}, {"trigger": "irreversible_action"}]
)
def test_people_and_hard_limits_are_never_limited(
    database: Database, clock: ManualClock, changes: dict[str, str]
) -> None:
    desk = Desk(database, clock, configured(limit_per_day=0))
    assert desk.ask().state == "limited"
    assert again(desk, 8, **changes) == ["requested"] * 8


def test_twenty_policies_that_fire_at_once_move_five_routes_and_page_once(
    database: Database, clock: ManualClock
) -> None:
    names = [f"p{number:02d}" for number in range(20)]
    configuration = settings.parse({"policy": dict.fromkeys(names, POLICY)})
    desk = Desk(database, clock, configuration)
    states = [desk.ask(policy=name).state for name in names]
    assert states == ["requested"] * 5 + ["limited"] * 15
    assert desk.kinds().count("page") == 1
    assert [row.state for row in desk.rows()].count("limited") == 15


def test_an_outcome_that_is_not_committed_leaves_nothing(desk: Desk) -> None:
    def dies() -> None:
        with desk.database.begin() as connection:
            options: dict[str, Any] = {"reason": "Fell.", "trigger": "t", "actor": "a", "from_version": "v7"}
            rollback.request(connection, desk.settings, desk.clock, "cooling", mode="automatic", **options)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        dies()
    assert desk.rows() == desk.rows(routes) == desk.rows(incidents) == desk.rows(events) == []


def test_an_incident_closes_after_thirty_quiet_minutes_and_not_before(desk: Desk) -> None:
    def close() -> list[int]:
        with desk.database.begin() as connection:
            return close_quiet(connection, desk.clock)

    desk.ask()
    desk.clock.advance(7200)
    assert close() == []  # its actions are unfinished
    with desk.database.begin() as connection:
        connection.execute(update(incidents).values(level=1))  # before anybody was told it closes never
        connection.execute(update(actions).values(state="confirmed", confirmed=desk.clock.now()))
        named = {"policy": "cooling", "version": "v6", "trigger": "no_data", "key": "", "severity": "page"}
        state = {"state": "firing", "health": "ok", "since": 0.0, "streak": 0, "judged_until": 0.0, "reason": ""}
        connection.execute(insert(alerts), [{**named, **state}])
    desk.clock.advance(1800)
    assert close() == []  # an alert that pages is open
    with desk.database.begin() as connection:
        connection.execute(update(alerts).values(state="resolved"))
    desk.clock.advance(-1)
    assert close() == []
    desk.clock.advance(1)
    assert len(close()) == 1
    assert desk.kinds()[-1] == "incident.closed"
    with desk.database.read() as connection:
        later = ManualClock(desk.clock.now() + 1800.0)
        assert [spent(connection, clock, "cooling") for clock in (desk.clock, later)] == [("v7",), ()]
    assert desk.ask("v6").to_version == "rules"
    (row,) = desk.rows(incidents)
    assert (row.state, row.closed, row.reopened) == ("triggered", None, 1), "30 minutes later it is the same trouble"
    assert json.loads(row.rolled_back) == ["v6", "v7"]


def test_the_route_before_its_first_row_is_what_the_configuration_names(desk: Desk) -> None:
    before = desk.route()
    with desk.database.begin() as connection:
        for _ in range(2):
            rollback.ensure_policy(connection, desk.settings, "cooling")
            rollback.ensure_route(connection, desk.settings, desk.clock, "cooling")
        assert connection.execute(select(func.count()).select_from(policies)).scalar_one() == 1
    after = desk.route()
    assert (before.serving, before.generation, before.etag) == (after.serving, after.generation, after.etag)
    assert (before.serving, before.generation) == ("v7", 1)


def test_the_routes_etag_changes_with_its_content_and_not_with_time(desk: Desk) -> None:
    desk.ask()
    first = desk.route()
    desk.clock.advance(60)
    later = desk.route()
    assert first.etag == later.etag
    assert later.valid_until == first.valid_until + 60 == desk.clock.real() + 120
    desk.ask("v6")
    assert desk.route().etag != first.etag


def test_the_route_says_it_all_in_json(desk: Desk) -> None:
    desk.ask()
    told = desk.route().json()
    assert told.pop("etag") == desk.route().etag
    times = {"valid_until": "2025-06-15T15:08:40Z", "valid_for": 120.0, "changed": "2025-06-15T15:06:40Z"}
    route = {"policy": "cooling", "serving": "v6", "generation": 2, "split": {"v6": 1.0}, "reason": "Reward fell."}
    assert told == route | times


def test_an_unknown_policy_is_named_with_the_known_ones(desk: Desk) -> None:
    with pytest.raises(route.UnknownPolicyError, match="'coolng'; known: bids, cooling"), desk.database.read() as c:
        route.current(c, desk.settings, desk.clock, "coolng")
