"""Every page in every state, light and dark, on a desk and on a telephone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.visits import THEMES, Go
from tests.seeds import STATES

pytestmark = pytest.mark.browser

# page -> (address, heading)
PAGES = {
    "overview": ("/", "Overview"),
    "policy": ("/policy/cooling", "cooling"),
    "alerts": ("/alerts", "Alerts"),
    "incidents": ("/incidents", "Incidents"),
    "readiness": ("/readiness?policy=cooling", "Readiness"),
    "runbook": ("/policy/cooling?runbook=state_drift", "cooling"),
    "rollouts": ("/rollouts", "Rollouts"),
    "rollout": ("/rollout/cooling", "Rollout of cooling"),
}
# state -> what the tab's title begins with: the counts by state
TITLES = {"healthy": "● ·", "firing": "1 ■ 1 ▲ 2 ○ ·", "stale": "2 ○ ·", "empty": "2 ○ ·", "error": "○ ·"}
LATE = "Evaluation is late: bidder, cooling, last judged 2.0 h ago"
AWAY = "The database does not answer."
STEPS = "decides, then"  # the head of every runbook page
# What a page must say: page -> state -> (where, what).
TOLD: dict[str, dict[str, tuple[str, str]]] = {
    "overview": {
        "healthy": ("#attention", "All 2 policies were judged and are healthy."),
        "firing": ("#attention", "sigma below its baseline"),
        "stale": ("#attention", "only 0 of 2 policies could be judged healthy"),
        "empty": ("#policies", "No decision has arrived yet."),
        "error": ("#overview-error", "the database did not answer"),
    },
    "policy": {
        "healthy": ("#situation", "Nothing to do."),
        "firing": ("#situation", "sigma below its baseline"),
        "stale": ("#situation", "Evaluation has stopped"),
        "empty": ("#situation", "Send decisions"),
        "error": ("#situation-error", "the database did not answer"),
    },
    "alerts": {
        "healthy": ("#alerts-open", "Nothing fires. 2 policies watched."),
        "firing": ("#alerts-open", "sigma below its baseline"),
        "stale": ("#alerts-open", "Nothing fires. 2 policies watched."),
        "empty": ("#alerts-past", "Nothing fired in the last 24h."),
        "error": ("#banner", AWAY),
    },
    "incidents": dict.fromkeys(STATES, ("#troubles", "No incident is open. 2 policies watched."))
    | {"firing": ("#troubles", "Nobody has it."), "error": ("#banner", AWAY)},
    "readiness": {
        "healthy": ("#readiness", "insufficient evidence"),
        "firing": ("#readiness", "G1 closed"),
        "stale": ("#readiness", "insufficient evidence"),
        "empty": ("#readiness", "No run is on record"),
        "error": ("#banner", AWAY),
    },
    "runbook": dict.fromkeys(STATES, ("#runbook", STEPS)) | {"error": ("#banner", AWAY)},
    "rollouts": dict.fromkeys(STATES, ("#rollouts", "none yet")) | {"error": ("#banner", AWAY)},
    "rollout": dict.fromkeys(STATES, ("#rollout-head", "No version was rolled out here yet"))
    | {"error": ("#banner", AWAY)},
}
BANNERS = {"stale": LATE, "error": AWAY}


def blocking(page: Page) -> list[str]:
    """Return what axe calls serious or critical, with the first elements that it means."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[' '.join(map(str, node['target'])) for node in one['nodes'][:6]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("state", STATES)
def test_a_page_shows_its_state_fits_both_screens_and_is_accessible(
    served_state: Callable[[str], str], go: Go, state: str, name: str, theme: str
) -> None:
    path, heading = PAGES[name]
    visit = go(served_state(state), theme)
    page = visit.open(path)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    where, what = TOLD[name][state]
    expect(page.locator(where)).to_contain_text(what)
    expect(page.locator("#banner")).to_contain_text(BANNERS.get(state, ""))
    expect(page).to_have_title(re.compile("^" + re.escape(TITLES[state])))
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", theme)
    if name == "policy" and state != "error":
        for chart in ("control", "rate", "drift", "fan", "entropy", "forest"):
            expect(page.locator(f"#{chart} .main-svg").first).to_be_visible()
    assert blocking(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert visit.too_wide() == []
    if theme == "light":  # colours do not depend on the width
        assert blocking(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opened_on_a_telephone_fits(served_state: Callable[[str], str], go: Go, name: str) -> None:
    visit = go(served_state("firing"), "light", 390)
    page = visit.open(PAGES[name][0])
    where, what = TOLD[name]["firing"]
    expect(page.locator(where)).to_contain_text(what)
    assert visit.too_wide() == []


def test_the_theme_that_a_person_chose_stays(served_state: Callable[[str], str], go: Go) -> None:
    visit = go(served_state("healthy"), "light")
    page = visit.open("/")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    visit.open("/alerts")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
