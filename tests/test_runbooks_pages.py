"""Runbook pages: one for every shipped trigger, complete, linked, and filled in with what was measured."""

from __future__ import annotations

import re
from datetime import date

import pytest

from monitor.settings import shipped_triggers
from runbooks.pages import HEADINGS, PLACEHOLDERS, PageError, duration, faults, fill, parse, shipped

PAGES = shipped()
GOOD = PAGES["reward_3sigma"]


def test_every_shipped_trigger_has_its_page_and_every_page_its_trigger() -> None:
    assert set(PAGES) == set(shipped_triggers())


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_shipped_page_is_complete(name: str) -> None:
    assert faults(name, PAGES[name])[1] == []


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_shipped_page_is_useful_at_night(name: str) -> None:
    page = parse(name, PAGES[name])
    sections = dict(re.findall(r"## (\w+)\n(.*?)(?=\n## |\Z)", page.text, re.DOTALL))
    assert list(sections) == list(HEADINGS)
    assert all(len(text.split()) >= 20 for text in sections.values())
    assert "checkrein " in PAGES[name]
    assert "Traps:" in sections["Diagnosis"]
    assert "{reason}" in sections["Meaning"]
    urgent = shipped_triggers()[name]["severity"] in {"page", "rollback"}
    assert duration(page.ack_within) <= (300 if urgent else 3600)


def test_pages_are_about_their_own_trigger() -> None:
    texts = [parse(name, text).text for name, text in PAGES.items()]
    sentences = [set(re.findall(r"[A-Z][^.]{60,}\.", text)) for text in texts]
    shared = [len(a & b) for i, a in enumerate(sentences) for b in sentences[:i]]
    assert max(shared) <= 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("## Impact\n", "## Effects\n", "no heading '## Impact'"),
        ("owner: policy owner\n", "", "owner is missing"),
        ("owner: policy owner\n", "owner: <team>\n", "owner is missing or not filled in"),
        ("  deputy: policy owner\n", "  deputy: on-call engineer\n", "somebody else"),
        ("ack_within: 5m", "ack_within: soon", "ack_within is 'soon'"),
        ("last_drill: null\n", "", "last_drill is missing"),
        ("last_drill: null", "last_drill: lately", "last_drill is 'lately'"),
        ("kind: evidence", "kind: prayer", "kind is 'prayer'"),
        ("    within: 2m\n", "", "step 1: within is missing"),
        ("owner: policy owner", "owner: policy owner\nowner: nobody", "the key 'owner' is there twice"),
        ("owner: policy owner", "owner: policy owner\nboss: nobody", "unknown key boss"),
        ("{reason}", "{raeson}", "unknown placeholder {raeson}"),
        ("---\n", "", "no front matter"),
    ],
)
def test_what_a_page_lacks_is_named(old: str, new: str, words: str) -> None:
    assert old in GOOD
    assert any(words in problem for problem in faults("reward_3sigma", GOOD.replace(old, new, 1))[1])
    with pytest.raises(PageError, match="reward_3sigma: "):
        parse("reward_3sigma", GOOD.replace(old, new, 1))


def test_an_empty_section_is_named() -> None:
    before, _, after = GOOD.partition("## Impact\n")
    rest = after[after.index("## Diagnosis") :]
    assert faults("p", f"{before}## Impact\n\n{rest}")[1] == ["nothing under '## Impact'"]


def test_measured_values_take_the_place_of_placeholders() -> None:
    values = {"reason": "Mean reward fell.", "version": "v7", "value": -2.59142, "n": 900}
    text = parse("reward_3sigma", GOOD).filled(values)
    assert "Mean reward fell." in text
    assert "of `v7` was -2.591 in the window (not measured)" in text
    assert not re.search(r"\{[a-z_]+\}", text)


def test_a_value_that_looks_like_a_placeholder_is_not_filled_in_again() -> None:
    assert fill("{reason}", {"reason": "{policy}", "policy": "secret"}) == "{policy}"


def test_an_unknown_placeholder_is_an_error_on_both_sides() -> None:
    with pytest.raises(PageError, match="unknown placeholder colour"):
        fill("{colour}", {})
    with pytest.raises(PageError, match="unknown placeholder colour"):
        fill("{value}", {"colour": "red"})


def test_every_placeholder_is_used_somewhere() -> None:
    used = set(re.findall(r"\{([a-z_]+)\}", "".join(PAGES.values())))
    assert set(PLACEHOLDERS) - used <= {"severity", "state", "since", "serving"}


def test_a_drill_is_overdue_when_it_is_older_than_agreed_or_never_was() -> None:
    page = parse("p", GOOD.replace("last_drill: null", "last_drill: 2026-11-01"))
    assert [page.drill_overdue(date(2026, 12, day)) for day in (1, 2)] == [False, True]
    assert parse("p", GOOD).drill_overdue(date(2026, 12, 1))
