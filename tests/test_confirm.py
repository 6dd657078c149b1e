"""Delivered is not done: acknowledgements, traffic windows, and what happens when neither comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from monitor import settings
from monitor.acting import outbox, rollback
from monitor.acting.confirm import Confirmed, acknowledge, confirm
from monitor.clock import ManualClock
from monitor.hooks import Answer
from monitor.store.database import Database
from monitor.store.tables import actions, alerts, events, traffic, transitions

HOOK = {"a": {"kind": "command", "command": ["true"]}}
ALERT = {"health": "ok", "severity": "rollback", "since": 0.0, "streak": 3, "judged_until": 9.0, "reason": "Fell."}


class Watch:
    """A rollback of cooling from v7 to v6 (generation 2), delivered, and the traffic that follows."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        policy = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"], "cooldown": "0s"}
        self.settings = settings.parse({"policy": {"cooling": policy}, "hook": HOOK})

    def roll_back(self, from_version: str = "v7", delivered: bool = True) -> str:
        options: dict[str, Any] = {"reason": "Fell.", "trigger": "t", "actor": "ada", "from_version": from_version}
        with self.database.begin() as connection:
            done = rollback.request(connection, self.settings, self.clock, "cooling", mode="automatic", **options)
            if delivered:
                claim = outbox.claim(connection, self.clock, "a", 5.0)
                assert claim is not None
                assert outbox.mark(connection, self.clock, claim, Answer("delivered", "OK"))
        return done.actions[0]

    def acknowledge(self, generation: int = 2, version: str = "v6", hook: str | None = None) -> int:
        with self.database.begin() as connection:
            return acknowledge(connection, self.clock, "cooling", generation, version, "ab", "ada", hook)

    def serve(self, *windows: dict[str, int], at: float = 0.0) -> None:
        """Log decisions by version in windows of 10 s, the first ``at`` seconds after the epoch of the tests."""
        rows = [
            {"policy": "cooling", "start": 1_750_000_000.0 + at + 10 * index, "version": version, "rows": number}
            for index, window in enumerate(windows)
            for version, number in window.items()
        ]
        with self.database.begin() as connection:
            connection.execute(insert(traffic), rows)

    def confirm(self, at: float) -> Confirmed:
        """Make one pass, ``at`` seconds after the epoch of the tests."""
        self.clock.at = 1_750_000_000.0 + at
        with self.database.begin() as connection:
            return confirm(connection, self.settings, self.clock)

    def state(self, identity: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(actions).where(actions.c.id == identity)).one()

    def events(self, kind: str) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            found = select(events.c.body).where(events.c.kind == kind).order_by(events.c.id)
            return [json.loads(body) for body in connection.execute(found).scalars()]


@pytest.fixture
def watch(database: Database, clock: ManualClock) -> Watch:
    return Watch(database, clock)


