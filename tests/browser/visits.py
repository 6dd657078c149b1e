"""A visit to a page in a real browser: what it shows, and what it must not do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, TimeoutError, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 60_000.0  # ms until something that must show up is missing
# No sandbox: tests run as root in containers. The rest keeps the browser itself from calling anybody.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {1440: 900, 390: 844}  # a desk and a telephone, in CSS pixels
THEMES = ("light", "dark")
# No panel still waits for its first answer; one that failed says so in its error line.
_SETTLED = """() => document.querySelector("h1") !== null && Array.from(document.querySelectorAll(".empty")).every(
  (line) => !line.textContent.includes("Nothing read yet")
    || Array.from(document.querySelectorAll(".failed")).some((failed) => failed.textContent !== ""))"""
# The help's button is the last one of the header.
_FITS = """() => document.documentElement.scrollWidth <= window.innerWidth
  && document.getElementById("help-open").getBoundingClientRect().right <= window.innerWidth"""
_WIDEST = """() => Array.from(document.querySelectorAll("body *")).filter(
    (element) => element.getBoundingClientRect().right > window.innerWidth + 1
  ).slice(0, 8).map((element) => element.tagName + "#" + element.id + "." + element.getAttribute("class"))"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium with a fresh profile, without a window."""
    if not CHROMIUM.exists():
        raise FileNotFoundError(
            f"the browser tests need {CHROMIUM}: run scripts/browser.sh as root, or `apt-get install chromium`"
        )
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS, headless=True)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One page of a fresh profile; remembers every console error and every request to another machine.

    Parameters
    ----------
    browser, address
        Where from and where to.
    theme, width
        What the system prefers, and the window's width in pixels.
    zone
        The browser's time zone.
    """

    def __init__(
        self, browser: Browser, address: str, theme: str = "light", width: int = 1440, zone: str = "UTC"
    ) -> None:
        self.address, self.wrong = address, list[str]()
        scheme: Any = theme
        self._context = browser.new_context(
            viewport={"width": width, "height": WIDTHS[width]},
            color_scheme=scheme,
            reduced_motion="reduce",
            timezone_id=zone,
        )
        self._context.set_default_timeout(PATIENCE)
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda said: self._note(said.type in {"error", "warning"}, f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self._note(True, f"page error: {error}"))
        self.page.on("request", lambda request: self._note(self._foreign(request.url), f"request to {request.url}"))
        self.page.on("response", lambda got: self._note(got.status >= 400, f"{got.status} for {got.url}"))

    def _note(self, bad: bool, text: str) -> None:
        if bad:
            self.wrong.append(text)

    def _foreign(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme not in {"data", "blob", "about"} and parts.netloc != urlsplit(self.address).netloc

    def open(self, path: str) -> Page:
        """Open a page and wait until no panel of it waits for its first answer."""
        self.page.goto(self.address + path)
        self.page.wait_for_function(_SETTLED)
        return self.page

    def too_wide(self) -> list[str]:
        """Return what makes the page scroll sideways, once the charts had the time to follow the window's width."""
        try:
            self.page.wait_for_function(_FITS)
        except TimeoutError:
            found: list[str] = self.page.evaluate(_WIDEST)
            return found
        return []

    def close(self) -> None:
        """Close the page and forget its profile."""
        self._context.close()


Go = Callable[..., Visit]  # Go(address, theme="light", width=1440, zone="UTC")
