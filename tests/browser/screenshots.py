"""Take the documentation's pictures anew: tests/browser/screenshots.py [FOLDER], by default docs/img.

They show a seeded store, so that they say the same every time; the browser is the one of the browser tests.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser  # noqa: E402 - run as a file, the tests are not on the path

from tests.browser.visits import Visit, chromium  # noqa: E402
from tests.seeds import seed, served  # noqa: E402

LARGEST = 300_000  # bytes
# name -> (address, theme, width, height, what must be there before the picture is taken)
PICTURES = {
    "overview": ("/", "light", 1440, 1400, "#policies tbody tr"),
    "policy": ("/policy/cooling", "light", 1440, 1510, "#forest .main-svg"),
    "alerts": ("/alerts", "light", 1440, 1250, "#alerts-open .finding"),
    "readiness": ("/readiness?policy=bidder", "light", 1440, 1000, "#readiness .items"),
    "policy-dark-narrow": ("/policy/cooling", "dark", 390, 1500, "#control .main-svg"),
}


def take(browser: Browser, address: str, name: str, folder: Path) -> Path:
    """Take one picture."""
    path, theme, width, height, ready = PICTURES[name]
    visit = Visit(browser, address, theme, width)
    visit.page.set_viewport_size({"width": width, "height": height})
    page = visit.open(path)
    page.locator(ready).first.wait_for()
    page.locator("#now", has_text="UTC").wait_for(state="attached")  # the browser writes it once a second
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
        directory = seed(Path(store) / "firing", "firing")
        with served(directory, "firing") as address, chromium() as browser:
            for name in PICTURES:
                path = take(browser, address, name, folder)
                print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
