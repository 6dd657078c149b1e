"""docs/off-policy.md tells the truth: the log of its example is written, and its commands print what it shows."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from monitor.cli import app

PAGE = (Path(__file__).resolve().parents[1] / "docs/off-policy.md").read_text("utf-8")
SECTION = PAGE.split("## From a log to an answer")[1].split("\n## ")[0]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def printed(command: str) -> str:
    """Return what a command prints, in this process."""
    name, *arguments = shlex.split(command)
    assert name == "checkrein"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert app(arguments, standalone_mode=False) == 0
    return out.getvalue()


def shown() -> list[tuple[str, str]]:
    """Return each command of the section with the text that follows it."""
    blocks = BLOCK.findall(SECTION)
    pairs = [(body, after) for (kind, body), (_, after) in pairwise(blocks) if kind == "sh"]
    return [(body.removeprefix("python log.py\n").replace("\\\n", ""), after) for body, after in pairs]


def test_the_example_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [program] = [body for kind, body in BLOCK.findall(SECTION) if kind == "python"]
    (tmp_path / "log.py").write_text(program)
    subprocess.run([sys.executable, "log.py"], check=True)
    assert len(shown()) == 2
    for command, text in shown():
        assert printed(command) == text
