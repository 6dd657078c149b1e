"""Draw docs/img/obd-estimates*.svg anew: tests/open_bandit_chart.py [FOLDER]. Needs CHECKREIN_OBD_DIR.

Each policy's clicks, estimated from the other's log by every estimator, against what it earned in its own. It also
prints the table of docs/open-bandit.md, with which tests/test_open_bandit_page.py compares the page.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from monitor.estimate import estimate  # noqa: E402 - run as a file, the tests are not on the path

CAMPAIGNS = ("all", "men", "women")
# who is estimated, from whose log, by which candidate
ASKED = (("bts-average", "random", "bts-average"), ("random", "bts", "uniform"))
EARNED = {"bts-average": "bts", "random": "random"}
COLOURS = ("page", "text", "quiet", "grid", "dot", "earned")
THEMES = {
    "": ("#ffffff", "#1f2328", "#59636e", "#d1d9e0", "#0969da", "#bf8700"),
    "-dark": ("#0d1117", "#f0f6fc", "#9198a1", "#3d444d", "#4493f8", "#d29922"),
}
CLICKS = (-40, 140)  # of the axis, in 10,000 decisions
LEFT, PANEL, GAP, LINE, TOP = 132, 330, 150, 19, 74


@dataclass(frozen=True)
class Cell:
    """One policy in one campaign: what it earned in its own log, and what the other's log says."""

    campaign: str
    policy: str
    log: str
    earned: tuple[int, int, int]
    verdict: str
    estimates: dict[str, tuple[int, int, int] | None]


def clicks(found: dict[str, Any]) -> tuple[int, int, int] | None:
    """Return value and interval in clicks of 10,000 decisions, None where it is refused."""
    if found["value"] is None:
        return None
    value, low, high = (round(10_000 * found[name]) for name in ("value", "low", "high"))
    return value, low, high


def on_policy(log: Path) -> tuple[int, int, int]:
    """Return what the policy that wrote a log earned, with the normal interval of a mean: no weights are in it."""
    facts = estimate(log, ["column:propensity"], kind="obd", estimators=["ips"])["log"]
    mean, rows = facts["mean_reward"], facts["rows"]
    reach = 1.959964 * (mean * (1 - mean) / (rows - 1)) ** 0.5
    low, high = (round(10_000 * (mean + side * reach)) for side in (-1, 1))
    return round(10_000 * mean), low, high


def cells(data: Path, candidates: Path) -> Iterator[Cell]:
    """Yield every cell; ``candidates`` is the folder in which the page's candidates.py was run."""
    for campaign in CAMPAIGNS:
        for policy, log, name in ASKED:
            spec = f"linear:{candidates}/{name}-{campaign}.json"
            [answer] = estimate(data / log / campaign, [spec], kind="obd")["candidates"]
            estimates = {one["estimator"]: clicks(one) for one in answer["estimates"]}
            earned = on_policy(data / EARNED[policy] / campaign)
            yield Cell(campaign, policy, log, earned, answer["verdict"], estimates)


def said(found: tuple[int, int, int] | None) -> str:
    """Write clicks as the page does."""
    return "refused" if found is None else f"{found[0]} [{found[1]}, {found[2]}]"


def table(found: list[Cell]) -> str:
    """Return the page's table: a column for each cell, a row for each estimator."""
    head = ["", *(f"{cell.policy}, {cell.campaign}" for cell in found)]
    rows = [head, ["---"] * len(head), ["earned", *(said(cell.earned) for cell in found)]]
    rows += [[f"`{name}`", *(said(cell.estimates[name]) for cell in found)] for name in found[0].estimates]
    rows.append(["verdict", *(cell.verdict for cell in found)])
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)


def chart(found: list[Cell], theme: dict[str, str]) -> str:
    """Return the picture as SVG: a panel for each cell, a dot and its interval for each estimator."""
    names = list(found[0].estimates)
    tall = len(names) * LINE + 62
    width, height = LEFT + 2 * PANEL + GAP + 24, TOP + len(CAMPAIGNS) * tall + 8
    told = "Dots with intervals: estimates of each policy from the other's log; the band is what it earned in its own."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12"><title>{told}</title>',
        f'<rect width="{width}" height="{height}" fill="{theme["page"]}"/>',
        text(16, 26, "Clicks in 10,000 decisions, estimated from the other policy's log", theme["text"], size=16),
        text(16, 46, "Dots: estimates with 95% intervals. Band and line: what the policy earned.", theme["quiet"]),
    ]
    for at, cell in enumerate(found):
        left, top = LEFT + (at % 2) * (PANEL + GAP), TOP + (at // 2) * tall
        parts += panel(cell, names, left, top, theme)
    return "\n".join([*parts, "</svg>", ""])


def panel(cell: Cell, names: list[str], left: int, top: int, theme: dict[str, str]) -> Iterator[str]:
    """Yield one panel."""

    def x(value: float) -> float:
        share = (min(max(value, CLICKS[0]), CLICKS[1]) - CLICKS[0]) / (CLICKS[1] - CLICKS[0])
        return round(left + share * PANEL, 1)

    bottom = top + 26 + len(names) * LINE
    title = f"{cell.policy}, {cell.campaign}, from the log of {cell.log}: {cell.verdict}"
    yield text(left, top + 10, title, theme["text"], weight="600")
    value, low, high = cell.earned
    band = x(high) - x(low)
    yield (
        f'<rect x="{x(low)}" y="{top + 20}" width="{band:.1f}" height="{bottom - top - 20}" fill="{theme["earned"]}" '
        'opacity="0.22"/>'
    )
    yield f'<path d="M{x(value)} {top + 20}V{bottom}" stroke="{theme["earned"]}" stroke-width="2"/>'
    for mark in range(CLICKS[0], CLICKS[1] + 1, 20):
        yield f'<path d="M{x(mark)} {top + 20}V{bottom}" stroke="{theme["grid"]}" stroke-width="0.5"/>'
        if mark % 40 == 0:
            yield text(x(mark), bottom + 15, f"{mark}", theme["quiet"], anchor="middle")
    for row, name in enumerate(names):
        y = top + 32 + row * LINE
        yield text(left - 8, y + 4, name, theme["text"], anchor="end")
        one = cell.estimates[name]
        if one is None:
            yield text(left + PANEL - 4, y + 4, "refused", theme["quiet"], anchor="end")
            continue
        yield f'<path d="M{x(one[1])} {y}H{x(one[2])}" stroke="{theme["dot"]}" stroke-width="2"/>'
        yield f'<circle cx="{x(one[0])}" cy="{y}" r="4" fill="{theme["dot"]}"/>'


def text(
    x: float, y: float, words: str, fill: str, *, anchor: str = "start", size: int = 12, weight: str = "400"
) -> str:
    """Return a line of text."""
    return (
        f'<text x="{x}" y="{y}" fill="{fill}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
        f"{words}</text>"
    )


def main() -> None:
    """Write the pictures and print the table."""
    from tests import test_open_bandit_page as page_of

    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page_of.save(page_of.PAGE, folder)
        page_of.run("python candidates.py all men women", folder)
        found = list(cells(Path(os.environ["CHECKREIN_OBD_DIR"]), folder))
    for theme, colours in THEMES.items():
        (target / f"obd-estimates{theme}.svg").write_text(chart(found, dict(zip(COLOURS, colours, strict=True))))
    print(table(found))


if __name__ == "__main__":
    main()
