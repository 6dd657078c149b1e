"""Take the documentation's pictures anew: tests/browser/screenshots.py [FOLDER], by default docs/img.

They show a seeded store, so that they say the same every time; the browser is the one of the browser tests. Where
CHECKREIN_OBD_DIR names the Open Bandit Dataset, those of docs/open-bandit.md too: its own commands make the store.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page  # noqa: E402 - run as a file, the tests are not on the path

from monitor.clock import ManualClock  # noqa: E402
from monitor.live import estimates  # noqa: E402
from monitor.runtime import build  # noqa: E402
from monitor.settings import load  # noqa: E402
from tests import on_duty, rival_candidates, rollout_seeds  # noqa: E402
from tests import test_open_bandit_page as page_of  # noqa: E402
from tests.browser.visits import Visit, chromium  # noqa: E402
from tests.seeds import seed, served  # noqa: E402

LARGEST = 300_000  # bytes
# name -> (address, theme, width, height, what must be there before the picture is taken)
PICTURES = {
    "overview": ("/", "light", 1440, 1400, "#policies tbody tr"),
    "policy": ("/policy/cooling", "light", 1440, 1510, "#forest .main-svg"),
    "alerts": ("/alerts", "light", 1440, 1250, "#alerts-open .finding"),
    "incident": ("/incident/1", "light", 1440, 1340, "#incident-head .lead"),
    "readiness": ("/readiness?policy=bidder", "light", 1440, 1000, "#readiness .items"),
    "policy-dark-narrow": ("/policy/cooling", "dark", 390, 1500, "#control .main-svg"),
}
# the same of a store with rollouts
ROLLOUT = ("/rollout/cooling", "light", 1440, 1180, "#rollout-comparison .reasons, #rollout-comparison .note")
# name -> (address, height, what must be there, the element that is the picture): of a policy with candidates
PARTS = {"candidates": ("/policy/p", 1400, "#forest .main-svg", "#candidates-panel")}
WEEK = "?from=2019-11-24T00:00Z&to=2019-12-01T00:00Z"
WEEK_END = 1_575_158_460.0  # 2019-12-01 00:01 UTC
OBD = {
    "obd-overview": ("/", 560, "#policies tbody tr", "#main"),
    "obd-policy": (f"/policy/zozo-all{WEEK}", 900, "#control-legend .key", "#control-panel"),
    "obd-candidates": (f"/policy/zozo-random{WEEK}", 900, "#forest .main-svg", "#candidates-panel"),
}
_CANDIDATES = """
[policy.zozo-random]
incumbent = "random"

[policy.zozo-random.candidate.bts-average]
policy = "linear:bts-average-all.json"
"""


def open_bandit(browser: Browser, folder: Path, store: Path) -> None:
    """Follow docs/open-bandit.md in an empty folder, serve it as of the end of its week, and take its pictures."""
    page_of.save(page_of.PAGE, store)
    for step in page_of.steps(page_of.PAGE):
        page_of.run(step.commands, store)
    with served(store, "healthy", WEEK_END) as address:
        for name in ("obd-overview", "obd-policy"):
            part(browser, address, name, folder)
    with (store / "checkrein.toml").open("a") as file:
        file.write(_CANDIDATES)
    log = Path(os.environ["CHECKREIN_OBD_DIR"]) / "random" / "all"
    page_of.run(f"checkrein ingest {log} --policy zozo-random --format obd", store)
    page_of.run("checkrein baseline freeze zozo-random --from 2019-11-24T00:00:00Z --to 2019-11-28T00:00:00Z", store)
    page_of.run("checkrein tick zozo-random --until 2019-12-01T00:01:00Z", store)
    parts = build(load(store / "checkrein.toml"), ManualClock(WEEK_END))
    estimates.refresh(parts, "zozo-random")
    parts.database.close()
    with served(store, "healthy", WEEK_END) as address:
        part(browser, address, "obd-candidates", folder)


def settled(page: Page) -> None:
    """Wait for what comes after the first answer: each chart, and the clock, which the browser writes once a second."""
    for chart in page.locator(".chart:visible").all():
        chart.locator(".main-svg").first.wait_for()
    page.locator("#now", has_text="UTC").wait_for(state="attached")


def part(browser: Browser, address: str, name: str, folder: Path) -> None:
    """Take a picture of one part of a page."""
    path, height, ready, element = {**OBD, **PARTS}[name]
    visit = Visit(browser, address)
    visit.page.set_viewport_size({"width": 1200, "height": height})
    page = visit.open(path)
    page.locator(ready).first.wait_for()
    settled(page)
    target = folder / f"{name}.png"
    page.locator(element).screenshot(path=str(target), animations="disabled")
    visit.close()
    print(f"{target} {target.stat().st_size:,} bytes")


def take(browser: Browser, address: str, name: str, folder: Path) -> Path:
    """Take one picture."""
    path, theme, width, height, ready = {**PICTURES, "rollout": ROLLOUT}[name]
    visit = Visit(browser, address, theme, width)
    visit.page.set_viewport_size({"width": width, "height": height})
    page = visit.open(path)
    page.locator(ready).first.wait_for()
    settled(page)
    target = folder / f"{name}.png"
    page.screenshot(path=str(target), animations="disabled")
    visit.close()
    if visit.wrong or target.stat().st_size > LARGEST:
        raise SystemExit(f"{target}: {target.stat().st_size:,} bytes (at most {LARGEST:,}); {visit.wrong}")
    return target


def main() -> None:
    """Seed a store in which much fires, serve it, and take every picture."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as store:
        directory = on_duty.staff(seed(Path(store) / "firing", "firing"))
        with on_duty.opened(directory) as parts:
            on_duty.wake(parts)
            on_duty.surround(parts)
        with served(directory, "firing") as address, chromium() as browser:
            for name in PICTURES:
                path = take(browser, address, name, folder)
                print(f"{path} {path.stat().st_size:,} bytes")
        rolled = rollout_seeds.looked(rollout_seeds.seed(Path(store) / "rollouts"))
        with served(rolled, "healthy") as address, chromium() as browser:
            print(take(browser, address, "rollout", folder))
        rivals = rival_candidates.seed(Path(store) / "rivals")
        with served(rivals, "healthy", rival_candidates.SERVED_AT) as address, chromium() as browser:
            for name in PARTS:
                part(browser, address, name, folder)
        if "CHECKREIN_OBD_DIR" in os.environ:
            week = Path(store) / "week"
            week.mkdir()
            with chromium() as browser:
                open_bandit(browser, folder, week)


if __name__ == "__main__":
    main()
