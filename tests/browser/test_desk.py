"""What people do at the desk: judge shadow decisions as two people, test a channel, replay what was not delivered."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from monitor.clock import SpedClock
from monitor.notify.loop import NotificationLoop
from monitor.runtime import build
from monitor.settings import load
from tests.browser.test_pages import blocking
from tests.browser.visits import THEMES, Go
from tests.desk_seeds import ANNA, BEN, HOSTILE, seed_desk
from tests.receivers import Endpoint
from tests.seeds import NOW, served

pytestmark = pytest.mark.browser

PAGES = {
    "reviews": ("/reviews", "Reviews", "#reviews-queue", "1 exploit"),
    "review": ("/reviews?item=r01", "Reviews", "#review-item-shown", "would have done instead"),
    "operations": ("/operations", "Operations", "#ops-telling", "1 dead letter"),
    "triggers": ("/triggers/cooling", "Triggers of cooling", "#budget", "are accepted"),
}


@dataclass
class Desk:
    """A served store of its own, and the real receiver of its channel ``duty``."""

    address: str
    store: Path
    receiver: Endpoint

    def send(self) -> None:
        """Make one pass over the messages, as the server's own loop does."""
        parts = build(load(self.store / "checkrein.toml"), SpedClock(NOW, 1.0, time.time()))
        loop = NotificationLoop(parts.database, parts.settings, parts.clock, "test")
        loop.run_due(only="duty")
        loop.close()
        parts.database.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, receiver: Endpoint) -> Path:
    return seed_desk(tmp_path_factory.mktemp("desk") / "store", receiver.url, time.time())


@pytest.fixture(scope="module")
def shown(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a desk that is only looked at."""
    store = Path(shutil.copytree(seeded, tmp_path_factory.mktemp("shown") / "store"))
    with served(store, "healthy") as address:
        yield address


@pytest.fixture
def desk(seeded: Path, receiver: Endpoint, tmp_path: Path) -> Iterator[Desk]:
    store = Path(shutil.copytree(seeded, tmp_path / "store"))
    receiver.bodies.clear()
    with served(store, "healthy") as address:
        yield Desk(address, store, receiver)


def sit_down(page: Page, token: str, name: str) -> None:
    """Type a token and leave the field, so that keys are no letters."""
    page.get_by_label("API token").fill(token)
    expect(page.locator("#review-who")).to_contain_text(f"You are {name}.")
    page.get_by_role("heading", level=1).click()
    page.evaluate("() => document.activeElement.blur()")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_desk_fits_both_screens_and_is_accessible(shown: str, go: Go, name: str, theme: str) -> None:
    path, heading, where, what = PAGES[name]
    visit = go(shown, theme)
    page = visit.open(path)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(page.locator(where)).to_contain_text(what)
    assert blocking(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert visit.too_wide() == []
    if theme == "light":
        assert blocking(page) == []


def test_the_pages_are_a_menu_on_a_telephone_and_keys_at_a_desk(shown: str, go: Go) -> None:
    page = go(shown, "light", 390).open("/operations")
    menu = page.get_by_role("button", name="Menu")
    link = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Reviews")
    expect(link).to_be_hidden()
    menu.click()
    expect(menu).to_have_attribute("aria-expanded", "true")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reviews")
    expect(link).to_be_hidden()
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(menu).to_be_hidden()
    for keys, heading in (("gp", "Operations"), ("gv", "Reviews"), ("gr", "Readiness"), ("ga", "Alerts")):
        for key in keys:
            page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_hostile_values_notes_and_names_stay_text(shown: str, go: Go) -> None:
    page = go(shown).open("/reviews?item=h01")
    expect(page.locator("#review-item-shown .known")).to_contain_text(HOSTILE)
    expect(page.locator("#reviews-queue")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    expect(page).not_to_have_title("1")


def test_two_people_judge_three_items_blind(desk: Desk, go: Go) -> None:
    anna = go(desk.address).open("/reviews?policy=cooling&item=r01")
    sit_down(anna, ANNA, "Anna")
    judged = []
    for key, verdict in (("1", "improvement"), ("2", "neutral"), ("1", "improvement")):
        judged.append(re.findall(r"item=(\w+)", anna.url)[0])
        anna.keyboard.press(key)
        expect(anna.locator("#review-who")).to_contain_text(f"You said {verdict}")
        address = anna.url
        anna.keyboard.press("n")
        expect(anna).not_to_have_url(address)
        expect(anna.locator("#review-who")).to_contain_text("You have not judged this one.")
    assert len(set(judged)) == 3
    assert judged[:2] == ["r01", "r02"], "what somebody began comes next"

    ben = go(desk.address).open(f"/reviews?policy=cooling&item={judged[0]}")
    sit_down(ben, BEN, "Ben")
    expect(ben.locator("#review-item-shown")).to_contain_text("One person has judged it.")
    expect(ben.locator("#review-item-shown")).not_to_contain_text("Anna")
    ben.get_by_label("Why").fill(HOSTILE)
    ben.get_by_role("button", name="improvement").click()
    expect(ben.locator("#review-told")).to_contain_text("You said improvement; it is decided.")
    expect(ben.locator("#review-item-shown")).to_contain_text("Anna")
    expect(ben.locator("#review-item-shown .verdicts")).to_contain_text(HOSTILE)
    for _ in range(2):
        address = ben.url
        ben.get_by_role("button", name="Next (n)").click()
        expect(ben).not_to_have_url(address)
        expect(ben.locator("#review-who")).to_contain_text("You have not judged this one.")
        ben.get_by_role("button", name="neutral").click()
        expect(ben.locator("#review-who")).to_contain_text("You said neutral")
    assert ben.locator("img").count() == 0


def test_a_channel_is_tested_on_the_path_of_real_messages_and_followed(desk: Desk, go: Go) -> None:
    page = go(desk.address).open("/operations")
    page.get_by_role("button", name="Send a test through duty").click()
    expect(page.get_by_text("Type your API token")).to_be_visible()
    page.get_by_label("API token").fill(ANNA)
    page.get_by_role("button", name="Send a test through duty").click()
    expect(page.locator("#ops-told")).to_contain_text("waits to be sent. No attempt yet.")
    desk.send()
    expect(page.locator("#ops-told")).to_contain_text("The test to duty was delivered. 1 attempt.")
    assert any(b"[TEST]" in body for body in desk.receiver.bodies)


def test_a_dead_letter_is_replayed_and_gone(desk: Desk, go: Go) -> None:
    page = go(desk.address).open("/operations")
    expect(page.locator("#ops-dead")).to_contain_text("the key was revoked")
    page.get_by_label("API token").fill(BEN)
    page.get_by_role("button", name="Replay: page to duty").click()
    expect(page.locator("#ops-told")).to_contain_text("waits to be sent")
    desk.send()
    expect(page.locator("#ops-told")).to_contain_text("The page to duty was delivered.")
    expect(page.locator("#ops-dead")).not_to_contain_text("the key was revoked")
    page.get_by_role("button", name=re.compile("^Cancel: The rollback")).click()
    expect(page.locator("#ops-told")).to_contain_text("was cancelled")
    expect(page.locator("#ops-dead")).to_contain_text("Nothing waits for a person")
