"""Inhibition: while a source fires, what is like it pages nobody; what still fires when the source ends pages then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import status
from monitor.alerting import alert_ids, silences
from monitor.alerting.inhibitions import Where, inhibited
from monitor.clock import ManualClock
from monitor.settings import ConfigurationError, parse
from monitor.store.database import Database
from monitor.store.tables import actions, routes, transitions
from monitor.tick import Parts
from tests.paged import LIMIT, RULE, judged, pages, parts_of, passed

QUICK = {"enabled": True, "for": "1 window", "clear": "1 window"}
BLIND = {"no_data": QUICK}
PAGE = {**RULE, **LIMIT, "severity": "page"}


def later(parts: Parts, windows: Mapping[tuple[str, str, str], bool], seconds: float = 60.0) -> list[list[str]]:
    """Move the clock, do a pass, and return the triggers of each page so far."""
    assert isinstance(parts.clock, ManualClock)
    parts.clock.advance(seconds)
    passed(parts, windows)
    return [[one["trigger"] for one in page["alerts"]] for page in pages(parts)]


def overlays(parts: Parts, trigger: str) -> list[Any]:
    with parts.database.read() as connection:
        found = status.of(connection, parts.settings, parts.clock, "p")["alerts"]
    return [one for item in found if item["trigger"] == trigger for one in item["overlays"]]


def test_while_no_data_arrives_the_policys_other_alerts_wait(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = parts_of(database, clock, tmp_path, trigger=BLIND)
    silent, low = ("*", "no_data", ""), ("v7", "low", "")
    assert later(parts, {silent: True, low: True}) == [["no_data"]]
    (overlay,) = overlays(parts, "low")
    assert (overlay["kind"], overlay["name"], overlay["reason"]) == ("inhibited", "blind", "inhibited by no_data")
    assert overlay["text"] == "inhibited by no_data (rule blind): nobody is paged about it until that is over."
    assert overlays(parts, "no_data") == []
    with database.read() as connection:
        moved = connection.execute(select(transitions.c.trigger).where(transitions.c.new == "firing")).scalars().all()
    assert sorted(moved) == ["low", "no_data"]  # the state moves and is on record
    assert later(parts, {silent: False}) == [["no_data"], ["low"]]
    assert overlays(parts, "low") == []


def test_what_is_over_before_its_source_pages_nobody(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    parts = parts_of(database, clock, tmp_path, trigger=BLIND)
    later(parts, {("*", "no_data", ""): True, ("v7", "low", ""): True})
    later(parts, {("v7", "low", ""): False})
    assert later(parts, {("*", "no_data", ""): False}) == [["no_data"]]


def test_a_source_that_recovers_still_speaks(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    slow = {"no_data": {**QUICK, "clear": "2 windows"}}
    parts = parts_of(database, clock, tmp_path, trigger=slow)
    silent = ("*", "no_data", "")
    later(parts, {silent: True, ("v7", "low", ""): True})
    assert later(parts, {silent: False}) == [["no_data"]]
    assert later(parts, {silent: False}) == [["no_data"], ["low"]]


def test_a_rollback_speaks_for_the_pages_of_its_version_and_of_no_other(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = parts_of(database, clock, tmp_path)
    rows = {("v7", "grave", ""): True, ("v7", "low", ""): True, ("v6", "low", ""): True}
    assert later(parts, rows) == [["low"]]
    assert pages(parts)[0]["version"] == "v6"
    assert [one["reason"] for one in overlays(parts, "low")] == ["inhibited by grave"]
    with database.read() as connection:
        assert connection.execute(select(routes.c.serving)).scalar_one() == "v6"
    assert later(parts, {("v7", "grave", ""): False}) == [["low"], ["low"]]


def test_a_rollback_is_never_inhibited(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    rule = {"mine": {"source": ["low"], "target": ["grave", "mild"], "same": ["policy"]}}
    parts = parts_of(database, clock, tmp_path, tables={"inhibit": {**rule, "rolled_back": {"enabled": False}}})
    later(parts, {("v7", "low", ""): True})
    later(parts, {("v7", "grave", ""): True, ("v7", "mild", ""): True})
    assert overlays(parts, "grave") == []
    assert [one["name"] for one in overlays(parts, "mild")] == ["mine"]
    with database.read() as connection:
        assert connection.execute(select(actions.c.state)).scalar_one() == "delivered"


def test_only_who_is_heard_keeps_others_quiet(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    first = {"source": ["first"], "target": ["low"], "same": ["policy", "version", "key"]}
    second = {"source": ["low"], "target": ["last"], "same": ["version"]}
    more = {"first": PAGE, "last": PAGE}
    parts = parts_of(database, clock, tmp_path, tables={"inhibit": {"first": first, "second": second}}, trigger=more)
    where = [("v7", name, "") for name in ("first", "low", "last")]
    # low waits for first, so that it speaks for nobody
    assert later(parts, dict.fromkeys(where, True)) == [["first", "last"]]
    later(parts, {where[0]: False})
    assert [one["name"] for one in overlays(parts, "last")] == ["second"]


@pytest.mark.parametrize("how", ["silence", "dry run", "switched off"])
def test_a_source_that_wakes_nobody_keeps_nobody_quiet(
    database: Database, clock: ManualClock, tmp_path: Path, how: str
) -> None:
    change: dict[str, Any] = {"silence": {}, "dry run": {"dry_run": True}, "switched off": {}}[how]
    off = {"blind": {"enabled": False}} if how == "switched off" else {}
    parts = parts_of(database, clock, tmp_path, tables={"inhibit": off}, trigger={"no_data": {**QUICK, **change}})
    if how == "silence":
        with database.begin() as connection:
            silences.add(
                connection, parts.settings, clock, "p", trigger="no_data", version="", owner="anna", reason="Known.",
                until=clock.now() + 3600.0, actor="cli",
            )  # fmt: skip
    found = later(parts, {("*", "no_data", ""): True, ("v7", "low", ""): True})
    assert ["low"] in found


def test_pages_of_several_triggers_are_one_for_a_version(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = parts_of(database, clock, tmp_path, trigger={"other": PAGE})
    rows = {("v7", "low", "inlet"): True, ("v7", "low", "load"): True, ("v7", "other", ""): True}
    later(parts, {**rows, ("v6", "low", ""): True})
    one, other = sorted(pages(parts), key=lambda page: page["version"])
    assert (one["version"], one["trigger"], one["keys"]) == ("v6", "low", [""])
    assert other["text"] == (
        "2 triggers for p under v7. low inlet and 1 more series fires: The reward fell. other fires: The reward fell."
    )
    assert [(alert["trigger"], alert["key"]) for alert in other["alerts"]] == [
        ("low", "inlet"), ("low", "load"), ("other", "")
    ]  # fmt: skip
    assert other["alerts"][0]["id"] == alert_ids.identify("p", "v7", "low", "inlet")
    assert (other["trigger"], other["keys"], other["why"]) == ("low", ["inlet", "load"], "firing")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"a": {"source": ["no_dato"]}}, "inhibit.a.source: there is no trigger 'no_dato'; did you mean no_data"),
        ({"a": {"source": ["no_data"], "target": ["no_data"]}}, "an alert never inhibits itself"),
        ({"a": {"target": ["no_data"]}}, "either source"),
        ({"a": {"source": ["no_data"], "source_severity": "page"}}, "either source"),
        ({"a": {"sources": ["no_data"]}}, "did you mean source"),
        ({"a": {"source": ["novelty"], "target": ["evaluation_error"]}}, "in a circle"),
        ({"a": {"source": ["novelty"], "target": ["latency_sla"]}, "b": {"source": ["latency_sla"]}}, "in a circle"),
    ],
)
def test_a_rule_that_cannot_be_says_what_to_change(rules: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse({"policy": {"p": {"incumbent": "v1"}}, "inhibit": rules})


def test_a_rule_reaches_into_other_policies_only_where_it_says_so() -> None:
    rule = {"source": ["no_data"], "target": ["latency_sla"], "same": ["version"]}
    both = {name: {"incumbent": "v1"} for name in ("p", "q")}
    settings = parse({"policy": both, "inhibit": {"wide": rule, "blind": {"enabled": False}}})
    triggers = {name: settings.triggers(name) for name in both}
    source, like, other = (
        Where("p", "v1", "no_data", ""), Where("q", "v1", "latency_sla", ""), Where("q", "v2", "latency_sla", "")
    )  # fmt: skip
    found = inhibited(settings.inhibit, triggers, [source, like, other])
    assert {where: why.rule for where, why in found.items()} == {like: "wide"}


def test_a_source_of_another_policy_inhibits_live_too(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    rule = {"wide": {"source": ["mild"], "target": ["low"], "same": ["version"]}}
    parts = parts_of(database, clock, tmp_path, tables={"inhibit": rule})
    judged(parts, True, "mild")
    assert later(parts, {("v7", "low", ""): True}) == []
    assert later(parts, {("v7", "mild", ""): False}) == [["low"]]
