"""The candidates of a policy page in a real browser: who is better since when, on a desk and on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import blocking
from tests.browser.visits import THEMES, Go
from tests.rival_candidates import SERVED_AT, seed
from tests.seeds import served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store: Path = seed(tmp_path_factory.mktemp("rivals") / "store")
    with served(store, "healthy", SERVED_AT) as found:
        yield found


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", THEMES)
def test_the_list_says_who_is_better_since_when_and_what_became_of_earlier_ones(
    address: str, go: Go, theme: str, width: int
) -> None:
    visit = go(address, theme, width)
    page = visit.open("/policy/p")
    lines = page.locator("#rivals > div > .rivals > li")
    expect(lines).to_have_count(5)
    expect(lines.nth(1)).to_contain_text("Better than v6 since 03:00 UTC, over 99.99% anytime confidence")
    expect(lines.nth(1).locator(".state-healthy")).to_be_visible()
    expect(page.locator("#rivals > div > .rivals .state-healthy")).to_have_count(1)
    expect(lines.nth(3)).to_contain_text("Not compared with v6")
    page.get_by_text("1 of 1 promoted candidates ended inside their interval.").click()
    expect(page.get_by_text("good served from 2025-06-16 12:00 UTC")).to_be_visible()
    assert visit.too_wide() == []
    assert blocking(page) == []
