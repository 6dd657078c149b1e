"""How long the pages take, with fifty policies and thirty days of minute buckets behind them.

    python -m benchmarks.pages --policies 50 --days 30

One policy (5 features, 3 constraints; every shipped trigger) lives through the days: its minutes are stored and rolled
up, and one pass judges every window. Its rows are then copied to the other policies, so that the database has the size
of the real thing. `checkrein serve` serves it, with its scheduler running, and Debian's Chromium opens the pages as a
person does: the first one with nothing cached and a server that has answered nobody yet, then each page several times.
A page is there when no part of it waits for an answer and its charts are drawn. The aims: first page 2 s, later pages
1 s, 95% of the callbacks 200 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Request, sync_playwright
from sqlalchemy import Table, func, insert, literal, select

from benchmarks.data import COSTS
from benchmarks.deployment import serving
from benchmarks.ticks import START, deployed
from monitor.clock import SpedClock
from monitor.runtime import build
from monitor.settings import load
from monitor.store.database import Database, upsert
from monitor.store.tables import alerts, baselines, heartbeats, policies, routes, summaries, transitions, verdicts
from monitor.tick import Parts

COPIED = (policies, routes, summaries, verdicts, alerts, transitions, baselines)
CHROMIUM = "/usr/bin/chromium"
CALLBACK = "_dash-update-component"
CHARTS = ("control", "rate", "drift", "fan", "entropy", "forest")
AIMS = {"first": 2.0, "later": 1.0, "callback": 0.2}  # seconds
_READY = """(charts) => {
  const waits = Array.from(document.querySelectorAll(".empty")).some((e) => e.textContent.includes("Nothing read yet"));
  return document.querySelector("h1") !== null && !waits
    && charts.every((name) => document.querySelector("#" + name + " .main-svg") !== null);
}"""


def seeded(root: Path, count: int, days: int) -> tuple[Path, float]:
    """Return a folder with ``count`` policies of ``days`` days, and when their last window ended."""
    parts, clock = deployed(root, days * 1440)
    end = clock.at
    with parts.database.begin() as connection:
        for number in range(1, count):
            for table in COPIED:
                connection.execute(_copy(table, f"bench-{number:02d}"))
    parts.database.close()
    text = (root / "checkrein.toml").read_text("utf-8")
    blocks = [text.replace("policy.bench", f"policy.bench-{number:02d}") for number in range(1, count)]
    (root / "checkrein.toml").write_text("\n".join([text, *blocks]), "utf-8")
    return root, end


def _copy(table: Table, policy: str) -> Any:
    """Return the statement that copies the first policy's rows to another."""
    kept = [column for column in table.columns if column.name != "id"]  # ids are given out anew
    values = [literal(policy) if column.name == "policy" else column for column in kept]
    return insert(table).from_select(kept, select(*values).where(table.c.policy == "bench"))


def _stored(database: Database) -> dict[str, int]:
    with database.read() as connection:
        counted = {table: select(func.count()).select_from(table) for table in (summaries, verdicts)}
        return {table.name: int(connection.execute(found).scalar_one()) for table, found in counted.items()}


class Watch:
    """One browser that times pages, and every callback that they make."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.callbacks: list[tuple[str, float]] = []
        self._begun: dict[Request, float] = {}
        self._address, self._wrong = address, list[str]()
        self._page = browser.new_page(viewport={"width": 1440, "height": 900})
        self._page.on("request", self._started)
        self._page.on("requestfinished", self._finished)
        self._page.on("requestfailed", lambda request: self._begun.pop(request, None))
        self._page.on("pageerror", lambda error: self._wrong.append(str(error)))

    def _started(self, request: Request) -> None:
        if CALLBACK in request.url:
            self._begun[request] = time.perf_counter()

    def _finished(self, request: Request) -> None:
        if self._begun.pop(request, None) is not None:
            asked = json.loads(request.post_data or "{}").get("output", "")
            self.callbacks.append((asked, request.timing["responseEnd"] / 1000))

    def open(self, path: str) -> float:
        """Open a page; return the seconds until all of it is there."""
        page, charts = self._page, list(CHARTS) if path.startswith("/policy") else []
        began = time.perf_counter()
        page.goto(self._address + path)
        page.wait_for_function(_READY, arg=charts, polling=20, timeout=120_000)
        while self._begun:
            page.wait_for_timeout(10)
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the browser's page; it must not have complained."""
        self._page.close()
        if self._wrong:
            raise SystemExit(f"the pages complained: {self._wrong[:5]}")


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def _served(root: Path, end: float) -> Iterator[httpx.Client]:
    """Serve the folder as of the end of its data, with every policy just judged."""
    clock = SpedClock(end, 1.0, time.time())
    os.environ["CHECKREIN_CLOCK"] = clock.spec()
    parts: Parts = build(load(root / "checkrein.toml"), clock)
    rows = [{"part": f"judge:{name}", "real_at": time.time(), "at": end, "note": ""} for name in parts.settings.policy]
    with parts.database.begin() as connection:
        upsert(connection, heartbeats, rows)
    parts.database.close()
    with serving(root) as client:
        yield client


