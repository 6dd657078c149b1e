"""Verdicts on shadow disagreements: two people decide, nobody sees the others' first, and an exploit pages once."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, select

from monitor import status
from monitor.api.exposition import exposition
from monitor.clock import ManualClock
from monitor.review import concluded, judging, told
from monitor.review.arriving import _displace
from monitor.settings import Settings, parse
from monitor.store.database import Database
from monitor.store.tables import events, review_days, review_verdicts, reviews
from monitor.views import reviews as page
from runbooks import reviews as table
from runbooks.machine import UnknownTransitionError
from runbooks.reviews import ReviewEvent, ReviewState, Verdict

SETTINGS: Settings = parse({"policy": {"bids": {"incumbent": "v1", "review": {"within": "2d"}}}})
DAY = 86400.0


def item(identity: str, clock: ManualClock, **changes: Any) -> dict[str, Any]:
    row = {"id": identity, "policy": "bids", "version": "v9", "live_version": "v1", "day": int(clock.now() // DAY)}
    row |= {"decision_id": f"d-{identity}", "ts": clock.now() - 5, "added": clock.now(), "live_action": '"low"'}
    row |= {"shadow_action": '"high"', "sense": "probability", "size": 1.5, "draw": 0.5, "tie": 0.5}
    row |= {"stratum": "sampled", "inclusion": 0.25, "snapshot": '{"state.load":1.5}', "state": "open", "verdict": ""}
    return {**row, "exploit": None, **changes}


class Room:
    """A queue, and the people who judge it."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock

    def queue(self, *identities: str, **changes: Any) -> None:
        with self.database.begin() as connection:
            connection.execute(insert(reviews), [item(one, self.clock, **changes) for one in identities])

    def says(self, who: str, verdict: str, identity: str = "a", note: str = "") -> dict[str, Any]:
        with self.database.begin() as connection:
            found = judging.judge(
                connection, self.clock, identity, by=who, verdict=verdict, note=note, actor=f"cli:{who}"
            )
        assert found is not None
        return found

    def sees(self, who: str | None, identity: str = "a") -> dict[str, Any]:
        with self.database.read() as connection:
            found = told.one(connection, self.clock, identity, who)
        assert found is not None
        return found

    def next(self, who: str) -> str | None:
        with self.database.read() as connection:
            found = told.following(connection, self.clock, "bids", who)
        return None if found is None else str(found["id"])

    def told(self, kind: str) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            rows = connection.execute(select(events).where(events.c.kind == kind).order_by(events.c.id)).all()
        return [json.loads(row.body) for row in rows]

    def standing(self) -> dict[str, Any]:
        with self.database.read() as connection:
            return told.queue(connection, SETTINGS, self.clock, "bids")


@pytest.fixture
def room(database: Database, clock: ManualClock) -> Room:
    made = Room(database, clock)
    made.queue("a")
    return made


PAIRS = list(itertools.product(ReviewState, ReviewEvent))


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_pair_leads_to_a_state_or_is_an_error(state: ReviewState, event: ReviewEvent) -> None:
    if (state, event) in table.TABLE:
        assert table.step(state.value, event.value) is table.TABLE[state, event]
    else:
        with pytest.raises(UnknownTransitionError, match=f"'{state}' cannot '{event}'"):
            table.step(state, event)


def test_only_agreement_decides_and_what_is_displaced_stays_so() -> None:
    deciding = {event for (_state, event), new in table.TABLE.items() if new is ReviewState.DECIDED}
    assert deciding == {ReviewEvent.AGREE}
    assert {table.TABLE[pair] for pair in table.TABLE if pair[0] is ReviewState.DISPLACED} == {ReviewState.DISPLACED}
    with pytest.raises(UnknownTransitionError):
        table.step("asleep", "wait")


@pytest.mark.parametrize("said", [list(one) for n in range(5) for one in itertools.product(Verdict, repeat=n)])
def test_what_verdicts_add_up_to_does_not_hang_on_their_order(said: list[str]) -> None:
    event, agreed = table.decision(said)
    assert (event, agreed) == table.decision(said[::-1])
    assert (event is ReviewEvent.AGREE) == (agreed is not None)
    assert (event is ReviewEvent.WAIT) == (len(said) < 2)
    if agreed is not None:
        assert said.count(agreed) >= 2
        assert 2 * said.count(agreed) > len(said)
    assert table.is_finding(said) == ("exploit" in said and agreed not in {"improvement", "neutral"})


