"""The Rollout page over true rollouts: what it says in each state, and what it refuses; without a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dash.development.base_component import Component
from sqlalchemy import insert, select, update

from dashboard import figures, rolling
from dashboard.data import Data, Refused
from dashboard.pages import overview, rollout, rollout_dialog, rollouts, standing
from dashboard.pages import rollout_parts as parts
from dashboard.pages.stepper import stepper
from dashboard.words import PHASES
from monitor.clock import ManualClock
from monitor.incidents import open_incident
from monitor.runtime import build
from monitor.settings import load
from monitor.store.tables import checklist_runs, rollout_approvals, tokens
from monitor.store.tables import rollouts as rows
from monitor.views.markers import markers
from runbooks.rollouts import Phase
from tests.rollout_seeds import BEGAN, PEOPLE, SEEDED, seed
from tests.seeds import NOW
from tests.test_dashboard_pages import text_of

NAMES = ("bidder", "cooling", "ranker", "router", "sorter")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seed(tmp_path_factory.mktemp("rollouts") / "store", NAMES)


@pytest.fixture
def data(store: Path, tmp_path: Path) -> Iterator[Data]:
    """A copy of the store to act on."""
    copy = Path(shutil.copytree(store, tmp_path / "store"))
    found = build(load(copy / "checkrein.toml"), ManualClock(NOW))
    yield Data(found, lambda: None)
    found.database.close()


def of(data: Data, policy: str) -> dict[str, Any]:
    found = rolling.stand(data, policy)["rollout"]
    assert found is not None
    return dict(found)


def act(data: Data, verb: str, policy: str, who: str, **said: str) -> str:
    """Do it as the page does, with what the page shows now; return the sentence."""
    found = rolling.stand(data, policy)["rollout"] or {"id": None, "wanted": {"digest": None}}
    shown = {"id": found["id"], "digest": found["wanted"]["digest"]}
    typed = {"token": PEOPLE[who], "reason": "A test.", "typed": policy, **said}
    return str(rolling.act(data, verb, policy, shown, typed)["sentence"])


def refusal(data: Data, verb: str, policy: str, who: str, **said: str) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        act(data, verb, policy, who, **said)
    return refused.value.field, refused.value.sentence


def current(component: Component) -> list[str]:
    """The steps that are marked as the one under way."""
    return [text_of(one) for one in component.children if hasattr(one, "aria-current")]


@pytest.mark.parametrize(
    ("policy", "step"),
    [
        ("bidder", "draft waits for approval"),
        ("cooling", "25% passed, waits for people"),
        ("ranker", "25% held: inconclusive"),
        ("router", "50% rolled back"),
    ],
)
def test_the_stepper_marks_one_step_with_its_word_and_its_share(data: Data, policy: str, step: str) -> None:
    found = of(data, policy)
    assert found["phase"] == SEEDED[policy][2]
    (marked,) = current(stepper(found))
    assert step in marked
    names = [text_of(one.children[1]) for one in stepper(found).children]
    assert names == ["draft", "approved", "shadow", "1%", "5%", "25%", "50%", "100%", "stable"]


def test_every_phase_has_a_state_and_a_word_and_only_what_serves_is_green() -> None:
    assert set(PHASES) == {phase.value for phase in Phase}
    assert [name for name, (state, _word) in PHASES.items() if state == "healthy"] == ["stable"]


def test_the_page_says_hold_by_both_clocks_judgement_comparison_and_who_agreed(data: Data) -> None:
    _state, head, hold, agreed, acted, *_styles = rollout.standing(rolling.stand(data, "cooling"), NOW)
    assert "v6 75%, v7 25%" in text_of(head)
    assert "By the data" in text_of(hold)
    assert "By the clock" in text_of(hold)
    assert "1 of 2  who must advance it: anna." in text_of(agreed)
    assert "is confirmed" in text_of(acted)
    judged, chart, compared, watched, past = rollout.weighing(rolling.measured(data, "cooling"), NOW)
    assert "v7 earns more than v6" in text_of(judged)
    assert of(data, "cooling")["judgement_digest"][:12] in text_of(judged)
    assert [float(line.x0) < 0 for line in chart.layout.shapes] == [True, False]
    assert "as planned" in text_of(compared)
    assert "violation_warn heat" in text_of(watched)
    assert "none before" in text_of(past)


def test_a_comparison_that_measured_nothing_draws_its_sentence_and_no_effect() -> None:
    found = {"effect": None, "low": None, "high": None, "reasons": ["v7 has no mature decision."], "verdict": "error"}
    chart = figures.effect(found)
    assert len(chart.data) == 0
    assert "no mature decision" in chart.layout.annotations[0].text
    assert "nothing to compare" in figures.effect(None, "nothing to compare").layout.annotations[0].text


def test_what_ended_is_shown_with_what_it_ended_by_and_the_one_before(data: Data) -> None:
    judged, _chart, _compared, _watched, past = rollout.weighing(rolling.measured(data, "router"), NOW)
    assert "v7 earns less than v6" in text_of(judged)
    assert "aborted" in text_of(past)
    assert "The reward was logged wrong." in text_of(past)
    assert [one["kind"] for one in of(data, "router")["actions"]] == ["rollback", "stage"]


@pytest.mark.parametrize(
    ("policy", "verbs"),
    [
        ("bidder", {"approve", "abort"}),
        ("cooling", {"advance", "pause", "abort"}),
        ("ranker", {"pause", "abort"}),
        ("router", {"start"}),
        ("sorter", {"start"}),
    ],
)
def test_buttons_are_those_that_can_do_something(data: Data, policy: str, verbs: set[str]) -> None:
    found = rolling.stand(data, policy)
    assert rollout_dialog.offered(found["rollout"], found["start"]) == verbs


def test_two_people_approve_and_the_author_or_the_same_one_twice_do_not(data: Data) -> None:
    assert refusal(data, "approve", "bidder", "anna") == (
        "policy", "anna started rollout 1: somebody else approves it",
    )  # fmt: skip
    assert refusal(data, "approve", "bidder", "ben")[1] == "ben has agreed already: another person is needed"
    assert act(data, "approve", "bidder", "cleo") == "Approved by ben and cleo."
    assert of(data, "bidder")["phase"] == "approved"


def test_two_people_advance_and_the_route_moves_with_the_second(data: Data) -> None:
    assert refusal(data, "advance", "cooling", "anna")[1] == "anna has agreed already: another person is needed"
    assert of(data, "cooling")["route"]["split"] == {"v6": 0.75, "v7": 0.25}
    assert act(data, "advance", "cooling", "ben") == "50% was asked for: Agreed by anna and ben."
    assert of(data, "cooling")["route"]["split"] == {"v6": 0.5, "v7": 0.5}


def test_what_changed_since_the_draft_is_said_and_agreeing_to_the_old_is_refused_with_it(data: Data) -> None:
    run = {"policy": "bidder", "version": "v7", "template": "t", "template_sha256": "s", "code": "1", "actor": "ada"}
    with data.parts.database.begin() as connection:
        connection.execute(insert(checklist_runs), [{**run, "as_of": 0.0, "recorded": 0.0, "real_recorded": 0.0}])
    assert "Changed since the draft was written: checklist" in text_of(
        rollout_dialog.told("approve", rolling.wanted(data, "bidder"))
    )
    old = of(data, "bidder")["wanted"]["digest"]
    _field, sentence = refusal(data, "approve", "bidder", "cleo")
    assert sentence.startswith("The evidence has changed (checklist); look at it and approve ")
    assert of(data, "bidder")["wanted"]["digest"] != old, "the draft keeps its new evidence"
    assert of(data, "bidder")["wanted"]["people"] == []
    assert "none of 2" in text_of(parts.agreed(of(data, "bidder"), NOW))
    assert "something else by now" in text_of(parts.agreed(of(data, "bidder"), NOW))


@pytest.mark.parametrize(
    ("verb", "who", "said", "field", "sentence"),
    [
        ("abort", "anna", {"token": ""}, "token", "This token is not known, was revoked, or has expired."),
        ("abort", "anna", {"token": "guessed"}, "token", "This token is not known, was revoked, or has expired."),
        ("abort", "anna", {"typed": "coolin"}, "typed", "Type cooling, exactly."),
        ("abort", "anna", {"reason": " "}, "reason", "Say why, in a few words: it is kept with the event."),
        (
            "pause",
            "anna",
            {"reason": "\x00\x00\x00\x00"},
            "reason",
            "Say why, in a few words: it is kept with the event.",
        ),
        ("advance", "dora", {}, "token", "the token 'dora' is not for this: it needs the scope 'approve'"),
        ("resume", "anna", {}, "policy", "rollout 2 is passed: it cannot resume."),
        ("start", "anna", {"to": ""}, "to", "Choose the version that is to serve."),
        ("start", "anna", {"to": "v8"}, "policy", "rollout 2 of cooling to v7 is passed: abort it first"),
        ("drop", "anna", {}, "policy", "There is nothing like this to do."),
    ],
)
def test_the_server_refuses_what_the_dialog_would_not_have_sent(
    data: Data, verb: str, who: str, said: dict[str, str], field: str, sentence: str
) -> None:
    assert refusal(data, verb, "cooling", who, **said) == (field, sentence)
    assert of(data, "cooling")["phase"] == "passed"


@pytest.mark.parametrize(
    "shown", [{}, {"id": 1}, {"id": "2"}, {"id": True}, {"id": 10**40}, {"id": 2, "digest": "0" * 64}]
)
def test_a_rollout_of_another_policy_or_another_digest_is_not_agreed_to(data: Data, shown: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        rolling.act(data, "advance", "cooling", shown, {"token": PEOPLE["ben"]})
    assert "look" in refused.value.sentence
    assert of(data, "cooling")["phase"] == "passed"


def test_a_stage_that_nobody_looked_at_says_so_before_anybody_agrees(data: Data) -> None:
    ready = text_of(rollout_dialog.told("advance", rolling.wanted(data, "cooling")))
    assert "Nothing is in the way now" in ready
    with data.parts.database.begin() as connection:
        connection.execute(update(rows).values(real_looked=data.parts.clock.real() - 86400.0))
    assert "is  checkrein worker  running" in text_of(rollout.weighing(rolling.measured(data, "cooling"), NOW)[0])
    assert "Nothing is in the way" not in text_of(rollout_dialog.told("advance", rolling.wanted(data, "cooling")))
    assert "nobody has looked" in refusal(data, "advance", "cooling", "ben")[1]


def test_a_token_that_has_expired_acts_no_more(data: Data) -> None:
    with data.parts.database.begin() as connection:
        connection.execute(
            update(tokens).where(tokens.c.name == "ben").values(real_expires=data.parts.clock.real() - 1)
        )
    assert refusal(data, "advance", "cooling", "ben")[0] == "token"


def test_one_person_aborts_and_the_incumbent_has_all_the_traffic(data: Data) -> None:
    class Running(ManualClock):  # as a true one: what is written later has a later time
        def now(self) -> float:
            self.at += 0.001
            return self.at

    data.parts = replace(data.parts, clock=Running(NOW))
    woken: list[str] = []
    data.wake = lambda: woken.append("woken")
    act(data, "abort", "cooling", "dora")
    assert of(data, "cooling")["phase"] == "aborted"
    assert of(data, "cooling")["route"]["split"] == {"v6": 1.0}
    assert [one["kind"] for one in of(data, "cooling")["actions"]] == ["rollback", "stage"]
    assert woken == ["woken"]


def test_a_draft_is_started_from_the_page_and_pause_and_resume_are_one_persons(data: Data) -> None:
    assert rolling.stand(data, "sorter")["start"]["to"][0] == "v7"
    assert "2 other people must approve it." in text_of(rollout_dialog.told("start", rolling.wanted(data, "sorter")))
    assert "waits for approval" in act(data, "start", "sorter", "anna", to="v7")
    act(data, "pause", "ranker", "dora")
    assert of(data, "ranker")["phase"] == "paused"
    assert rollout_dialog.offered(of(data, "ranker"), {"open": 1}) == {"resume", "abort"}
    act(data, "resume", "ranker", "dora")
    assert of(data, "ranker")["phase"] == "applying"


def test_other_pages_show_the_open_rollout_and_a_stage_is_not_called_a_rollback(data: Data) -> None:
    row = next(one for one in data.overview()["policies"] if one["policy"] == "cooling")
    words = text_of(overview.table([row], NOW))
    assert "v7 25% of traffic, passed, waits for people" in words
    assert "stage confirmed" in words
    assert "rollback" not in words
    assert "rollback" not in {cell["state"] for cell in row["strip"]}
    assert "v7 25% of traffic" in text_of(standing.situation(data.situation("cooling"), [], NOW))
    assert "none open" in text_of(standing.situation(data.situation("sorter"), [], NOW))
    listed = text_of(rollouts.table(rolling.listed(data), NOW))
    assert listed.index("bidder") < listed.index("router") < listed.index("sorter")


def test_the_page_refreshes_when_one_of_two_has_agreed(data: Data) -> None:
    before = data.overview()["tokens"].judged
    with data.parts.database.begin() as connection:
        first = connection.execute(select(rollout_approvals)).first()
        assert first is not None
        connection.execute(insert(rollout_approvals), [{**first._mapping, "person": "eve"}])
    after = data.overview()["tokens"]
    assert after.judged != before
    with data.parts.database.begin() as connection:
        connection.execute(update(rows).where(rows.c.id == 1).values(baked=5.0))
    assert data.overview()["tokens"].judged == after.judged, "the hold alone redraws no chart"
    assert data.overview()["tokens"].live != after.live


def test_stages_and_incidents_are_marked_on_every_time_chart(data: Data) -> None:
    with data.parts.database.begin() as connection:
        open_incident(connection, data.parts.clock, "cooling", "Somebody must look.")
    with data.parts.database.read() as connection:
        found = markers(connection, "cooling", BEGAN - 1, NOW + 1)
    assert [(one.kind, one.text) for one in found.itertuples() if one.kind in {"stage", "incident"}] == [
        ("stage", "v7 25%"),
        ("incident", "incident 2 opened"),
    ]
    act(data, "pause", "cooling", "anna")
    act(data, "resume", "cooling", "anna")
    with data.parts.database.read() as connection:
        assert len(markers(connection, "cooling", BEGAN - 1, NOW + 1)) == len(found), "the share stayed"
