"""docs/open-bandit.md tells the truth: its commands are run as a reader runs them, and print what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from monitor.estimate import estimate

pytestmark = pytest.mark.obd

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/open-bandit.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SAVED = {"toml": "checkrein.toml", "python": "candidates.py"}
DATA = Path(os.environ.get("CHECKREIN_OBD_DIR", "."))
VARIES = re.compile(r"in [\d.]+ s \([\d,]+ rows/s\)|data [\d.]+ \w+ old")  # the machine's speed, the clock's time


@dataclass(frozen=True)
class Step:
    """A block of commands, and what the page says that it prints; None: it shows nothing."""

    commands: str
    shown: str | None


def steps(text: str) -> list[Step]:
    blocks = [(kind, body) for kind, body in BLOCK.findall(text) if kind not in SAVED]
    after = [*blocks[1:], ("", "")]
    return [
        Step(body, shown if follows == "text" else None)
        for (kind, body), (follows, shown) in zip(blocks, after, strict=True)
        if kind == "sh"
    ]


def save(text: str, folder: Path) -> None:
    """Save the files that the page says to save."""
    for kind, body in BLOCK.findall(text):
        if kind in SAVED:
            (folder / SAVED[kind]).write_text(body)


def run(commands: str, folder: Path) -> str:
    """Return what commands print, in a shell that knows this environment's `checkrein` and `python`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONUTF8": "1"}
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_commands_print_what_the_page_shows(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    full = request.config.getoption("--full")
    text = PAGE if full else PAGE.partition("## The other two campaigns")[0]
    save(text, tmp_path)
    followed = steps(text)
    for step in followed:
        printed = run(step.commands, tmp_path)
        if step.shown is not None:
            assert VARIES.sub("~", printed) == VARIES.sub("~", step.shown), step.commands
    assert sum(step.shown is not None for step in followed) == (7 if full else 4)


def test_everything_that_the_page_shows_as_printed_follows_a_command() -> None:
    kinds = [kind for kind, _body in BLOCK.findall(PAGE)]
    assert {*kinds} == {"sh", "text", *SAVED}
    assert [before for before, kind in zip(["", *kinds], kinds, strict=False) if kind == "text"] == ["sh"] * 7
    assert [kinds.count(kind) for kind in SAVED] == [1, 1]


def clicks(log: Path, candidate: str) -> str:
    """Return an estimate as the page's table has it: clicks in 10,000 decisions."""
    [answer] = estimate(log, [candidate], kind="obd", estimators=["snips"])["candidates"]
    [found] = answer["estimates"]
    if found["value"] is None:
        return str(answer["verdict"])
    value, low, high = (round(10_000 * found[name]) for name in ("value", "low", "high"))
    told = f"{value} [{low}, {high}]"
    return told if candidate == "column:propensity" else f"{told} {answer['verdict']}"


def test_the_table_at_the_end_is_what_estimates_and_logs_say(tmp_path: Path) -> None:
    save(PAGE, tmp_path)
    run("python candidates.py all men women", tmp_path)
    for campaign in ("all", "men", "women"):
        bts, random = DATA / "bts" / campaign, DATA / "random" / campaign
        cells = [
            clicks(bts, "column:propensity"),
            clicks(random, f"linear:{tmp_path}/bts-average-{campaign}.json"),
            clicks(random, "column:propensity"),
            clicks(bts, f"linear:{tmp_path}/uniform-{campaign}.json"),
        ]
        assert f"| {' | '.join([campaign, *cells])} |" in PAGE


@pytest.mark.full
def test_every_estimator_is_as_the_page_and_its_pictures_have_it(tmp_path: Path) -> None:
    from tests import open_bandit_chart as chart

    save(PAGE, tmp_path)
    run("python candidates.py all men women", tmp_path)
    cells = list(chart.cells(DATA, tmp_path))
    assert chart.table(cells) in PAGE
    for theme, colours in chart.THEMES.items():
        drawn = chart.chart(cells, dict(zip(chart.COLOURS, colours, strict=True)))
        assert drawn == (ROOT / f"docs/img/obd-estimates{theme}.svg").read_text("utf-8")
    known = [(name, cell.earned[0], found) for cell in cells for name, found in cell.estimates.items() if found]
    missed = [name for name, earned, (_, low, high) in known if not low <= earned <= high]
    assert sorted(missed) == ["clipped_ips", *["dm"] * 4, "ips", "sub_gaussian_ips"]
    assert [cell.verdict for cell in cells].count("refused") == 2


def test_what_is_said_of_the_logs_between_the_blocks_is_what_pandas_finds() -> None:
    logs = {
        (version, campaign): pd.read_csv(DATA / version / campaign / f"{campaign}.csv.gz")
        for version in ("random", "bts")
        for campaign in ("all", "men", "women")
    }
    assert {len(log) for log in logs.values()} == {10_000}
    counted = [int(log["click"].sum()) for log in logs.values()]
    assert (min(counted), max(counted)) == (38, 69)
    assert "38 to 69 led to a click" in PAGE
    bts = logs["bts", "all"]
    first = bts[(bts["item_id"] == 39) & (bts["position"] == 1)]["propensity_score"]
    assert f"item 39 ran from {first.min():.4f} to {first.max():.2f}" in PAGE
    hours = bts["click"].groupby(bts["timestamp"].str[:13]).sum()
    assert (hours == 0).mean() == pytest.approx(0.75, abs=0.04)  # three of four hours have no click
    assert bts["item_id"].value_counts().min() == 4
    assert logs["bts", "women"]["propensity_score"].min() == 1e-6