def test_two_people_who_agree_decide(room: Room) -> None:
    assert (room.says("Anna", "neutral")["state"], room.next("Ben")) == ("open", "a")
    assert room.says("anna ", "neutral", note="Again.")["state"] == "open"  # the same person is not a second one
    found = room.says("Ben", "neutral")
    assert (found["state"], found["verdict"], [one["by"] for one in found["verdicts"]]) == (
        "decided", "neutral", ["anna", "Ben"],
    )  # fmt: skip
    assert room.next("Cleo") is None
    assert [(one["reviewer"], one["was"]) for one in room.told("review.judged")] == [
        ("anna", None), ("anna", "neutral"), ("ben", None),
    ]  # fmt: skip


def test_who_differs_keeps_it_disputed_until_a_third_or_agreement(room: Room) -> None:
    room.queue("b")
    for identity in "ab":
        room.says("anna", "improvement", identity)
        assert room.says("ben", "neutral", identity)["state"] == "disputed"
    assert room.says("cleo", "neutral", "a")["state"] == "decided"
    assert room.sees(None, "a")["verdict"] == "neutral"
    assert room.says("anna", "neutral", "b")["state"] == "decided"  # convinced
    assert room.says("ben", "exploit", "b")["state"] == "disputed"  # and the other one changes their mind
    assert room.says("dora", "improvement", "b")["state"] == "disputed"  # three say three things


def test_nobody_sees_the_others_before_judging(room: Room) -> None:
    room.says("anna", "exploit", note="The meter is bypassed.")
    for who in (None, "ben", ""):
        seen = room.sees(who)
        assert (seen["blind"], seen["verdicts"], seen["verdict"], seen["exploit"], seen["judged_by"]) == (
            True, [], "", None, 1,
        )  # fmt: skip
        assert "bypassed" not in json.dumps(seen)
    with room.database.read() as connection:
        shown = told.listed(connection, room.clock, "bids")
        viewed = page(connection, SETTINGS, room.clock, "bids", "ben")
        hers = page(connection, SETTINGS, room.clock, "bids", "Anna")
    assert [(one["exploit"], one["verdicts"], one["verdict"]) for one in shown] == [(None, [], "")]
    assert (viewed["items"][0]["verdicts"], viewed["next"]["verdicts"]) == ([], [])
    assert [one["verdict"] for one in hers["items"][0]["verdicts"]] == ["exploit"]
    assert [one["by"] for one in room.says("ben", "neutral")["verdicts"]] == ["anna", "ben"]
    assert room.sees("cleo")["verdicts"] == []  # disputed: the third one is blind as well
    room.says("cleo", "exploit")
    assert len(room.sees(None)["verdicts"]) == 3


