"""The command `checkrein` in a folder of its own: called in this process where that will do, and as a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from monitor import cli
from monitor.clock import instant
from monitor.runtime import open_parts
from monitor.store.tables import manifest
from monitor.tick import Parts

START = 1_750_032_000.0  # 2025-06-16 00:00 UTC
HOUR = 3600.0
CONFIGURATION = """
[policy.shop]
incumbent = "v1"
serving = "v2"
fallbacks = ["v1"]
actions = ["low", "high"]

[policy.shop.constraint.spend]
cost = "spend"
limit = 2.0
"""


@dataclass(frozen=True)
class Done:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Everything that a person sees."""
        return self.out + self.err


class Desk:
    """A folder with a checkrein.toml, and the command run in it."""

    def __init__(self, folder: Path, migrated: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch):
        self.folder, self._capsys, self._patch = folder, capsys, patch
        shutil.copyfile(migrated, folder / "checkrein.db")
        self.configure()
        patch.chdir(folder)

    def configure(self, more: str = "", text: str = CONFIGURATION) -> None:
        """Write checkrein.toml."""
        (self.folder / "checkrein.toml").write_text(text + more)

    def run(self, *arguments: str | Path) -> Done:
        """Run the command here, as its entry point would."""
        self._capsys.readouterr()
        self._patch.setattr(sys, "argv", ["checkrein", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self._capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    def process(self, *arguments: str, before: str = "") -> Done:
        """Run the command as a process; ``before`` is Python that runs first."""
        code = f"{before}\nfrom monitor.cli import main\nmain()"
        command = [sys.executable, "-c", code, *arguments]
        path = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, env={**os.environ, **path}
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def parts(self) -> Parts:
        """Open the folder's database and lake."""
        return open_parts(self.folder / "checkrein.toml")

    def rows(self) -> int:
        """Count the decisions that count: those of files that the manifest names."""
        with self.parts().database.read() as connection:
            named = select(func.coalesce(func.sum(manifest.c.rows), 0)).where(manifest.c.kind == "decisions")
            return int(connection.execute(named).scalar_one())

    def lake(self) -> pa.Table:
        """Return every decision of the policy shop."""
        parts = self.parts()
        with parts.database.read() as connection:
            return parts.landing.lake.read(connection, "shop", "decisions", 0, 4e9)

    def table(self, table: Any, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of a table of the control state, in their own order."""
        picked = [table.c[name] for name in columns]
        with self.parts().database.read() as connection:
            return [tuple(row) for row in connection.execute(select(*picked).order_by(*picked))]


def decisions(count: int, first: int = 0, begin: float = START, every: float = 1.0) -> list[dict[str, Any]]:
    """Return healthy rows ``first`` to ``first + count`` of one endless log."""
    drawn = np.random.default_rng(7).normal(size=(first + count, 2))
    return [
        {
            "decision_id": f"d{i}",
            "ts": instant(begin + i * every).isoformat(),
            "version": "v2",
            "action": "high" if i % 2 else "low",
            "propensity": 0.5,
            "reward": float(drawn[i, 0]),
            "state.load": float(drawn[i, 1]),
            "cost.spend": 1.0,
        }
        for i in range(first, first + count)
    ]


def jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write JSON lines."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a Parquet file, its times as timestamps."""
    path.parent.mkdir(exist_ok=True)
    table = pa.Table.from_pylist(rows)
    times = pa.array([row["ts"] for row in rows]).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(table.set_column(table.column_names.index("ts"), "ts", times), path)
    return path
