"""One real report by Evidently: asked for on the command line, made aside, the same numbers as ours, kept whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from detectors.jensen_shannon import js_divergence
from monitor.drift_report.process import Worker
from monitor.drift_report.sample import Sampled, sample
from monitor.runtime import open_parts
from monitor.store.tables import drift_reports
from tests.drifts import drifted_at
from tests.firings import FAULT, HOUR, healthy_at

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = """
[policy.p]
incumbent = "v6"
serving = "v7"
fallbacks = ["v6"]
actions = ["hold", "cool"]

[policy.p.source]
kind = "parquet"
path = "logs"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("site")
    drifted_at(healthy_at(found / "healthy"), found / "site").database.close()
    (found / "site" / "checkrein.toml").write_text(CONFIGURATION)
    return found / "site"


def command(folder: Path, *arguments: str) -> Any:
    code = "from monitor.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "report", "drift", "p", "--json", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def drawn(folder: Path, identity: int) -> Sampled:
    parts = open_parts(folder / "checkrein.toml")
    with parts.database.read() as connection:
        row = connection.execute(select(drift_reports).where(drift_reports.c.id == identity)).one()
        return sample(connection, parts.landing.lake, "none", row)


def counts(name: str, sides: tuple[pa.Table, pa.Table]) -> list[NDArray[np.int64]]:
    """Count as Evidently does: levels, or Sturges' bins over both samples."""
    values = [side[name].drop_null() for side in sides]
    if pa.types.is_string(values[0].type):
        levels = sorted({level for column in values for level in column.to_pylist()})
        return [np.array([column.to_pylist().count(level) for level in levels]) for column in values]
    numbers = [column.to_numpy() for column in values]
    edges = np.histogram_bin_edges(np.concatenate(numbers), bins="sturges")
    return [np.histogram(one, edges)[0] for one in numbers]


@pytest.mark.full
def test_a_real_report_has_our_divergence_on_its_own_scale(folder: Path) -> None:
    span = ("--from", f"{FAULT}", "--to", f"{FAULT + 3 * HOUR}")
    found = command(folder, "--version", "v7", *span, "--out", "report.html")
    assert found["state"] == "made"
    sides = drawn(folder, found["id"])
    assert set(found["columns"]) == {"action", "state.kind", "state.load"}
    for name, moved in found["columns"].items():
        bits = js_divergence(*counts(name, (sides.reference, sides.current)))  # theirs: root of nats, not bits
        assert moved["distance"] == pytest.approx(math.sqrt(bits * math.log(2)), rel=1e-9)
    assert found["columns"]["state.load"]["distance"] > found["limit"] == pytest.approx(math.sqrt(0.1 * math.log(2)))
    assert found["sentence"].startswith("1 of 3 columns is further than 0.26 from the baseline (Jensen-Shannon")
    assert found["sampled"] == {"baseline": 5000, "span": 1080, "of": "v7"}
    html = (folder / "report.html").read_bytes()
    assert hashlib.sha256(html).hexdigest() == found["sha256"]
    kept = folder / "lake" / "reports" / f"{found['sha256']}.html.gz"
    assert gzip.decompress(kept.read_bytes()) == html
    assert b"Dataset Drift is detected" in html  # one column of three
    assert 1e6 < len(html) < 2e7


@pytest.mark.full
def test_strange_values_are_no_trouble_for_evidently(tmp_path: Path) -> None:
    from monitor.drift_report.columns import compared

    n, rng = 2000, np.random.default_rng(0)
    table = pa.table(
        {
            "state.wild": np.where(rng.random(n) < 0.5, np.inf, rng.normal(0, 1, n) * 1e300),
            "state.same": np.ones(n),
            "state.rare": np.where(rng.random(n) < 0.99, np.nan, 1.0),
            "state.ids": [f"</script><script>window.stolen=1</script>{i}" for i in range(n)],
            "state.<b>": rng.normal(0, 1, n),
            "action": ["<img src=x onerror=alert(1)>"] * n,
        }
    )
    found = compared(table, table)
    Sampled(found.of(table), found.of(table), found, "v7").write(tmp_path, 0.26)
    said = Worker().run(tmp_path)
    assert len(said["distances"]) == 6
    assert all(distance == 0.0 for distance in said["distances"].values())
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<script>window.stolen" not in html
    assert "<img src=x" not in html
