"""What a person lives through in the browser: a rollback by hand, and an incident that the product ends by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.live import Live, living
from tests.browser.visits import Go
from tests.seeds import TOKEN

pytestmark = pytest.mark.browser

LIVE = 300_000.0  # ms: the traffic has to show a minute of event time, three real seconds, on a busy machine


@pytest.fixture
def live(stores: Callable[[str], Path]) -> Iterator[Live]:
    """Return a live site of which v7 serves and nothing fires."""
    with living(stores("healthy")) as running:
        yield running


def fill(page: Page, token: str, typed: str, reason: str) -> None:
    """Fill the dialog in and send it."""
    page.get_by_label("API token").fill(token)
    page.get_by_label("Type the policy's name").fill(typed)
    page.get_by_label("Why").fill(reason)
    page.get_by_role("button", name="Roll back now").click()


def test_a_rollback_by_hand_is_refused_until_all_is_right_and_then_followed_to_confirmed(live: Live, go: Go) -> None:
    page = go(live.address).open("/policy/cooling")
    expect(page.locator("#situation .facts")).to_contain_text("v7 generation 1")
    page.get_by_role("button", name="Roll back…").click()
    dialog = page.get_by_role("dialog", name="Roll back cooling")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Stop v7 (generation 1), which the route gives 100% of the traffic.")
    expect(dialog).to_contain_text("/rollback")
    fill(page, "not-a-token", "cooling", "The racks run hot.")
    expect(dialog).to_contain_text("This token is not known, or was revoked.")
    fill(page, TOKEN, "bidder", "The racks run hot.")
    expect(dialog).to_contain_text("Type cooling, exactly.")
    fill(page, TOKEN, "cooling", "")
    expect(dialog).to_contain_text("Say why, in a few words")
    assert live.receiver.state("cooling")["generation"] == 0, "what was refused has called nobody"
    fill(page, TOKEN, "cooling", "The racks run hot.")
    steps = dialog.get_by_role("list", name="Steps of the rollback")
    expect(steps).to_be_visible()
    expect(steps.get_by_role("listitem").filter(has_text="confirmed")).to_have_class("is-done", timeout=LIVE)
    assert live.receiver.state("cooling")["serving"] == "v6"
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#situation .facts")).to_contain_text("v6 generation 2")
    expect(page.locator("#situation")).to_contain_text("The racks run hot.")


def test_an_incident_unfolds_on_the_page_from_healthy_to_confirmed(live: Live, go: Go) -> None:
    page = go(live.address).open("/policy/cooling?range=1h")
    expect(page.locator("#situation .facts")).to_contain_text("v7 generation 1")
    expect(page.locator("#policy-state")).to_contain_text("healthy")
    live.break_limit.set()
    expect(page.locator("#situation")).to_contain_text("hard_constraint", timeout=LIVE)
    expect(page.locator("#situation .facts")).to_contain_text("v6 generation 2", timeout=LIVE)
    confirmed = page.locator("#situation .steps li").filter(has_text="confirmed")
    expect(confirmed).to_have_class("is-done", timeout=LIVE)
    page.get_by_role("link", name="Alerts", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alerts")
    expect(page.locator("#alerts-past")).to_contain_text("supply_too_cold")
