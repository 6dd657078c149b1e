"""What is told of firings is the same over HTTP, on the page and on the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from dash.development.base_component import Component

from dashboard.why import why as component
from monitor import views
from monitor.api.app import create_app
from monitor.running.scheduler import Scheduler
from tests.command_line import Desk
from tests.firings import faulty, fired, healthy_at


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def text_of(part: Any) -> str:
    if isinstance(part, Component):
        return text_of(getattr(part, "children", None))
    if isinstance(part, list | tuple):
        return " ".join(text_of(one) for one in part)
    return "" if part is None else str(part)


def test_alerts_the_api_and_the_page_say_it(tmp_path: Path) -> None:
    parts = faulty(healthy_at(tmp_path / "healthy"), tmp_path / "site", "actions")
    wanted = fired(parts)
    app = create_app(Scheduler(parts, "test"), run=False)

    async def ask(path: str) -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
            return (await client.get(f"/api/v1{path}")).json()

    (alert,) = [item for item in asyncio.run(ask("/alerts?policy=p")) if item["trigger"] == "reward_3sigma"]
    assert (alert["why"]["help"], alert["why"]["at"]) == (wanted["help"], alert["since"])
    (one, *_rest) = asyncio.run(ask("/policies/p/why?most=1"))
    assert {"parts", "comparisons", "segments", "features", "sampled"} <= set(one)
    with parts.database.read() as connection:
        shown = views.alerts(connection, parts.settings, parts.clock, "p")["open"]
    told_of = next(item["why"] for item in shown if item["trigger"] == "reward_3sigma")
    words = text_of(component(told_of))
    assert wanted["help"] in words
    for said in ("Other actions in the same states", "Not attributable", "All of it", "off-policy"):
        assert said in words
    assert component(None) is None


def test_the_command_says_what_is_told_and_computes_it_when_asked(desk: Desk) -> None:
    quiet = desk.run("why", "shop")
    assert (quiet.status, quiet.out.strip()) == (0, "shop: no firing is explained")
    assert desk.run("why", "shop", "--now", "--json").json == []
    assert "configured: shop" in desk.run("why", "shoe").err