def measured(root: Path, end: float, rounds: int) -> dict[str, Any]:
    """Serve a seeded folder and return the seconds of the first page, of each later one, and of the callbacks."""
    paths = {"overview": "/", "alerts": "/alerts", "readiness": "/readiness"}
    paths |= {f"policy {span}": f"/policy/bench?range={span}" for span in ("1h", "6h", "24h", "7d", "30d")}
    with _served(root, end) as client, _chromium() as browser:
        address = str(client.base_url).rstrip("/")
        watch = Watch(browser, address)
        first = watch.open("/")
        later: dict[str, list[float]] = {name: [] for name in paths}
        for number in range(rounds):
            for name, path in paths.items():
                other = path.replace("bench", f"bench-{number + 1:02d}")  # a policy that nobody looked at yet
                later[name].append(watch.open(other))
        taken, callbacks = sorted(seconds for _asked, seconds in watch.callbacks), watch.callbacks
        watch.close()
    slowest: dict[str, list[float]] = {}
    for asked, seconds in callbacks:
        slowest.setdefault(asked.strip(".").split(".")[0], []).append(seconds)
    return {
        "first_s": first,
        "later_s": {name: statistics.median(found) for name, found in later.items()},
        "callbacks": len(taken),
        "callback_p50_s": statistics.median(taken),
        "callback_p95_s": taken[int(0.95 * (len(taken) - 1))],
        "by_callback_p95_s": {name: sorted(some)[int(0.95 * (len(some) - 1))] for name, some in slowest.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", type=int, default=50)
    parser.add_argument("--days", type=int, default=30, help="days of minute buckets of each policy")
    parser.add_argument("--rounds", type=int, default=5, help="times that each page is opened")
    parser.add_argument("--folder", type=Path, help="seed here, or use what an earlier run has seeded here")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary) / "site"
        if root.exists():
            end = float(START + options.days * 86400) // 900 * 900 + 60
        else:
            root, end = seeded(root, options.policies, options.days)
        database = build(load(root / "checkrein.toml"), SpedClock(end, 1.0)).database
        stored = _stored(database)
        database.close()
        figures = {"policies": options.policies, "days": options.days, "constraints": len(COSTS), **stored}
        figures |= measured(root, end, options.rounds)
    if options.json:
        print(json.dumps({name: round(one, 3) if isinstance(one, float) else one for name, one in figures.items()}))
        return
    counted = ", ".join(f"{count:,} {name}" for name, count in stored.items())
    print(f"{options.policies} policies, {options.days} days: {counted}")
    later = {f"{name}, later": seconds for name, seconds in figures["later_s"].items()}
    for name, seconds in {"overview, first, cold": figures["first_s"], **later}.items():
        print(f"{name:<24} {seconds:>8.2f} s   (aim: <= {AIMS['later' if name in later else 'first']:g} s)")
    p50, p95 = (1e3 * figures[f"callback_{which}_s"] for which in ("p50", "p95"))
    aim = 1e3 * AIMS["callback"]
    print(f"{figures['callbacks']} callbacks: median {p50:.0f} ms, 95% within {p95:.0f} ms (aim: <= {aim:.0f} ms)")
    for name, seconds in sorted(figures["by_callback_p95_s"].items(), key=lambda item: -item[1]):
        print(f"  {name:<22} {1e3 * seconds:>8.0f} ms")


if __name__ == "__main__":
    main()
