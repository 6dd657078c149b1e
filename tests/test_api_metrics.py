"""Prometheus metrics of what may go wrong quietly: jobs that never ran, and deliveries by what became of them."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update

from monitor import incidents
from monitor.api.exposition import FIELDS, GONE, OTHER, OUTCOMES
from monitor.clock import ManualClock
from monitor.store.database import Database, upsert
from monitor.store.tables import actions, heartbeats, quarantine
from runbooks.actions import ActionState
from tests.api_site import Api

HOOK = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "env:NONE"}
HOOKS = {"serving": HOOK, "flags": {**HOOK, "policies": ["heating"]}}


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path, hook=HOOKS)


def told(api: Api, name: str) -> dict[tuple[str, ...], float]:
    """Return one family: label values in the order of their names -> value."""
    text = api.ask("GET", "/metrics").text
    found = {family.name: family for family in text_string_to_metric_families(text)}[f"checkrein_{name}"]
    return {tuple(value for _name, value in sorted(one.labels.items())): one.value for one in found.samples}


def change(api: Api, **values: object) -> None:
    with api.parts.database.begin() as connection:
        connection.execute(update(actions).values(**values))


def test_what_never_happened_is_an_infinite_age_and_not_a_missing_series(api: Api, clock: ManualClock) -> None:
    never = {("judge:cooling",): inf, ("judge:heating",): inf}
    assert told(api, "evaluation_age_seconds") == never
    assert told(api, "data_age_seconds") == {("cooling",): inf, ("heating",): inf}
    api.scheduler.judge("cooling")
    clock.advance(7)
    assert told(api, "evaluation_age_seconds") == {**never, ("judge:cooling",): 7.0}
    clock.advance(-3600)  # nothing has been heard since the machine's clock was set back
    assert told(api, "evaluation_age_seconds") == never


def test_a_failure_is_no_work_and_a_policy_that_left_is_not_told(api: Api, clock: ManualClock) -> None:
    parts = ("judge:gone", "failed:judge:gone", "failed:judge:heating", "estimate:heating", "watchdog")
    with api.parts.database.begin() as connection:
        upsert(connection, heartbeats, [{"part": p, "real_at": clock.real(), "at": 0.0, "note": ""} for p in parts])
    clock.advance(3)
    ages = {("judge:cooling",): inf, ("judge:heating",): inf, ("estimate:heating",): 3.0, ("watchdog",): 3.0}
    assert told(api, "evaluation_age_seconds") == ages
    assert told(api, "failure_age_seconds") == {("judge:heating",): 3.0}


@pytest.mark.parametrize(
    ("state", "attempts", "delivered", "outcome"),
    [
        ("pending", 0, None, "waiting"),
        ("in_flight", 1, None, "waiting"),
        ("in_flight", 2, None, "failing"),
        ("pending", 3, None, "failing"),
        ("delivered", 1, 1.0, "delivered"),
        ("unconfirmed", 4, 1.0, "delivered"),
        ("confirmed", 1, 1.0, "delivered"),
        ("superseded", 2, 1.0, "delivered"),
        ("superseded", 2, None, "withdrawn"),
        ("cancelled", 0, None, "withdrawn"),
        ("blocked", 1, None, "refused"),
        ("blocked", 2, 1.0, "refused"),  # it was sent again, and refused
        ("dead_letter", 9, None, "refused"),
    ],
)
def test_deliveries_are_counted_by_hook_and_outcome(
    api: Api, state: str, attempts: int, delivered: float | None, outcome: str
) -> None:
    none = {(hook, word): 0.0 for hook in HOOKS for word in OUTCOMES}
    assert told(api, "deliveries") == none
    assert told(api, "actions_unconfirmed") == {(): 0.0}
    api.post("/policies/cooling/rollback", {"reason": "Try it."})
    change(api, state=state, attempts=attempts, real_delivered=delivered)
    assert told(api, "deliveries") == {**none, ("serving", outcome): 1.0}
    assert told(api, "delivery_attempts") == {("serving",): attempts, ("flags",): 0.0}
    assert told(api, "actions_unconfirmed") == {(): float(state == "unconfirmed")}


def test_every_state_of_an_action_has_an_outcome_and_hooks_that_left_are_one(api: Api) -> None:
    api.post("/policies/cooling/rollback", {"reason": "Try it."})
    for number, state in enumerate(ActionState):
        change(api, state=state.value, hook=f"was{number}", attempts=2)
        found = told(api, "deliveries")
        assert {hook for (hook, _word), count in found.items() if count} == {GONE}
        assert {word for _hook, word in found} == set(OUTCOMES)
        assert told(api, "delivery_attempts")[GONE,] == 2.0


def test_incidents_are_counted_by_state_and_the_age_is_that_of_what_nobody_has(api: Api, clock: ManualClock) -> None:
    none = {("cooling",): 0.0, ("heating",): 0.0}
    assert told(api, "incidents_unacknowledged_seconds") == none
    with api.parts.database.begin() as connection:
        one = incidents.open_incident(connection, clock, "cooling", "Reward fell.").id
    clock.advance(100.0)
    found = told(api, "incidents")
    assert ({labels for labels, count in found.items() if count}, len(found)) == ({("cooling", "triggered")}, 10)
    assert told(api, "incidents_unacknowledged_seconds") == {**none, ("cooling",): 100.0}
    with api.parts.database.begin() as connection:
        incidents.acknowledge(connection, api.parts.settings, clock, one, "anna")
    assert told(api, "incidents")["cooling", "acknowledged"] == 1.0
    assert told(api, "incidents_unacknowledged_seconds") == none
    clock.advance(50.0)
    with api.parts.database.begin() as connection:
        incidents.unacknowledge(connection, clock, one, "anna")
    clock.advance(20.0)
    assert told(api, "incidents_unacknowledged_seconds") == {**none, ("cooling",): 20.0}
    clock.advance(-86400.0)
    assert told(api, "incidents_unacknowledged_seconds") == {**none, ("cooling",): inf}


def test_a_log_with_endless_wrong_fields_makes_no_endless_series(api: Api) -> None:
    fields = [f"state.x{number:03}" for number in range(FIELDS + 10) for _ in range(2 if number < FIELDS else 1)]
    wrong = [("cooling", name) for name in fields] + [("gone", "ts"), ("left", "ts")]
    row = {"origin": "o", "row": 1, "reason": "r", "raw": "{}", "at": 0.0}
    with api.parts.database.begin() as connection:
        connection.execute(insert(quarantine), [{**row, "policy": policy, "field": field} for policy, field in wrong])
    found = told(api, "quarantined_rows")
    assert len(found) == FIELDS + 2
    assert (found[OTHER, "cooling"], found["ts", GONE]) == (10.0, 2.0)
    assert sum(found.values()) == len(wrong)
