"""The pages where people work, without a browser: reviews are blind, tokens are asked for, hostile words stay words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash import dcc
from dash.development.base_component import Component
from sqlalchemy import select

from dashboard import operating, reviewing, rules
from dashboard.data import Data, Refused
from dashboard.pages import agreeing, queue, review, running, triggers
from dashboard.people import bearer, viewer
from monitor import tokens
from monitor.clock import ManualClock
from monitor.runtime import build
from monitor.settings import load
from monitor.store.tables import actions, notifications, review_verdicts
from tests.desk_seeds import ANNA, BEN, DEAD, HOSTILE, LOOKS, STUCK, seed_desk
from tests.seeds import NOW, TOKEN
from tests.test_dashboard_pages import text_of


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seed_desk(tmp_path_factory.mktemp("desk") / "store")


@pytest.fixture
def desk(seeded: Path, tmp_path: Path) -> Iterator[tuple[Data, list[str]]]:
    """A store of its own, and how often what sends was woken."""
    store, woken = Path(shutil.copytree(seeded, tmp_path / "store")), list[str]()
    parts = build(load(store / "checkrein.toml"), ManualClock(NOW))
    yield Data(parts, lambda: woken.append("woken")), woken
    parts.database.close()


@pytest.fixture
def data(desk: tuple[Data, list[str]]) -> Data:
    return desk[0]


def refused(field: str, act: Any, *given: Any) -> str:
    with pytest.raises(Refused) as told:
        act(*given)
    assert told.value.field == field
    return told.value.sentence


def group(found: list[dict[str, Any]], policy: str = "cooling") -> dict[str, Any]:
    (one,) = [one for one in found if one["policy"] == policy]
    return one


def test_a_token_says_who_looks_and_what_for(data: Data) -> None:
    assert (bearer(data, f" {ANNA} ").who, viewer(data, ANNA), viewer(data, TOKEN)) == ("Anna", "Anna", "serving")
    assert (viewer(data, LOOKS), viewer(data, "guessed"), viewer(data, None)) == ("Zoe", None, None)
    assert "needs the scope act" in refused("token", bearer, data, LOOKS)
    for bad in ("guessed", "old", "gone"):
        assert "not known, was revoked, or has expired" in refused("token", bearer, data, bad)
    assert "Type your API token" in refused("token", bearer, data, " ")


def test_the_queue_is_blind_and_puts_an_exploit_first_for_who_judged_it_too(data: Data) -> None:
    found = group(reviewing.queue(data, None, None))
    assert found["queue"]["exploits"] == 1
    assert [one["id"] for one in found["waiting"]] == ["r01", "r02", "r05", "r03", "r04"], "the oldest first"
    words = text_of(queue.queue(reviewing.queue(data, None, ANNA), NOW, None))
    assert "exploit said" not in words
    reviewing.judge(data, "r02", "improvement", "", ANNA)
    found = group(reviewing.queue(data, None, ANNA))
    assert found["waiting"][0]["id"] == "r02"
    assert "exploit said, disputed" in text_of(review.standing(found["waiting"][0]))
    other = group(reviewing.queue(data, None, BEN))["waiting"][0]
    assert (other["id"], other["state"], other["exploit"]) == ("r02", "disputed", None)


def test_what_others_said_comes_with_ones_own_verdict(data: Data) -> None:
    before = reviewing.item(data, "r02", ANNA)
    assert before is not None
    assert (before["verdicts"], before["mine"]) == ([], None)
    shown = text_of(review.view(before, NOW))
    assert "One person has judged it. What they said is shown once you have judged it too." in shown
    assert "Carl" not in shown
    reviewing.judge(data, "r02", "neutral", "It makes no difference.", ANNA)
    after = reviewing.item(data, "r02", ANNA)
    assert after is not None
    assert (after["mine"]["verdict"], after["state"]) == ("neutral", "disputed")
    assert "Carl" in text_of(review.view(after, NOW))
    assert "Carl" not in text_of(review.view(reviewing.item(data, "r02", BEN), NOW))


def test_two_people_decide_and_two_tokens_of_one_person_do_not(data: Data) -> None:
    with data.parts.database.begin() as connection:
        second = tokens.create(connection, data.parts.clock, "anna-phone", "Anna", ["act"], 3600.0, "test")
    assert reviewing.judge(data, "r01", "improvement", "", ANNA)["state"] == "open"
    assert reviewing.judge(data, "r01", "improvement", "", second)["state"] == "open"
    assert reviewing.judge(data, "r01", "improvement", "", BEN)["state"] == "decided"
    with data.parts.database.read() as connection:
        rows = connection.execute(select(review_verdicts.c.name).where(review_verdicts.c.review == "r01")).scalars()
        assert sorted(rows) == ["Anna", "Ben"]


def test_a_verdict_is_checked_again_whatever_a_callback_sends(data: Data) -> None:
    assert "no verdict maybe" in refused("item", reviewing.judge, data, "r01", "maybe", "", ANNA)
    assert "no longer in the queue" in refused("item", reviewing.judge, data, "nothing", "neutral", "", ANNA)
    assert "2000" in refused("note", reviewing.judge, data, "r01", "neutral", "x" * 2001, ANNA)
    assert "2000" in refused("note", reviewing.judge, data, "r01", "neutral", "\x00", ANNA)
    refused("token", reviewing.judge, data, "r01", "neutral", "", LOOKS)
    refused("item", reviewing.judge, data, None, "neutral", "", ANNA)
    assert reviewing.item(data, "a\x00b", None) is None


def test_next_is_what_others_began_then_the_rest_and_nothing_twice(data: Data) -> None:
    current = reviewing.following(data, "cooling", None, ANNA)
    assert current == "r02", "somebody waits for a second opinion"
    seen: list[str] = []
    while current is not None and len(seen) < 10:
        seen.append(current)
        reviewing.judge(data, current, "neutral", "", ANNA)
        current = reviewing.following(data, "cooling", current, ANNA)
    assert sorted(seen) == ["r01", "r02", "r03", "r04", "r05"]
    assert reviewing.following(data, None, "r05", ANNA) == "h01"
    assert reviewing.following(data, "cooling", "r01", None) == "r05", "without a token, the next in the list"


def test_agreement_and_rates_are_said_with_their_intervals(data: Data) -> None:
    words = text_of(agreeing.agreement(reviewing.agreement(data, "cooling")))
    assert "Krippendorff's alpha is" in words
    assert "Anna and Ben" in words
    assert "64 large disagreements in 4000 decisions" in words
    assert "%" in words


def parts_of(component: Any) -> Iterator[Any]:
    if isinstance(component, Component):
        yield component
        yield from parts_of(getattr(component, "children", None))
    elif isinstance(component, list | tuple):
        for part in component:
            yield from parts_of(part)


def test_hostile_names_values_and_notes_are_text_and_nothing_that_makes_html_of_it(data: Data) -> None:
    reviewing.judge(data, "h01", "exploit", HOSTILE, ANNA)
    ops = operating.operations(data)
    shown = [
        review.view(reviewing.item(data, "h01", ANNA), NOW),
        queue.queue(reviewing.queue(data, None, ANNA), NOW, None),
        agreeing.agreement(reviewing.agreement(data, HOSTILE)),
        running.dead(ops["messages"], ops["actions"], NOW),
        running.drills(ops["drills"], NOW),
        triggers.table(HOSTILE, rules.triggers(data, HOSTILE)["triggers"], NOW),
    ]
    assert all(HOSTILE in text_of(one) for one in shown[:2])
    every = [part for one in shown for part in parts_of(one)]
    assert not [part for part in every if isinstance(part, dcc.Markdown)]
    assert not [part for part in every if getattr(part, "dangerously_allow_html", False)]
    for link in (part.href for part in every if getattr(part, "href", None)):
        assert link.startswith("/")
        assert "<" not in link


def test_operations_say_who_is_reached_what_runs_and_what_waits(data: Data) -> None:
    found = operating.operations(data)
    channels = {one["name"]: one for one in found["channels"]}
    assert (channels["duty"]["dead"], channels["team"]["waiting"]) == (1, 1)
    words = text_of(running.telling(found["channels"], found["messages"], NOW))
    assert "1 dead letter" in words
    assert "trying again" in words
    assert "did not answer within 10 s" in words
    jobs = {one["job"]: one["state"] for one in found["jobs"]}
    assert (jobs["checklist:bidder"], jobs["auditor"], jobs["actions"]) == ("failing", "late", "seen")
    assert jobs["judge:cooling"] == "never"
    assert jobs["notifications"] == "never"
    assert found["jobs"][0]["job"] == "checklist:bidder"
    assert "No space left" in text_of(running.jobs(found["jobs"], NOW))


def test_drills_say_what_passed_what_is_late_and_how_to_start_one(data: Data) -> None:
    found = {(one["policy"], one["trigger"]): one for one in operating.operations(data)["drills"]}
    assert "due every" in found["cooling", "reward_3sigma"]["overdue"]
    assert found["cooling", "hard_constraint"]["passed"] is None
    assert found["cooling", "kill"]["passed"] is not None
    assert found["bidder", "kill"]["newest"] is None
    words = text_of(running.drills(list(found.values()), NOW))
    assert "82.4 s of 60 s" in words
    assert "checkrein runbook drill --all --policy bidder" in words
    assert f"--policy '{HOSTILE}'" in words


def test_tokens_show_whose_they_are_and_no_secret(data: Data) -> None:
    words = text_of(running.tokens(operating.operations(data)["tokens"], NOW))
    assert all(name in words for name in ("Anna", "view, ack, act, approve", "expired", "revoked", "a program's"))
    assert ANNA not in words
    assert "sha256" not in words


def test_a_test_and_a_replay_need_a_token_that_may_act_and_wake_what_sends(desk: tuple[Data, list[str]]) -> None:
    data, woken = desk
    refused("token", operating.test, data, "duty", LOOKS)
    assert "no [notify.nobody]" in refused("what", operating.test, data, "nobody", BEN)
    refused("token", operating.move, data, "replay", DEAD, "guessed")
    refused("what", operating.move, data, "drop", DEAD, BEN)
    assert "no such message" in refused("what", operating.move, data, "replay", "ntf_none", BEN)
    assert woken == []
    identity = operating.test(data, "duty", BEN)
    (one,) = operating.messages_of(data, [identity])
    assert (one["kind"], one["state"], one["channel"]) == ("test", "pending", "duty")
    assert "No attempt yet." in text_of(running.attempt(one))
    assert "waits to be sent" in operating.move(data, "replay", DEAD, BEN)
    assert "cannot be replayed any more" in refused("what", operating.move, data, "replay", DEAD, BEN)
    assert "waiting to be sent" in operating.move(data, "replay-action", STUCK, BEN)
    assert "cancelled" in operating.move(data, "cancel-action", STUCK, BEN)
    assert len(woken) == 4
    with data.parts.database.read() as connection:
        assert connection.execute(select(notifications.c.state).where(notifications.c.id == DEAD)).scalar() == "pending"
        assert connection.execute(select(actions.c.state).where(actions.c.id == STUCK)).scalar() == "cancelled"


def test_triggers_say_where_each_stands_when_it_fired_and_what_the_backtest_found(data: Data) -> None:
    found = rules.triggers(data, "cooling")
    by_name = {one["trigger"]: one for one in found["triggers"]}
    assert by_name["reward_3sigma"]["fired"] == NOW - 900
    assert by_name["reward_3sigma"]["drilled"] is not None
    assert by_name["reward_3sigma"]["replayed"]["firings"] == 1
    assert found["triggers"][0]["severity"] == "rollback"
    words = text_of(triggers.table("cooling", found["triggers"], NOW))
    assert "never judged" in words
    assert "1 firing" in words
    assert "2976 windows, 1 firing" in text_of(triggers.replay("cooling", found["backtest"], NOW)).replace(" , ", ", ")
    assert "No backtest" in text_of(triggers.replay("bidder", rules.triggers(data, "bidder")["backtest"], NOW))
    assert "are accepted" in text_of(triggers.budget(rules.budget(data, "cooling")))
