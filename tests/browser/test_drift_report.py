"""A real report in a real browser: drawn inside its sandbox, nothing loaded from elsewhere, nothing it may reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from monitor.clock import ManualClock
from monitor.drift_report import job, kept
from monitor.drift_report.asked import Wish, ask
from monitor.runtime import build
from monitor.settings import load
from tests.browser.visits import Go
from tests.seeds import NOW, served

pytestmark = [pytest.mark.full, pytest.mark.browser]


def test_a_report_is_drawn_in_its_sandbox_and_reaches_nothing(stores: Callable[[str], Path], go: Go) -> None:
    store = stores("healthy")
    parts = build(load(store / "checkrein.toml"), ManualClock(NOW))
    with parts.database.begin() as connection:
        identity = ask(connection, parts.settings, parts.clock, Wish("cooling", "v7"), "token:first")
    assert job.make(parts, identity, "one")
    with parts.database.read() as connection:
        found = kept.one(connection, identity)
    assert found["state"] == "made", found["sentence"]
    parts.database.close()
    with served(store, "healthy") as address:
        page = go(address).page
        page.goto(f"{address}/policy/cooling")
        link = page.get_by_role("link", name="Drift report of v7")
        assert link.get_attribute("href") == found["url"]
        page.goto(address + found["url"])
        expect(page.get_by_role("heading", name="Drift of cooling, v7")).to_be_visible()
        inner = page.frame_locator("iframe")
        expect(inner.get_by_text("Data Drift Summary")).to_be_visible()
        expect(inner.get_by_text("state.", exact=False).first).to_be_visible()
        frame = page.frames[1]
        assert frame.evaluate("() => origin") == "null"  # an origin of its own: not our storage, not our pages
        assert (
            frame.evaluate("() => { try { return String(parent.document.title) } catch (error) { return '' } }") == ""
        )