def test_an_acknowledged_rollback_is_confirmed_by_three_clean_windows(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    watch.serve({"v6": 50}, {"v6": 200, "v7": 2}, {"v6": 50}, {"v6": 1})
    assert watch.confirm(29.9) == Confirmed((), ())
    assert watch.confirm(30.0) == Confirmed((action,), ())
    row = watch.state(action)
    assert (row.state, row.confirmed, row.artifact_sha256) == ("confirmed", watch.clock.now(), "ab")
    (evidence,) = watch.events("action.confirmed")
    assert [(window["rows"], window["old"]) for window in evidence["windows"]] == [(50, 0), (202, 2), (50, 0)]
    assert (evidence["generation"], evidence["from_version"], evidence["to_version"]) == (2, "v7", "v6")
    assert watch.confirm(40.0) == Confirmed((), ())


def test_nothing_is_confirmed_before_it_is_acknowledged(watch: Watch) -> None:
    action = watch.roll_back()
    watch.serve(*[{"v6": 50}] * 5)
    assert watch.confirm(50) == Confirmed((), ())
    assert watch.state(action).state == "delivered"


def test_windows_that_began_before_the_acknowledgement_do_not_count(watch: Watch) -> None:
    action = watch.roll_back()
    watch.clock.advance(3)
    watch.acknowledge()
    watch.serve(*[{"v6": 50}] * 4)
    assert watch.confirm(40).confirmed == ()
    watch.serve({"v6": 50}, at=40)
    assert watch.confirm(50).confirmed == (action,)


def test_windows_without_decisions_neither_count_nor_break_the_row(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    watch.serve({"v6": 5}, {}, {}, {"v6": 5})
    assert watch.confirm(45).confirmed == ()
    watch.serve({}, {"v6": 5}, {"v6": 5}, at=40)
    assert watch.confirm(60).confirmed == (action,)


def test_no_traffic_at_all_is_never_confirmed(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    assert watch.confirm(118.9) == Confirmed((), ())
    assert watch.confirm(3600) == Confirmed((), (action,))


def test_old_traffic_above_the_tolerance_starts_the_row_again(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    watch.serve({"v6": 50}, {"v6": 50}, {"v6": 98, "v7": 2}, {"v6": 50}, {"v6": 50})
    assert watch.confirm(50).confirmed == ()
    watch.serve({"v6": 50}, {"v6": 50}, at=50)
    assert watch.confirm(70).confirmed == (action,)


def test_the_newest_windows_decide_after_a_pause(watch: Watch) -> None:
    watch.roll_back()
    watch.acknowledge()
    watch.serve(*[{"v6": 50}] * 5, {"v7": 50}, {"v7": 50})
    assert watch.confirm(100).confirmed == ()


def test_a_window_counts_only_when_the_log_was_read_past_it_or_nothing_more_comes(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    watch.serve(*[{"v6": 50}] * 3)
    assert watch.confirm(89.9).confirmed == ()
    assert watch.confirm(90).confirmed == (action,)  # the policy's lateness, 60 s, after the last window's end


def test_rows_from_the_future_do_not_complete_a_window(watch: Watch) -> None:
    watch.roll_back()
    watch.acknowledge()
    watch.serve(*[{"v6": 50}] * 3)
    watch.serve({"v6": 1}, at=200)
    assert watch.confirm(25).confirmed == ()


@pytest.mark.parametrize(
    ("generation", "version", "found"), [(2, "v6", 1), (3, "v6", 1), (1, "v6", 0), (2, "v7", 0), (3, "rules", 0)]
)
def test_only_the_version_under_that_generation_or_a_higher_one_acknowledges(
    watch: Watch, generation: int, version: str, found: int
) -> None:
    action = watch.roll_back()
    assert watch.acknowledge(generation, version) == found
    assert (watch.state(action).acknowledged is not None) == bool(found)


def test_an_acknowledgement_counts_once_and_for_its_own_hook(watch: Watch) -> None:
    watch.roll_back()
    assert watch.acknowledge(hook="b") == 0
    assert [watch.acknowledge(hook="a"), watch.acknowledge(hook="a")] == [1, 0]
    assert len(watch.events("action.acknowledged")) == 1


def test_an_acknowledgement_before_delivery_is_kept_and_delivery_goes_on(watch: Watch) -> None:
    action = watch.roll_back(delivered=False)
    assert watch.acknowledge() == 1
    assert watch.state(action).state == "pending"
    watch.serve(*[{"v6": 50}] * 4)
    assert watch.confirm(40) == Confirmed((), ())


def test_a_refused_action_that_arrived_by_other_means_is_watched_again(watch: Watch) -> None:
    action = watch.roll_back(delivered=False)
    with watch.database.begin() as connection:
        claim = outbox.claim(connection, watch.clock, "a", 5.0)
        assert claim is not None
        outbox.mark(connection, watch.clock, claim, Answer("blocked", "403"))
    assert watch.acknowledge() == 1
    assert watch.state(action).state == "delivered"
    watch.serve(*[{"v6": 50}] * 4)
    assert watch.confirm(40).confirmed == (action,)


def test_a_receiver_that_says_yes_and_nothing_else_is_unconfirmed_within_120_seconds(watch: Watch) -> None:
    action = watch.roll_back()
    assert watch.confirm(118.9) == Confirmed((), ())
    assert watch.confirm(120) == Confirmed((), (action,))
    row = watch.state(action)
    assert (row.state, row.real_due) == ("unconfirmed", watch.clock.real())
    (page,) = watch.events("page")
    assert (page["action"], page["why"]) == (action, "unconfirmed")
    assert "nobody acknowledged generation 2" in page["text"]
    assert watch.confirm(500) == Confirmed((), ())
    assert len(watch.events("page")) == 1


def test_an_acknowledgement_that_the_traffic_belies_is_unconfirmed_within_120_seconds(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    watch.serve(*[{"v7": 50}] * 12)
    assert watch.confirm(120) == Confirmed((), (action,))
    (page,) = watch.events("page")
    assert "does not show that v7 stopped" in page["text"]


def test_an_unconfirmed_action_is_still_confirmed_when_the_traffic_moves(watch: Watch) -> None:
    action = watch.roll_back()
    assert watch.confirm(130).unconfirmed == (action,)
    assert watch.acknowledge() == 1
    assert watch.state(action).state == "unconfirmed"  # shown so until the traffic says otherwise
    watch.serve(*[{"v6": 50}] * 4, at=130)
    assert watch.confirm(170).confirmed == (action,)
    assert watch.state(action).real_due is None


def test_a_clock_that_was_set_back_does_not_hide_a_missing_acknowledgement(watch: Watch) -> None:
    action = watch.roll_back()
    assert watch.confirm(-3600).unconfirmed == (action,)


def test_a_superseded_action_is_not_watched_any_more(watch: Watch) -> None:
    old = watch.roll_back()
    watch.acknowledge()
    new = watch.roll_back("v6")
    watch.serve(*[{"rules": 50}] * 4)
    assert watch.confirm(40) == Confirmed((), ())
    assert [watch.state(action).state for action in (old, new)] == ["superseded", "delivered"]


def test_a_policy_without_a_hook_is_acknowledged_by_the_process_that_reads_the_route(
    database: Database, clock: ManualClock
) -> None:
    watch = Watch(database, clock)
    watch.settings = watch.settings.model_copy(update={"hook": {}})
    action = watch.roll_back(delivered=False)
    assert watch.confirm(120).unconfirmed == (action,)
    assert watch.state(action).real_due is None  # there is nobody to send it to
    watch.acknowledge()
    watch.serve(*[{"v6": 9}] * 4, at=120)
    assert watch.confirm(160).confirmed == (action,)


def test_the_alerts_of_the_version_that_is_gone_are_resolved_with_the_generation_as_evidence(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    states = {"a": "firing", "b": "pending", "c": "recovering", "d": "inactive", "e": "resolved"}
    with watch.database.begin() as connection:
        named = [("v7", trigger, state) for trigger, state in states.items()] + [("v6", "a", "firing")]
        rows = [{"version": v, "trigger": t, "state": s, "policy": "cooling", "key": "", **ALERT} for v, t, s in named]
        connection.execute(insert(alerts), rows)
    watch.serve(*[{"v6": 50}] * 4)
    assert watch.confirm(40).confirmed == (action,)
    with watch.database.read() as connection:
        after = {(row.version, row.trigger): row for row in connection.execute(select(alerts)).all()}
        changes = connection.execute(select(transitions).order_by(transitions.c.trigger)).all()
    assert [after["v7", trigger].state for trigger in "abcde"] == ["resolved"] * 3 + ["inactive", "resolved"]
    assert after["v6", "a"].state == "firing"
    assert (after["v7", "a"].streak, after["v7", "a"].since) == (0, watch.clock.now())
    assert [(row.trigger, row.old, row.new) for row in changes] == [
        ("a", "firing", "resolved"),
        ("b", "pending", "resolved"),
        ("c", "recovering", "resolved"),
    ]
    evidence = json.loads(changes[0].evidence)
    assert (evidence["generation"], evidence["action"]) == (2, action)
    assert "v7 no longer serves" in evidence["reason"]
    assert len(evidence["windows"]) == 3


def test_a_policy_that_left_the_configuration_is_still_watched(watch: Watch) -> None:
    action = watch.roll_back()
    watch.settings = settings.parse({})
    assert watch.confirm(130).unconfirmed == (action,)


def test_a_cancelled_action_is_not_confirmed(watch: Watch) -> None:
    action = watch.roll_back()
    watch.acknowledge()
    watch.serve(*[{"v6": 50}] * 4)
    watch.clock.advance(40)
    with watch.database.begin() as connection:
        connection.execute(update(actions).values(state="cancelled"))
    assert watch.confirm(40) == Confirmed((), ())
    assert watch.state(action).state == "cancelled"
