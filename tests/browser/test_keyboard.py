"""Without a mouse: skip link, visible focus, keys."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visits import Go

pytestmark = pytest.mark.browser

# Whether the focused element, or the box around it, looks different from how it looks without focus.
_MARKED = """() => {
  const it = document.activeElement;
  const look = (style) => (style.outlineStyle === "none" ? "" : style.outline) + style.boxShadow;
  const looks = () => [it, it.parentElement].map((element) => look(getComputedStyle(element))).join();
  const focused = looks();
  it.blur();
  const plain = looks();
  it.focus();
  return focused !== plain;
}"""


@pytest.fixture
def firing(served_state: Callable[[str], str], go: Go) -> Page:
    """Return the overview of a site where much fires, with its links in place."""
    page = go(served_state("firing")).open("/")
    expect(page.locator("#policies tbody tr")).to_have_count(5)
    return page


def test_the_skip_link_comes_first_is_seen_and_leads_past_the_header(firing: Page) -> None:
    firing.keyboard.press("Tab")
    skip = firing.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    firing.keyboard.press("Enter")
    expect(firing.locator("#main")).to_be_focused()
    firing.keyboard.press("Tab")
    expect(firing.locator("#filter")).to_be_focused()


def test_every_stop_of_the_tab_key_is_marked(firing: Page) -> None:
    for stop in range(14):
        firing.keyboard.press("Tab")
        assert firing.evaluate(_MARKED), f"stop {stop}: {firing.evaluate('() => document.activeElement.outerHTML')}"


def test_the_slash_key_goes_to_the_filter_and_the_filter_hides_rows(firing: Page) -> None:
    firing.keyboard.press("/")
    expect(firing.locator("#filter")).to_be_focused()
    firing.keyboard.type("ranker")
    expect(firing.locator("#policies tbody tr:visible")).to_have_count(1)
    expect(firing.locator("#attention .group:visible")).to_have_count(1)
    firing.keyboard.press("Escape")
    expect(firing.locator("#filter")).not_to_be_focused()


def test_keys_walk_through_rows_and_pages_and_show_their_help(firing: Page) -> None:
    firing.keyboard.press("j")
    first = firing.locator("[data-row]").first.get_by_role("link")
    expect(first).to_be_focused()
    firing.keyboard.press("Enter")
    expect(firing).to_have_url(re.compile(r"/policy/cooling\?range=.*metric=reward"))
    expect(firing.get_by_role("heading", level=1)).to_have_text("cooling")
    firing.keyboard.press("g")
    firing.keyboard.press("a")
    expect(firing.get_by_role("heading", level=1)).to_have_text("Alerts")
    firing.keyboard.press("?")
    expect(firing.get_by_role("dialog", name="Keys")).to_be_visible()
    firing.keyboard.press("Escape")
    expect(firing.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_the_time_range_and_the_constraint_are_in_the_address(served_state: Callable[[str], str], go: Go) -> None:
    page = go(served_state("firing")).open("/policy/cooling")
    page.get_by_text("24h", exact=True).click()
    expect(page).to_have_url(re.compile("range=24h"))
    page.get_by_role("button", name="rack_hot").click()
    expect(page).to_have_url(re.compile("constraint=rack_hot"))
    page.reload()
    expect(page.get_by_role("button", name="rack_hot")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("radio", name="24h")).to_be_checked()
