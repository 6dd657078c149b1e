"""The time range: from one time to another, zoom, local time; and when a page does not refresh."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visits import Go

pytestmark = pytest.mark.browser

CHARTS = ("control", "rate", "drift", "fan", "entropy")
_RANGES = """(names) => names.map((name) => {
  const chart = document.querySelector("#" + name + " .js-plotly-plot");
  return chart && chart.layout ? chart.layout.xaxis.range.map((at) => String(at).slice(0, 16)).join(" to ") : "";
})"""
_SAME = f"([names, range]) => ({_RANGES})(names).every((one) => one === range)"
_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
BEAT = re.compile("_dash-update-component")


def zoom(page: Page, chart: str) -> None:
    """Draw a box over part of a chart, as a person does who wants to see it closer."""
    plot = page.locator(f"#{chart} .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, middle, steps=5)
    page.mouse.up()


def charts_show(page: Page, begin: str, end: str) -> None:
    """Wait until every chart shows this range."""
    page.wait_for_function(_SAME, arg=[list(CHARTS), f"{begin} to {end}"])


def policy(go: Go, address: str, path: str, zone: str = "UTC") -> Page:
    """Return the policy page with every chart drawn and linked."""
    page = go(address, zone=zone).open(path)
    expect(page.locator(".js-plotly-plot[data-linked]")).to_have_count(len(CHARTS))
    return page


def test_a_range_from_one_time_to_another_is_typed_drawn_and_kept_in_the_address(
    served_state: Callable[[str], str], go: Go
) -> None:
    page = policy(go, served_state("firing"), "/policy/cooling")
    page.get_by_text("custom", exact=True).click()
    begin, end = page.get_by_label("From"), page.get_by_label("to", exact=True)
    expect(begin).to_have_value(re.compile(r"2025-06-16 10:\d\d"))
    begin.fill("yesterday")
    end.press("Enter")
    expect(page.locator("#range-wrong")).to_have_text("Write From as 2026-01-31 14:00.")
    begin.fill("2025-06-16 12:00")
    end.fill("2025-06-16 11:00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#range-wrong")).to_have_text("The end must come after the beginning.")
    end.fill("2025-06-16 15:30")
    end.press("Enter")
    charts_show(page, "2025-06-16T12:00", "2025-06-16T15:30")
    expect(page).to_have_url(re.compile("from=2025-06-16T12%3A00Z&to=2025-06-16T15%3A30Z"))
    page.reload()
    charts_show(page, "2025-06-16T12:00", "2025-06-16T15:30")
    expect(page.get_by_label("From")).to_have_value("2025-06-16 12:00")
    expect(page.get_by_role("radio", name="custom")).to_be_checked()
    page.get_by_text("1h", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?range=1h$"))
    expect(page.get_by_label("From")).to_be_hidden()


@pytest.mark.parametrize("chart", ["control", "drift"])
def test_zooming_one_chart_sets_the_range_of_all_and_the_address_and_can_be_undone(
    served_state: Callable[[str], str], go: Go, chart: str
) -> None:
    page = policy(go, served_state("firing"), "/policy/cooling?range=6h")
    zoom(page, chart)
    expect(page).to_have_url(re.compile(r"from=2025-06-16T1\d%3A\d\dZ&to=2025-06-16T1\d%3A\d\dZ"))
    chosen = [page.get_by_label(name, exact=True).input_value().replace(" ", "T") for name in ("From", "to")]
    charts_show(page, *chosen)
    assert "range=" not in page.url
    page.keyboard.press("z")
    expect(page).to_have_url(re.compile(r"\?range=6h$"))
    expect(page.get_by_role("radio", name="6h")).to_be_checked()


def test_times_are_utc_wherever_the_browser_is_and_local_on_request(served_state: Callable[[str], str], go: Go) -> None:
    path = "/policy/cooling?from=2025-06-16T12:00Z&to=2025-06-16T15:30Z"
    page = policy(go, served_state("firing"), path, zone="Asia/Kolkata")
    charts_show(page, "2025-06-16T12:00", "2025-06-16T15:30")
    age = page.locator("#situation time").first
    expect(age).to_have_attribute("title", re.compile(r"^2025-06-16 16:\d\d:\d\d UTC$"))
    expect(age).to_have_text(re.compile("ago$"))
    page.keyboard.press("u")
    charts_show(page, "2025-06-16T17:30", "2025-06-16T21:00")
    expect(age).to_have_attribute("title", re.compile(r"^2025-06-16 2\d:\d\d:\d\d UTC\+5:30$"))
    expect(page.locator("#now")).to_have_text(re.compile(r"UTC\+5:30$"))
    expect(page.get_by_label("From")).to_have_value("2025-06-16 17:30")
    page.reload()
    charts_show(page, "2025-06-16T17:30", "2025-06-16T21:00")
    expect(page.get_by_label("From")).to_have_value("2025-06-16 17:30")
    assert "from=2025-06-16T12:00Z" in page.url, "the address says UTC whatever is shown"


def beats(page: Page) -> None:
    """Wait until the page asks the server again."""
    with page.expect_request(BEAT):
        pass


def still(page: Page) -> bool:
    """Return whether the page asks nothing for three of its beats; the browser's own clock measures them."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("() => new Promise((done) => setTimeout(done, 600))")  # what was under way may end
    asked.clear()
    page.evaluate("() => new Promise((done) => setTimeout(done, 3200))")
    return asked == []


def test_refreshing_is_paused_by_a_key_and_by_a_button(served_state: Callable[[str], str], go: Go) -> None:
    page = policy(go, served_state("healthy"), "/policy/cooling")
    beats(page)
    page.keyboard.press("p")
    button = page.get_by_role("button", name="Go on")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert still(page)
    button.click()
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")
    beats(page)


def test_a_hidden_tab_asks_nothing_until_it_is_seen_again(served_state: Callable[[str], str], go: Go) -> None:
    page = go(served_state("healthy")).open("/")
    beats(page)
    page.evaluate(_HIDE, True)
    assert still(page)
    page.evaluate(_HIDE, False)
    beats(page)
