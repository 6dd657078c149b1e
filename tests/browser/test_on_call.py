"""What the person on call does in the browser: take an incident, write, answer a step, end it; silence an alert."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import on_duty
from tests.browser.test_pages import blocking
from tests.browser.visits import THEMES, Go
from tests.seeds import TOKEN, served

pytestmark = pytest.mark.browser

PAGES = {"/incidents": "#troubles", "/incident/1": "#incident-head", "/alerts": "#alerts-open"}


@pytest.fixture(scope="module")
def watched(stores: Callable[[str], Path]) -> Iterator[str]:
    """Serve a store whose incident has woken the first level; nobody acts on it."""
    directory = on_duty.staff(stores("firing"))
    with on_duty.opened(directory) as parts:
        assert on_duty.wake(parts) == 1
        on_duty.surround(parts)
    with served(directory, "firing") as address:
        yield address


@pytest.fixture
def site(stores: Callable[[str], Path]) -> Iterator[tuple[str, Path]]:
    """Serve such a store to act on."""
    directory = on_duty.staff(stores("firing"))
    with on_duty.opened(directory) as parts:
        on_duty.wake(parts)
    with served(directory, "firing") as address:
        yield address, directory


def do(page: Page, button: Locator, submit: str, **fields: str) -> None:
    """Open the dialog with a button, fill it in, and send it; it closes where that was right."""
    button.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for label, value in fields.items():
        dialog.get_by_label(label.replace("_", " ")).fill(value)
    dialog.get_by_label("Your API token").fill(TOKEN)
    dialog.get_by_role("button", name=submit, exact=True).click()
    expect(dialog).to_be_hidden()


def test_an_incident_is_taken_written_about_worked_through_and_ended(site: tuple[str, Path], go: Go) -> None:
    address, directory = site
    page = go(address).open("/")
    page.locator("#attention").get_by_role("link", name="Incident 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Incident 1")
    head = page.locator("#incident-head")
    expect(head).to_contain_text("Nobody has it. bo_phone: level 2 of 2 is woken in")
    expect(head.get_by_role("button", name="Resolve")).to_be_disabled()
    expect(head).to_contain_text("Incident 1 cannot be resolved: 1 of its rollbacks are not confirmed")
    head.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge incident 1")
    dialog.get_by_label("Your API token").fill("a guess")
    dialog.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(dialog).to_contain_text("This token is not known, or was revoked.")
    dialog.get_by_label("Your API token").fill(TOKEN)
    dialog.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#said")).to_contain_text("tests has acknowledged incident 1")
    expect(page.locator("#incident-state")).to_contain_text("acknowledged")
    expect(head).to_contain_text("tests has it; that runs out in")
    do(page, page.get_by_role("button", name="Add note"), "Add note", Note="The probe is wet.")
    expect(page.locator("#notes")).to_contain_text("The probe is wet.")
    expect(page.locator("#history")).to_contain_text("The probe is wet.")
    do(page, page.get_by_role("button", name="Done step 1", exact=True), "Step done")
    expect(page.locator("#copy li").first).to_contain_text("by tests")
    with on_duty.opened(directory) as parts:
        on_duty.calm(parts)
    resolve = head.get_by_role("button", name="Resolve")
    expect(resolve).to_be_enabled()
    do(page, resolve, "Resolve")
    expect(page.locator("#incident-state")).to_contain_text("resolved")
    expect(head).to_contain_text("Over by tests")
    expect(page.locator(".milestones")).not_to_contain_text("not yet")


def test_an_alert_is_silenced_and_speaks_again(site: tuple[str, Path], go: Go) -> None:
    page = go(site[0]).open("/alerts")
    alert = page.locator("#alerts-open .finding").filter(has_text="entropy_drop")
    do(page, alert.get_by_role("button", name="Silence"), "Silence", Why="The explorer is replaced.")
    expect(alert).to_contain_text("silenced")
    expect(alert).to_contain_text("The explorer is replaced.")
    silences = page.locator("#alerts-silences")
    do(page, silences.get_by_role("button", name="End"), "End silence")
    expect(silences).not_to_contain_text("entropy_drop")
    expect(alert).not_to_contain_text("silenced")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_the_person_on_call_is_accessible_and_fits(watched: str, go: Go, path: str, theme: str) -> None:
    visit = go(watched, theme)
    page = visit.open(path)
    expect(page.locator(PAGES[path])).to_contain_text("Nobody has it.")
    expect(page.locator("#banner")).to_be_empty()
    assert blocking(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert visit.too_wide() == []


def test_the_dialog_is_accessible_and_opens_with_the_keyboard(watched: str, go: Go) -> None:
    page = go(watched, "dark", 390).open("/incident/1")
    page.locator("#incident-head").get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Acknowledge incident 1")
    expect(dialog).to_be_visible()
    assert blocking(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_pages_that_reach_nobody_are_said_on_every_page(served_state: Callable[[str], str], go: Go) -> None:
    visit = go(served_state("firing"))
    for path in ("/", "/incidents", "/incident/1", "/readiness?policy=cooling"):
        expect(visit.open(path).locator("#banner")).to_contain_text("and its escalation stands still")
    expect(visit.open("/incident/77").get_by_role("heading", level=1)).to_have_text("There is no such page")
