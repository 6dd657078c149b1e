"""Rotas: turns keep their local time, the last override counts, and a gap is said a week before it is there."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import pytest

from monitor.incidents.oncall import gaps, missing, shown, turn
from monitor.settings import ConfigurationError, parse
from monitor.settings.oncall import Oncall
from tests.woken import CONFIGURED, LEVELS, PEOPLE, ROTA

DAY = 86400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def rota(**more: Any) -> Oncall:
    table = {"people": ["anna", "bo"], "start": "2026-03-23T09:00:00", "zone": "Europe/Berlin", "every": "7d", **more}
    return Oncall.model_validate(table)


def test_a_turn_of_whole_days_hands_over_at_the_same_local_time_through_summer_time() -> None:
    weekly = rota()  # summer time begins on 29 March 2026
    first, second = turn(weekly, at("2026-03-24T00:00Z")), turn(weekly, at("2026-03-30T07:00Z"))
    assert first is not None
    assert second is not None
    assert (first.person, first.begin, first.end) == ("anna", at("2026-03-23T08:00Z"), at("2026-03-30T07:00Z"))
    assert (second.person, second.end - second.begin) == ("bo", 7 * DAY)
    held = turn(weekly, at("2026-03-30T06:59:59Z"))
    assert held is not None
    assert held.person == "anna"


@pytest.mark.parametrize(
    ("key", "value"), [("every", "4000000d"), ("start", "0001-01-01T00:00:00+05:00"), ("start", "9999-12-31T09:00:00")]
)
def test_what_leads_out_of_the_calendar_is_no_rota(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=key):
        rota(**{key: value})


def test_shorter_turns_are_plain_hours() -> None:
    people = [turn(rota(every="8h"), at("2026-03-29T00:00Z") + 8 * 3600.0 * n) for n in range(4)]
    assert [one.person for one in people if one] == ["bo", "anna", "bo", "anna"]


def test_a_start_with_a_zone_is_that_moment() -> None:
    held = turn(rota(start="2026-03-23T09:00:00Z"), at("2026-03-23T09:00:00Z"))
    assert held is not None
    assert held.begin == at("2026-03-23T09:00:00Z")


def test_the_last_override_counts_and_cuts_the_turn() -> None:
    changes = [
        {"person": "cleo", "from": "2026-03-25T00:00:00Z", "until": "2026-03-26T00:00:00Z"},
        {"person": "bo", "from": "2026-03-25T12:00:00Z", "until": "2026-03-25T18:00:00Z"},
    ]
    changed = rota(override=changes)
    days = ("2026-03-24T00:00Z", "2026-03-25T06:00Z", "2026-03-25T13:00Z", "2026-03-25T19:00Z", "2026-03-26T00:00Z")
    assert [held.person for day in days if (held := turn(changed, at(day)))] == ["anna", "cleo", "bo", "cleo", "anna"]
    before = turn(changed, at(days[0]))
    assert before is not None
    assert before.end == at("2026-03-25T00:00Z")


def test_nobody_is_on_call_before_the_start_and_after_the_end() -> None:
    short = rota(until="2026-04-01T00:00:00Z")
    assert turn(short, at("2026-03-23T07:59:59Z")) is None
    assert turn(short, at("2026-04-01T00:00:00Z")) is None
    assert gaps(short, at("2026-03-20T00:00Z"), at("2026-04-02T00:00Z")) == [
        (at("2026-03-20T00:00Z"), at("2026-03-23T08:00Z")),
        (at("2026-04-01T00:00Z"), at("2026-04-02T00:00Z")),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_turns_follow_each_other_without_holes_or_overlaps(seed: int) -> None:
    rng = random.Random(seed)
    zone = rng.choice(["Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe"])
    tried = rota(zone=zone, every=rng.choice(["1d", "7d", "8h", "5h"]), people=["anna", "bo", "cleo"])
    moment = at("2026-03-23T23:30Z")
    for _ in range(40):
        held = turn(tried, moment)
        assert held is not None
        assert held.begin <= moment < held.end
        last = turn(tried, held.end - 0.5)
        assert last == held
        moment = held.end
    assert gaps(tried, at("2026-03-24T00:00Z"), moment) == []


def settings(**more: Any) -> Any:
    return parse({"policy": {"p": {"incumbent": "v6", "escalation": "night"}}, **CONFIGURED, **more})


def test_a_gap_in_the_coming_week_is_a_finding_where_the_rota_is_needed() -> None:
    now = at("2026-03-20T00:00Z")
    ends = {**ROTA, "until": "2026-03-26T00:00:00Z"}
    (said,) = missing(settings(oncall={"first": ends}), now, "p")
    assert said.startswith("Nobody is on call in the rota first from 2026-03-26T00:00:00Z until 2026-03-27T00:00:00Z")
    later = {**ROTA, "until": "2026-03-28T00:00:00Z"}
    assert missing(settings(oncall={"first": later}), now, "p") == []
    other = settings(oncall={"first": ROTA, "spare": ends})
    assert missing(other, now, "p") == [], "nobody is woken through the other one"


def test_who_is_on_call_and_who_is_next_is_shown() -> None:
    (found,) = shown(settings(), at("2025-06-15T12:00Z"))
    assert (found["rota"], found["now"]["person"], found["now"]["notify"]) == ("first", "anna", ["anna_phone"])
    assert (found["next"]["person"], found["next"]["from"]) == ("bo", "2025-06-16T09:00:00Z")
    assert found["gaps"] == []
    (empty,) = shown(settings(), at("2025-06-01T12:00Z"))
    assert (empty["now"], empty["next"]["person"]) == (None, "anna")


WRONG = [
    ({"oncall": {"first": {**ROTA, "people": ["ana"]}}}, r"oncall.first.people: there is no \[person.ana\].*anna"),
    ({"oncall": {"first": {**ROTA, "zone": "Berlin"}}}, "oncall.first.zone: 'Berlin' is no time zone"),
    ({"oncall": {"first": {**ROTA, "every": "1m"}}}, "oncall.first.every"),
    ({"oncall": {}}, r"escalation.night.levels, level 1: there is no \[oncall.first\]"),
    ({"escalation": {}}, r"policy.p.escalation: there is no \[escalation.night\]"),
    ({"escalation": {"night": {"levels": []}}}, "escalation.night.levels"),
    ({"escalation": {"night": {"levels": [{"notify": ["team:a"]}]}}}, '"oncall:NAME", "person:NAME" or a channel'),
    ({"escalation": {"night": {"levels": [{**LEVELS[0], "within": "1s"}]}}}, "within"),
    ({"person": {**PEOPLE, "bo": {"notify": []}}}, "person.bo.notify"),
    ({"heartbeat": {"url": "hc.example"}}, "heartbeat.url: 'hc.example' is no address"),
]


@pytest.mark.parametrize(("more", "said"), WRONG)
def test_a_name_that_leads_nowhere_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        settings(**more)
