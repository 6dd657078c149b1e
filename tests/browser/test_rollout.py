"""A rollout in the browser: two people approve and advance, one of them alone cannot, one person aborts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from monitor.clock import ManualClock
from monitor.rollouts import progress
from monitor.rollouts.hold import Watch
from monitor.runtime import build
from monitor.settings import load
from tests.browser.test_pages import blocking
from tests.browser.visits import THEMES, Go
from tests.rollout_seeds import PEOPLE, SEEDED, looked, seed
from tests.seeds import NOW, served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return looked(seed(tmp_path_factory.mktemp("rollouts") / "store"))


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    """Serve the store to look at."""
    with served(store, "healthy") as found:
        yield found


@pytest.fixture
def acting(store: Path, tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Serve a store of its own to act on; with what a worker's look at bidder's rollout does."""
    copy = Path(shutil.copytree(store, tmp_path / "store"))
    parts, watch = build(load(copy / "checkrein.toml"), ManualClock(NOW)), Watch()

    def look() -> None:
        progress.run(parts, "bidder", watch)

    with served(copy, "healthy") as found:
        yield found, look
    parts.database.close()


def asked(page: Page, button: str, title: str) -> Locator:
    """Open a dialog."""
    page.get_by_role("button", name=button, exact=True).click()
    dialog = page.get_by_role("dialog", name=title)
    expect(dialog).to_be_visible()
    return dialog


def signed(dialog: Locator, who: str, button: str) -> None:
    dialog.get_by_label("Your API token").fill(PEOPLE[who])
    dialog.get_by_role("button", name=button).click()


def closed(dialog: Locator) -> None:
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", ["/rollouts", *(f"/rollout/{name}" for name in SEEDED)])
def test_a_rollout_in_each_state_fits_both_screens_and_is_accessible(
    address: str, go: Go, path: str, theme: str
) -> None:
    visit = go(address, theme)
    page = visit.open(path)
    stands = SEEDED.get(path.rpartition("/")[2])
    if stands and stands[2] != "none":
        expect(page.get_by_role("list", name="Stages of the rollout").get_by_role("listitem")).to_have_count(9)
    assert blocking(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert visit.too_wide() == []


def test_a_draft_is_approved_by_two_people_and_goes_into_shadow(acting: tuple[str, Callable[[], None]], go: Go) -> None:
    address, look = acting
    page = go(address).open("/rollout/bidder")
    expect(page.locator("#rollout-agreed")).to_contain_text("1 of 2")
    dialog = asked(page, "Approve…", "Approve: bidder")
    expect(dialog).to_contain_text("Nothing of the evidence has changed since it was written.")
    signed(dialog, "anna", "Approve as yourself")
    expect(dialog).to_contain_text("anna started rollout 1: somebody else approves it")
    signed(dialog, "ben", "Approve as yourself")
    expect(dialog).to_contain_text("ben has agreed already: another person is needed")
    signed(dialog, "cleo", "Approve as yourself")
    expect(dialog).to_contain_text("Approved by ben and cleo.")
    closed(dialog)
    expect(page.locator("#rollout-state")).to_contain_text("approved")
    look()
    look()
    expect(page.locator(".stepper [aria-current=step]")).to_contain_text("shadow")
    expect(page.locator("#rollout-hold")).to_contain_text("Without one no hold ends.")
    expect(page.get_by_role("button", name="Approve…")).to_be_hidden()


def test_a_stage_that_passed_is_advanced_by_two_people_and_aborted_by_one(
    acting: tuple[str, Callable[[], None]], go: Go
) -> None:
    page = go(acting[0]).open("/rollout/cooling")
    expect(page.locator("#rollout-agreed")).to_contain_text("1 of 2")
    dialog = asked(page, "Advance…", "Advance: cooling")
    expect(dialog).to_contain_text("going on from 25% to 50%")
    digest = dialog.locator("code.digest").inner_text()
    assert len(digest) == 64
    signed(dialog, "anna", "Agree as yourself")
    expect(dialog).to_contain_text("anna has agreed already: another person is needed")
    signed(dialog, "dora", "Agree as yourself")
    expect(dialog).to_contain_text("it needs the scope 'approve'")
    signed(dialog, "ben", "Agree as yourself")
    expect(dialog).to_contain_text("50% was asked for: Agreed by anna and ben.")
    closed(dialog)
    expect(page.locator(".stepper [aria-current=step]")).to_contain_text("50%")
    expect(page.locator("#rollout-head")).to_contain_text("v6 50%, v7 50%")
    dialog = asked(page, "Abort…", "Abort: cooling")
    dialog.get_by_label("Why").fill("The racks run hot.")
    dialog.get_by_label("Type the policy's name").fill("bidder")
    signed(dialog, "dora", "Abort now")
    expect(dialog).to_contain_text("Type cooling, exactly.")
    dialog.get_by_label("Type the policy's name").fill("cooling")
    signed(dialog, "dora", "Abort now")
    expect(dialog).to_contain_text("was aborted")
    closed(dialog)
    expect(page.locator("#rollout-head")).to_contain_text("v6 100%")
    expect(page.locator("#rollout-acted")).to_contain_text("The rollback v7 → v6 was delivered")
    expect(page.get_by_role("button", name="Start a rollout…")).to_be_visible()


def test_on_a_telephone_the_stages_are_cards_and_abort_is_reachable(address: str, go: Go) -> None:
    page = go(address, "light", 390).open("/rollout/cooling")
    steps = page.get_by_role("list", name="Stages of the rollout").get_by_role("listitem")
    expect(steps).to_have_count(9)
    boxes = [box for box in (step.bounding_box() for step in steps.all()) if box]
    assert len({box["x"] for box in boxes}) == 1, "one under the other"
    page.get_by_role("button", name="Abort…").click()
    expect(page.get_by_role("dialog", name="Abort: cooling")).to_be_visible()