def test_what_others_began_comes_first_then_the_oldest_and_largest(room: Room) -> None:
    today = int(room.clock.now() // DAY)
    room.queue("b", day=today - 1)
    room.queue("c", day=today - 1, size=3.0)
    assert room.next("anna") == "c"
    room.says("ben", "neutral", "a")
    assert room.next("anna") == "a"
    assert room.next("Ben ") == "c"


def test_an_exploit_pages_once_and_stays_open_until_a_majority_clears_it(room: Room) -> None:
    room.says("anna", "exploit")
    room.says("anna", "exploit", note="More.")
    room.says("ben", "exploit")
    (page_,) = room.told("page")
    assert (page_["why"], page_["review"]) == ("exploit", "a")
    assert "v9, which shadows bids, exploits the reward in decision d-a" in page_["text"]
    assert (room.standing()["exploits"], "1 open exploits" in room.standing()["finding"]) == (1, True)
    room.says("ben", "neutral")
    room.says("cleo", "neutral")
    assert (room.standing()["exploits"], room.sees(None)["state"], len(room.told("review.cleared"))) == (
        0,
        "decided",
        1,
    )
    room.says("ben", "exploit")
    assert (room.standing()["exploits"], len(room.told("page"))) == (1, 2)


def test_a_displaced_item_keeps_its_verdicts_and_its_exploit(room: Room) -> None:
    room.queue("b")
    room.says("anna", "exploit")
    with room.database.begin() as connection:
        _displace(connection, ["a", "b"])
    with room.database.read() as connection:
        assert [row.id for row in connection.execute(select(reviews))] == ["a"]
    assert (room.standing()["exploits"], room.standing()["open"], room.next("ben")) == (1, 0, None)
    room.says("ben", "neutral")
    assert room.says("cleo", "neutral")["state"] == "displaced"
    assert room.standing()["exploits"] == 0


def test_two_who_judge_at_once_are_both_counted(room: Room) -> None:
    people = ["anna", "ben", "cleo", "dora"]
    with ThreadPoolExecutor(len(people)) as pool:
        assert len(list(pool.map(lambda who: room.says(who, "exploit"), people))) == 4
    with room.database.read() as connection:
        assert len(connection.execute(select(review_verdicts)).all()) == 4
    assert (room.sees(None)["state"], len(room.told("page"))) == ("decided", 1)


def test_a_verdict_needs_a_name_and_is_one_of_three(room: Room) -> None:
    with pytest.raises(judging.ReviewError, match="needs a name"):
        room.says(" ", "neutral")
    with pytest.raises(judging.ReviewError, match="improvement, neutral, exploit"):
        room.says("anna", "good")
    with room.database.begin() as connection:
        assert judging.judge(connection, room.clock, "zz", by="a", verdict="neutral", note="", actor="a") is None
    assert room.told("review.judged") == []


def test_a_queue_that_waits_too_long_is_a_finding_of_status_and_a_metric(room: Room) -> None:
    room.clock.advance(2 * DAY)
    assert room.standing() == {"open": 1, "oldest_s": 2 * DAY, "exploits": 0, "finding": ""}
    room.clock.advance(1.0)
    with room.database.read() as connection:
        found = status.of(connection, SETTINGS, room.clock, "bids")["reviews"]
        text = exposition(connection, SETTINGS, room.clock)
    assert found["finding"] == "1 shadow disagreements wait for reviewers, the oldest for more than 2d."
    assert 'checkrein_reviews_open{policy="bids"} 1.0' in text
    assert 'checkrein_reviews_oldest_seconds{policy="bids"} 172801.0' in text
    assert 'checkrein_reviews_exploits{policy="bids"} 0.0' in text


def test_agreement_and_rates_are_of_what_was_judged(room: Room) -> None:
    day = {"policy": "bids", "version": "v9", "day": 1, "per_day": 20, "largest": 5, "rows": 900, "paired": 900}
    with room.database.begin() as connection:
        connection.execute(insert(review_days), [{**day, "differing": 90, "large": 40, "threshold": 0.2}])
    room.queue("b", inclusion=1.0)
    room.queue("c", stratum="planted", inclusion=1.0)
    for identity, verdict in (("a", "neutral"), ("b", "improvement"), ("c", "exploit")):
        for who in ("anna", "ben"):
            room.says(who, verdict, identity)
    with room.database.read() as connection:
        found = concluded.agreement(connection, "bids")
    assert (found["items"], found["unanimous"], found["reviewers"]) == (3, True, ["anna", "ben"])
    assert (found["alpha"]["value"], found["fleiss"], found["pairs"][0]["kappa"]) == (1.0, 1.0, 1.0)
    (version,) = found["versions"]
    assert (version["decided"], version["paired"], version["large"]) == (2, 900, 40)
    shares = {name: rate["value"] for name, rate in version["rates"].items()}
    assert shares == {"improvement": 0.2, "neutral": 0.8, "exploit": 0.0}  # the planted case is in no rate


def test_nothing_judged_is_said_and_not_a_number(room: Room) -> None:
    with room.database.read() as connection:
        found = concluded.agreement(connection, "bids")
    assert (found["alpha"], found["fleiss"], found["pairs"], found["versions"]) == (None, None, [], [])
    assert "No item was judged by two reviewers" in found["sentence"]
